package sales

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// What crosses a shuffle is packed: a few large byte strings. The formats live
// no longer than a run and need no versions.

var errPacked = errors.New("sales: a packed element is damaged")

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// unpacker reads what was packed. Its texts are views of the input. The first
// error sticks and empties the input.
type unpacker struct {
	in  []byte
	err error
}

func (u *unpacker) fail() { u.in, u.err = nil, errPacked }

func (u *unpacker) more() bool { return len(u.in) > 0 }

func (u *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) varint() int64 {
	v, n := binary.Varint(u.in)
	if n <= 0 {
		u.fail()
		return 0
	}
	u.in = u.in[n:]
	return v
}

func (u *unpacker) bytes() []byte {
	n := u.uvarint()
	if n > uint64(len(u.in)) {
		u.fail()
		return nil
	}
	b := u.in[:n:n]
	u.in = u.in[n:]
	return b
}

func (u *unpacker) text() string {
	b := u.bytes()
	return unsafe.String(unsafe.SliceData(b), len(b))
}
