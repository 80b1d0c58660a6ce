package lake

import (
	"fmt"
	"io"
	"sync"
)

const (
	// blockSize is how much of a remote object one request reads: Parquet's
	// reader asks page by page, and a request costs tens of milliseconds.
	blockSize = 4 << 20
	// maxBlocks of an object are kept: a reader goes along several columns at
	// once, each in a place of its own.
	maxBlocks = 8
)

// blockReader is an Object over range requests. It reads aligned blocks and
// keeps the ones used last; a read of a block's size or more goes through.
type blockReader struct {
	size  int64
	fetch func(p []byte, off int64) error // fills p

	mu     sync.Mutex
	blocks []*block // the one used last at the end
}

type block struct {
	off  int64
	once sync.Once // several readers of one block make one request
	data []byte
	err  error
}

func newBlockReader(size int64, fetch func(p []byte, off int64) error) *blockReader {
	return &blockReader{size: size, fetch: fetch}
}

func (r *blockReader) Size() int64 { return r.size }

func (r *blockReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.blocks = nil
	return nil
}

func (r *blockReader) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at offset %d: expected 0 or more", off)
	}
	if off >= r.size {
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	short := int64(len(p)) > r.size-off
	if short {
		p = p[:r.size-off]
	}
	if len(p) >= blockSize {
		if err := r.fetch(p, off); err != nil {
			return 0, err
		}
		n = len(p)
	}
	for n < len(p) {
		b, err := r.block((off + int64(n)) / blockSize * blockSize)
		if err != nil {
			return n, err
		}
		n += copy(p[n:], b.data[off+int64(n)-b.off:])
	}
	if short {
		return n, io.EOF
	}
	return n, nil
}

func (r *blockReader) block(off int64) (*block, error) {
	b := r.lookup(off)
	b.once.Do(func() {
		data := make([]byte, min(blockSize, r.size-off))
		if b.err = r.fetch(data, off); b.err == nil {
			b.data = data
		}
	})
	if b.err != nil {
		r.drop(b) // the next read tries again
	}
	return b, b.err
}

// lookup returns the block at an offset, a new one if it is not kept.
func (r *blockReader) lookup(off int64) *block {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &block{off: off}
	for i, have := range r.blocks {
		if have.off == off {
			b = have
			r.blocks = append(r.blocks[:i], r.blocks[i+1:]...)
			break
		}
	}
	if len(r.blocks) == maxBlocks {
		r.blocks = append(r.blocks[:0], r.blocks[1:]...)
	}
	r.blocks = append(r.blocks, b)
	return b
}

func (r *blockReader) drop(b *block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, have := range r.blocks {
		if have == b {
			r.blocks = append(r.blocks[:i], r.blocks[i+1:]...)
			return
		}
	}
}
