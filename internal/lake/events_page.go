package lake

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"unsafe"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
)

// maxPageBytes is the largest page that is read. The encoders' are below a
// megabyte and the length of one event.
const maxPageBytes = 256 << 20

// pageHeader is what is read of the header before each page.
type pageHeader struct {
	kind                format.PageType
	compressed, plain   int64 // bytes of the page, as it is and decompressed
	crc                 int32
	values, nulls, rows int64
	encoding            format.Encoding
	levels, repetition  int64 // bytes of the levels, which are not compressed
	stored              bool  // the values are not compressed
}

// Field numbers of page headers.
const (
	pageType, pagePlain, pageCompressed, pageCRC = 1, 2, 3, 4
	pageDictionary, pageData                     = 7, 8

	dictionaryValues, dictionaryEncoding = 1, 2

	dataValues, dataNulls, dataRows, dataEncoding = 1, 2, 3, 4
	dataLevels, dataRepetition, dataCompressed    = 5, 6, 7
)

// readPageHeader parses the header at the start of data and returns its length.
func readPageHeader(data []byte) (h pageHeader, n int, err error) {
	r := thriftReader{data: data}
	h.kind = -1
	dictionary := func(id int, kind byte) bool {
		switch {
		case kind != thriftI32:
			return false
		case id == dictionaryValues:
			h.values = r.int()
		case id == dictionaryEncoding:
			h.encoding = format.Encoding(r.int())
		default:
			return false
		}
		return true
	}
	page := func(id int, kind byte) bool {
		switch {
		case id == dataCompressed && kind == thriftFalse:
			h.stored = true
			return false
		case kind != thriftI32:
			return false
		case id == dataValues:
			h.values = r.int()
		case id == dataNulls:
			h.nulls = r.int()
		case id == dataRows:
			h.rows = r.int()
		case id == dataEncoding:
			h.encoding = format.Encoding(r.int())
		case id == dataLevels:
			h.levels = r.int()
		case id == dataRepetition:
			h.repetition = r.int()
		default:
			return false
		}
		return true
	}
	r.fields(func(id int, kind byte) bool {
		switch {
		case id == pageDictionary && kind == thriftStruct:
			r.fields(dictionary)
		case id == pageData && kind == thriftStruct:
			r.fields(page)
		case kind != thriftI32:
			return false
		case id == pageType:
			h.kind = format.PageType(r.int())
		case id == pagePlain:
			h.plain = r.int()
		case id == pageCompressed:
			h.compressed = r.int()
		case id == pageCRC:
			h.crc = int32(r.int())
		default:
			return false
		}
		return true
	})
	return h, r.at, r.err
}

// check wants a page that the encoders can have made, with rows left in the
// chunk.
func (h *pageHeader) check(t columnType, rows int64) error {
	switch {
	case h.compressed < 0 || h.plain < 0 || h.plain > maxPageBytes:
		return fmt.Errorf("expected a page of at most %d bytes, found %d", maxPageBytes, h.plain)
	case h.kind == format.DictionaryPage:
		if !t.texts || h.encoding != format.Plain || h.values < 0 || h.values > max(h.plain, 0)/4 {
			return fmt.Errorf("expected a dictionary of texts, found %d values in %v and %d bytes", h.values, h.encoding, h.plain)
		}
		return nil
	case h.kind != format.DataPageV2:
		return fmt.Errorf("expected a data page of version 2, found type %d", h.kind)
	case h.rows <= 0 || h.rows != h.values || h.rows > rows:
		return fmt.Errorf("expected a page of at most %d rows, found %d rows and %d values", rows, h.rows, h.values)
	case h.nulls < 0 || h.nulls > h.rows || h.levels < 0 || h.repetition != 0 || h.levels > h.compressed || h.levels > h.plain:
		return fmt.Errorf("expected levels within the page, found %d, %d bytes for %d NULLs of %d rows", h.levels, h.repetition, h.nulls, h.rows)
	case !t.optional && (h.nulls != 0 || h.levels != 0):
		return fmt.Errorf("expected no NULL, found %d", h.nulls)
	}
	return nil
}

// checkCRC wants the checksum that the encoders put into each page's header.
func (h *pageHeader) checkCRC(body []byte) error {
	if sum := int32(crc32.ChecksumIEEE(body)); sum != h.crc {
		return fmt.Errorf("expected a page with checksum %08x, found %08x", uint32(h.crc), uint32(sum))
	}
	return nil
}

// plainValues returns the values of a page, body without its levels. It uses
// the memory of room, or new memory of just that size if that is nil.
func (h *pageHeader) plainValues(z *zstd.Decoder, room, body []byte) ([]byte, error) {
	want := int(h.plain - h.levels)
	have := len(body)
	if !h.stored && have > 0 {
		have = want
		// Before memory is taken: a compressed page says its size, too.
		var frame zstd.Header
		if err := frame.Decode(body); err == nil && frame.HasFCS && frame.FrameContentSize != uint64(want) {
			return nil, fmt.Errorf("expected %d bytes, found a page of %d", want, frame.FrameContentSize)
		}
	}
	if have != want {
		return nil, fmt.Errorf("expected %d bytes, found %d", want, have)
	}
	if cap(room) < want || room == nil {
		room = make([]byte, 0, want)
	}
	if h.stored || len(body) == 0 {
		return append(room[:0], body...), nil
	}
	// The decoder keeps within the room that there is.
	values, err := z.DecodeAll(body, room[:0])
	if err == nil && len(values) != want {
		err = fmt.Errorf("expected %d bytes, found %d", want, len(values))
	}
	return values, err
}

var errShort = fmt.Errorf("a page's values: %w", io.ErrUnexpectedEOF)

// spread has a byte for each bit of a byte.
var spread = func() (t [256]uint64) {
	for b := range t {
		for bit := range 8 {
			t[b] |= uint64(b>>bit&1) << (8 * bit)
		}
	}
	return t
}()

// decodeLevels turns definition levels, runs and packed bits, into a byte a
// row: 1 a value, 0 NULL. dst is reused.
func decodeLevels(dst, data []byte, rows int) ([]byte, error) {
	dst = resize(dst, rows+8)
	for at := 0; at < rows; {
		head, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, errShort
		}
		data = data[n:]
		if head&1 == 0 {
			count := head >> 1
			if len(data) == 0 || count == 0 || data[0] > 1 {
				return nil, errShort
			}
			run := dst[at : at+int(min(count, uint64(rows-at)))]
			for i := range run {
				run[i] = data[0]
			}
			at += len(run)
			data = data[1:]
			continue
		}
		groups := int(min(head>>1, uint64(len(data)), uint64(rows-at+7)/8))
		if groups == 0 {
			return nil, errShort
		}
		for _, b := range data[:groups] {
			binary.LittleEndian.PutUint64(dst[at:at+8], spread[b])
			at += 8
		}
		data = data[groups:]
	}
	return dst[:rows], nil
}

// decodeIndexes reads n numbers below limit, in runs and packed bits after a
// byte that says how many bits. dst is reused.
func decodeIndexes(dst []uint32, data []byte, n int, limit int) ([]uint32, error) {
	dst = resize(dst, n)
	if n == 0 {
		return dst, nil
	}
	if len(data) == 0 || data[0] > 32 {
		return nil, errShort
	}
	width := uint(data[0])
	data = data[1:]
	for at := 0; at < n; {
		head, k := binary.Uvarint(data)
		if k <= 0 {
			return nil, errShort
		}
		data = data[k:]
		if head&1 == 0 {
			bytes := int(width+7) / 8
			if head == 0 || len(data) < bytes {
				return nil, errShort
			}
			var v uint32
			for i, b := range data[:bytes] {
				v |= uint32(b) << (8 * i)
			}
			run := dst[at : at+int(min(head>>1, uint64(n-at)))]
			for i := range run {
				run[i] = v
			}
			at += len(run)
			data = data[bytes:]
			continue
		}
		groups := min(head>>1, uint64(n-at+7)/8)
		size := int(groups) * int(width)
		if groups == 0 || size > len(data) {
			return nil, errShort
		}
		count := min(int(groups)*8, n-at)
		unpack(dst[at:at+count], data[:size], width)
		at += count
		data = data[size:]
	}
	for _, v := range dst {
		if uint(v) >= uint(limit) {
			return nil, fmt.Errorf("expected an index below %d, found %d", limit, v)
		}
	}
	return dst, nil
}

// unpack reads numbers of width bits, at most 32, that lie one after the other
// from the lowest bit on. data has enough.
func unpack(dst []uint32, data []byte, width uint) {
	mask := uint64(1)<<width - 1
	bit := uint(0)
	i := 0
	// Eight bytes at a time where there are so many.
	for ; i < len(dst) && int(bit/8)+8 <= len(data); i++ {
		dst[i] = uint32(binary.LittleEndian.Uint64(data[bit/8:]) >> (bit % 8) & mask)
		bit += width
	}
	for ; i < len(dst); i++ {
		var word [8]byte
		copy(word[:], data[bit/8:])
		dst[i] = uint32(binary.LittleEndian.Uint64(word[:]) >> (bit % 8) & mask)
		bit += width
	}
}

// decodeLengths reads n lengths (DELTA_BINARY_PACKED) and returns what is
// after them. dst is reused. Lengths may be anything: the caller checks them.
func decodeLengths(dst []uint32, data []byte, n int) ([]uint32, []byte, error) {
	var head [3]uint64 // numbers in a block, parts of a block, numbers
	for i := range head {
		v, k := binary.Uvarint(data)
		if k <= 0 {
			return nil, nil, errShort
		}
		head[i], data = v, data[k:]
	}
	first, k := binary.Varint(data)
	if k <= 0 {
		return nil, nil, errShort
	}
	data = data[k:]
	block, parts, count := head[0], head[1], head[2]
	if count != uint64(n) || block == 0 || block%128 != 0 || block > 1<<16 || parts == 0 || block/parts%32 != 0 || parts*32 > block {
		return nil, nil, fmt.Errorf("expected %d lengths, found %d in blocks of %d and %d parts", n, count, block, parts)
	}
	dst = resize(dst, n)
	if n == 0 {
		return dst, data, nil
	}
	size := int(block / parts)
	last := uint32(first)
	dst[0] = last
	for at := 1; at < n; {
		least, k := binary.Varint(data)
		if k <= 0 || len(data)-k < int(parts) {
			return nil, nil, errShort
		}
		widths := data[k : k+int(parts)]
		data = data[k+int(parts):]
		for _, width := range widths {
			if at == n {
				break
			}
			part := dst[at:min(at+size, n)]
			at += len(part)
			if width == 0 {
				for i := range part {
					last += uint32(least)
					part[i] = last
				}
				continue
			}
			bytes := size * int(width) / 8
			if width > 32 || bytes > len(data) {
				return nil, nil, errShort
			}
			unpack(part, data[:bytes], uint(width))
			data = data[bytes:]
			for i, v := range part {
				last += uint32(least) + v
				part[i] = last
			}
		}
	}
	return dst, data, nil
}

// checkLengths wants lengths that add up to the bytes that there are.
func checkLengths(lengths []uint32, n int) error {
	var sum uint64
	for _, l := range lengths {
		sum += uint64(l)
	}
	if sum != uint64(n) {
		return fmt.Errorf("expected texts of %d bytes in all, found %d", sum, n)
	}
	return nil
}

// decodeDictionary reads n texts, each after its length, as views of data.
func decodeDictionary(data []byte, n int) ([]string, error) {
	texts := make([]string, 0, n)
	for len(data) >= 4 && len(texts) < n {
		l := uint64(binary.LittleEndian.Uint32(data))
		if l > uint64(len(data)-4) {
			return nil, errShort
		}
		texts = append(texts, viewText(data[4:4+l]))
		data = data[4+l:]
	}
	if len(texts) != n || len(data) != 0 {
		return nil, errors.New("expected a dictionary that fills its page, found another")
	}
	return texts, nil
}

func viewText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// resize returns a slice of n values of any content, the same where it is long
// enough.
func resize[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}
