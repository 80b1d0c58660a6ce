package lake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// input is the bytes of a column chunk, read a window at a time.
type input struct {
	object  io.ReaderAt // nil: all is in buffer
	at, end int64       // what is still to be read
	window  int64
	buffer  []byte // what was read and not taken
	room    []byte // its memory
}

// peek returns the next bytes, n of them or all that are left.
func (in *input) peek(n int) ([]byte, error) {
	if len(in.buffer) >= n || in.at == in.end {
		return in.buffer, nil
	}
	have := len(in.buffer)
	want := int(min(max(int64(n-have), in.window), in.end-in.at))
	if cap(in.room) < have+want {
		room := make([]byte, have+want)
		copy(room, in.buffer)
		in.room = room
	} else {
		copy(in.room[:have], in.buffer)
	}
	in.buffer = in.room[:have+want]
	if _, err := in.object.ReadAt(in.buffer[have:], in.at); err != nil {
		return nil, err
	}
	in.at += int64(want)
	return in.buffer, nil
}

func (in *input) skip(n int) { in.buffer = in.buffer[n:] }

func (in *input) left() int64 { return int64(len(in.buffer)) + in.end - in.at }

// cursor decodes a column chunk page by page. Its memory is used for the next
// chunk again, but not the pages that texts point to.
type cursor struct {
	columnType
	in         input
	rows       int64 // after the page at hand
	dictionary []string

	// The page at hand.
	n, at   int // rows; the next one
	nulls   bool
	levels  []byte   // with NULLs: 1 a value, 0 NULL
	indexed bool     // texts are in the dictionary
	indexes []uint32 // of the values left
	lengths []uint32 // likewise
	text    string   // likewise
	numbers []byte   // likewise

	levelsRoom  []byte
	numbersRoom []byte
	valuesRoom  []uint32
}

func (c *cursor) open(t columnType, g *rowGroup, column int, f *eventFile) {
	at := g.chunks[column]
	c.columnType = t
	c.rows = g.rows
	c.dictionary = nil
	c.n, c.at = 0, 0
	c.in = input{object: f.object, at: at.at, end: at.at + at.size, window: f.window, room: c.in.room}
	if f.whole != nil {
		c.in.buffer = f.whole[at.at : at.at+at.size]
		c.in.at = c.in.end
	}
}

// forget drops what a cursor in a pool must not keep alive.
func (c *cursor) forget() {
	c.dictionary, c.text = nil, ""
	c.in.object, c.in.buffer = nil, nil
}

// close wants nothing left.
func (c *cursor) close() error {
	if c.rows != 0 || c.at != c.n || c.in.left() != 0 {
		return fmt.Errorf("expected the column's end, found %d bytes more", c.in.left())
	}
	return nil
}

const maxHeaderBytes = 1 << 10

// next decodes the next page.
func (c *cursor) next(z *zstd.Decoder) error {
	for {
		if c.rows == 0 {
			return errors.New("expected another page, found the column's end")
		}
		data, err := c.in.peek(maxHeaderBytes)
		if err != nil {
			return err
		}
		h, n, err := readPageHeader(data[:min(len(data), maxHeaderBytes)])
		if err != nil {
			return damage("%w", err)
		}
		if err := h.check(c.columnType, c.rows); err != nil {
			return damage("%w", err)
		}
		c.in.skip(n)
		if h.compressed > c.in.left() {
			return damage("expected a page of %d bytes, found %d", h.compressed, c.in.left())
		}
		data, err = c.in.peek(int(h.compressed))
		if err != nil {
			return err
		}
		body := data[:h.compressed]
		if err := h.checkCRC(body); err != nil {
			return damage("%w", err)
		}
		if h.kind == format.DictionaryPage {
			err = c.setDictionary(z, &h, body)
		} else {
			err = c.setPage(z, &h, body)
		}
		if err != nil {
			return damage("%w", err)
		}
		c.in.skip(len(body))
		if h.kind == format.DataPageV2 {
			return nil
		}
	}
}

func (c *cursor) setDictionary(z *zstd.Decoder, h *pageHeader, body []byte) error {
	if c.dictionary != nil {
		return errors.New("expected one dictionary, found another")
	}
	data, err := h.plainValues(z, nil, body)
	if err != nil {
		return err
	}
	c.dictionary, err = decodeDictionary(data, int(h.values))
	return err
}

func (c *cursor) setPage(z *zstd.Decoder, h *pageHeader, body []byte) (err error) {
	values := int(h.rows - h.nulls)
	c.nulls = h.nulls > 0
	if c.optional {
		if c.levelsRoom, err = decodeLevels(c.levelsRoom, body[:h.levels], int(h.rows)); err != nil {
			return err
		}
		c.levels = c.levelsRoom
		ones := 0
		for _, l := range c.levels {
			ones += int(l)
		}
		if ones != values {
			return fmt.Errorf("expected %d values, found %d", values, ones)
		}
	}
	body = body[h.levels:]
	c.indexed = h.encoding == format.RLEDictionary
	switch {
	case c.texts && h.encoding == format.DeltaLengthByteArray:
		// Its own memory: texts point to it.
		data, err := h.plainValues(z, nil, body)
		if err != nil {
			return err
		}
		if c.valuesRoom, data, err = decodeLengths(c.valuesRoom, data, values); err != nil {
			return err
		}
		c.lengths, c.text = c.valuesRoom, viewText(data)
		if err := checkLengths(c.lengths, len(data)); err != nil {
			return err
		}
	case c.texts && c.indexed:
		if c.numbersRoom, err = h.plainValues(z, c.numbersRoom, body); err != nil {
			return err
		}
		if c.valuesRoom, err = decodeIndexes(c.valuesRoom, c.numbersRoom, values, len(c.dictionary)); err != nil {
			return err
		}
		c.indexes = c.valuesRoom
	case !c.texts && h.encoding == format.Plain:
		if c.numbersRoom, err = h.plainValues(z, c.numbersRoom, body); err != nil {
			return err
		}
		c.numbers = c.numbersRoom
		if len(c.numbers) != values*c.bytes {
			return fmt.Errorf("expected %d numbers of %d bytes, found %d bytes", values, c.bytes, len(c.numbers))
		}
	default:
		return fmt.Errorf("expected an encoding of the lake's files, found %v", h.encoding)
	}
	c.rows -= h.rows
	c.n, c.at = int(h.rows), 0
	return nil
}

// take returns how many of up to n rows the page at hand has, and, where some
// of them are NULL, their levels.
func (c *cursor) take(z *zstd.Decoder, n int) (int, []byte, error) {
	if c.at == c.n {
		if err := c.next(z); err != nil {
			return 0, nil, err
		}
	}
	n = min(n, c.n-c.at)
	c.at += n
	if !c.nulls {
		return n, nil, nil
	}
	return n, c.levels[c.at-n : c.at], nil
}

// fillTexts decodes texts into dst, which is zero.
func (c *cursor) fillTexts(z *zstd.Decoder, dst []string) error {
	for len(dst) > 0 {
		n, levels, err := c.take(z, len(dst))
		if err != nil {
			return err
		}
		rows := dst[:n]
		dst = dst[n:]
		switch {
		case c.indexed && levels == nil:
			for i, index := range c.indexes[:n] {
				rows[i] = c.dictionary[index]
			}
			c.indexes = c.indexes[n:]
		case c.indexed:
			k := 0
			for i, level := range levels {
				if level != 0 {
					rows[i] = c.dictionary[c.indexes[k]]
					k++
				}
			}
			c.indexes = c.indexes[k:]
		case levels == nil:
			at := uint32(0)
			for i, l := range c.lengths[:n] {
				rows[i] = c.text[at : at+l]
				at += l
			}
			c.text, c.lengths = c.text[at:], c.lengths[n:]
		default:
			k, at := 0, uint32(0)
			for i, level := range levels {
				if level != 0 {
					l := c.lengths[k]
					rows[i] = c.text[at : at+l]
					at += l
					k++
				}
			}
			c.text, c.lengths = c.text[at:], c.lengths[k:]
		}
	}
	return nil
}

// fillLongs decodes numbers of eight bytes into dst, which is zero.
func fillLongs[T ~int64](c *cursor, z *zstd.Decoder, dst []T) error {
	for len(dst) > 0 {
		n, levels, err := c.take(z, len(dst))
		if err != nil {
			return err
		}
		rows := dst[:n]
		dst = dst[n:]
		values := c.numbers
		if levels == nil {
			for i := range rows {
				rows[i] = T(binary.LittleEndian.Uint64(values[i*8:]))
			}
			c.numbers = values[n*8:]
			continue
		}
		for i, level := range levels {
			if level != 0 {
				rows[i] = T(binary.LittleEndian.Uint64(values))
				values = values[8:]
			}
		}
		c.numbers = values
	}
	return nil
}

// fillInts decodes numbers of four bytes, none of them NULL.
func (c *cursor) fillInts(z *zstd.Decoder, dst []int32) error {
	for len(dst) > 0 {
		n, _, err := c.take(z, len(dst))
		if err != nil {
			return err
		}
		for i := range dst[:n] {
			dst[i] = int32(binary.LittleEndian.Uint32(c.numbers[i*4:]))
		}
		c.numbers = c.numbers[n*4:]
		dst = dst[n:]
	}
	return nil
}
