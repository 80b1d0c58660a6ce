package lake

import (
	"encoding/binary"
	"errors"
)

// thriftReader reads what Parquet's metadata is written in, Thrift's compact
// protocol, without reflection and without memory of its own: small files are
// mostly metadata. After the first error all calls return zeros.
type thriftReader struct {
	data []byte
	at   int
	err  error
}

var errThrift = errors.New("the metadata ends too early or is no Thrift")

// Types of the compact protocol.
const (
	thriftTrue   = 1
	thriftFalse  = 2
	thriftByte   = 3
	thriftI16    = 4
	thriftI32    = 5
	thriftI64    = 6
	thriftDouble = 7
	thriftBinary = 8
	thriftList   = 9
	thriftSet    = 10
	thriftMap    = 11
	thriftStruct = 12
)

func (r *thriftReader) fail() { r.err, r.at = errThrift, len(r.data) }

func (r *thriftReader) byte() byte {
	if r.at >= len(r.data) {
		r.fail()
		return 0
	}
	r.at++
	return r.data[r.at-1]
}

func (r *thriftReader) uvarint() uint64 {
	if r.at < len(r.data) && r.data[r.at] < 0x80 {
		r.at++
		return uint64(r.data[r.at-1])
	}
	v, n := binary.Uvarint(r.data[r.at:])
	if n <= 0 {
		r.fail()
		return 0
	}
	r.at += n
	return v
}

// int reads a number of any width.
func (r *thriftReader) int() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// bytes reads a byte string, a view.
func (r *thriftReader) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.data)-r.at) {
		r.fail()
		return nil
	}
	r.at += int(n)
	return r.data[r.at-int(n) : r.at]
}

// fields calls do for each field of a struct; do reads the value, or returns
// false to have it skipped.
func (r *thriftReader) fields(do func(id int, kind byte) bool) {
	id := 0
	for r.err == nil {
		b := r.byte()
		kind := b & 15
		if kind == 0 {
			return
		}
		if delta := int(b >> 4); delta != 0 {
			id += delta
		} else {
			id = int(r.int())
		}
		if !do(id, kind) {
			r.skip(kind, 0)
		}
	}
}

// list reads the head of a list.
func (r *thriftReader) list() (n int, kind byte) {
	b := r.byte()
	size := uint64(b >> 4)
	if size == 15 {
		size = r.uvarint()
	}
	// An element takes a byte at least.
	if size > uint64(len(r.data)-r.at) {
		r.fail()
		return 0, 0
	}
	return int(size), b & 15
}

const thriftDepth = 16

func (r *thriftReader) skip(kind byte, depth int) {
	if depth > thriftDepth {
		r.fail()
		return
	}
	switch kind {
	case thriftTrue, thriftFalse:
	case thriftByte:
		r.byte()
	case thriftI16, thriftI32, thriftI64:
		r.uvarint()
	case thriftDouble:
		for range 8 {
			r.byte()
		}
	case thriftBinary:
		r.bytes()
	case thriftList, thriftSet:
		n, element := r.list()
		for range n {
			if r.err != nil {
				return
			}
			if element <= thriftFalse {
				r.byte() // in a list a boolean is a byte
			} else {
				r.skip(element, depth+1)
			}
		}
	case thriftStruct:
		for r.err == nil {
			b := r.byte()
			if b&15 == 0 {
				return
			}
			if b>>4 == 0 {
				r.uvarint()
			}
			r.skip(b&15, depth+1)
		}
	default: // maps: Parquet has none
		r.fail()
	}
}
