package lake

import (
	"encoding/binary"
	"fmt"
	"reflect"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
)

func init() {
	beam.RegisterType(reflect.TypeFor[Events]())
	beam.RegisterCoder(reflect.TypeFor[Events](), encodeEvents, decodeEvents)
}

// encodeEvents packs a batch for a runner that moves it: file, lane, columns,
// rows, then column by column its values.
func encodeEvents(e Events) []byte {
	var columns Columns
	size := 32 + len(e.File) + len(e.Lane)
	for column, t := range columnsTypes {
		if e.has(column) {
			columns |= 1 << column
			size += e.N * (binary.MaxVarintLen32 + t.bytes)
		}
	}
	b := make([]byte, 0, size)
	b = appendText(b, e.File)
	b = appendText(b, string(e.Lane))
	b = binary.AppendUvarint(b, uint64(columns))
	b = binary.AppendUvarint(b, uint64(e.N))
	for column, t := range columnsTypes {
		switch {
		case columns&(1<<column) == 0:
		case t.texts:
			for _, s := range *e.texts(column) {
				b = appendText(b, s)
			}
		case t.bytes == 4:
			for _, n := range *e.ints(column) {
				b = binary.AppendVarint(b, int64(n))
			}
		case 1<<column == ColUnitPrice:
			b = appendLongs(b, e.UnitPrice)
		default:
			b = appendLongs(b, *e.longs(column))
		}
	}
	return b
}

func (e *Events) has(column int) bool {
	switch t := columnsTypes[column]; {
	case t.texts:
		return *e.texts(column) != nil
	case t.bytes == 4:
		return *e.ints(column) != nil
	case 1<<column == ColUnitPrice:
		return e.UnitPrice != nil
	default:
		return *e.longs(column) != nil
	}
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendLongs[T ~int64](b []byte, values []T) []byte {
	for _, v := range values {
		b = binary.AppendVarint(b, int64(v))
	}
	return b
}

// decodeEvents is the inverse of encodeEvents. Texts are views of data's copy.
func decodeEvents(data []byte) (e Events, err error) {
	r := unpacker{data: append([]byte(nil), data...)}
	e.File, e.Lane = r.text(), Lane(r.text())
	columns := Columns(r.uvarint())
	n := r.uvarint()
	if n > uint64(len(data)) && columns != 0 {
		r.failed = true // a value takes a byte at least
	}
	if r.failed {
		return Events{}, errPacked
	}
	e.N = int(n)
	for column, t := range columnsTypes {
		switch {
		case columns&(1<<column) == 0:
		case t.texts:
			values := make([]string, e.N)
			for i := range values {
				values[i] = r.text()
			}
			*e.texts(column) = values
		case t.bytes == 4:
			values := make([]int32, e.N)
			for i := range values {
				values[i] = int32(r.varint())
			}
			*e.ints(column) = values
		case 1<<column == ColUnitPrice:
			e.UnitPrice = makeLike(e.UnitPrice, e.N)
			unpackLongs(&r, e.UnitPrice)
		default:
			values := make([]int64, e.N)
			unpackLongs(&r, values)
			*e.longs(column) = values
		}
		if r.failed {
			return Events{}, errPacked
		}
	}
	if len(r.data) != 0 {
		return Events{}, errPacked
	}
	return e, nil
}

func unpackLongs[T ~int64](r *unpacker, values []T) {
	for i := range values {
		values[i] = T(r.varint())
	}
}

var errPacked = fmt.Errorf("a packed element between two steps of the job ends too early or is not one: run the job again")

// unpacker reads what the append functions wrote. After the first failure all
// calls return zeros.
type unpacker struct {
	data   []byte
	failed bool
}

func (r *unpacker) uvarint() uint64 {
	v, n := binary.Uvarint(r.data)
	if n <= 0 {
		r.failed, r.data = true, nil
		return 0
	}
	r.data = r.data[n:]
	return v
}

func (r *unpacker) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *unpacker) text() string {
	n := r.uvarint()
	if n > uint64(len(r.data)) {
		r.failed, r.data = true, nil
		return ""
	}
	s := viewText(r.data[:n])
	r.data = r.data[n:]
	return s
}
