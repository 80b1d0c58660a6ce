package lake

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// footer is what a reading needs of a file's metadata.
type footer struct {
	rows   int64
	groups []rowGroup
}

type rowGroup struct {
	rows   int64
	first  int64 // row of the file
	chunks [eventColumns]chunk
}

// chunk is where a column of a row group is, and between which values it lies.
type chunk struct {
	at, size int64
	min, max int64 // of int64 columns
	bounded  bool
}

// Field numbers of Parquet's metadata.
const (
	footerSchema, footerRows, footerGroups = 2, 3, 4

	groupColumns, groupRows = 1, 3

	chunkMeta = 3

	metaType, metaCodec, metaValues, metaSize = 1, 4, 5, 7
	metaData, metaDictionary, metaStatistics  = 9, 11, 12

	statisticsMax, statisticsMin = 5, 6
)

// fileSchema is the bytes that a schema takes in the footer of a lane's files, and
// the number of its columns.
type fileSchema struct {
	bytes []byte
	width int
}

// schemas are those of each lane's files: they are always the same, but for silver
// of older programs, which had no column for the category.
var schemas = sync.OnceValue(func() map[Lane][]fileSchema {
	// Of a file without rows the encoders make one; they cannot fail there.
	silver, _ := EncodeSilver(nil, nil)
	late, _ := EncodeLate(nil, nil)
	return map[Lane][]fileSchema{
		Silver: {{schemaOf(silver), len(silverColumns)}, {schemaOf(emptyOldSilver()), len(silverColumns) - 1}},
		Late:   {{schemaOf(late), len(lateColumns)}},
	}
})

// oldSilverSchema is that of SilverRow without its last column.
var oldSilverSchema = sync.OnceValue(func() *parquet.Schema {
	row := reflect.TypeFor[SilverRow]()
	fields := make([]reflect.StructField, row.NumField()-1)
	for i := range fields {
		fields[i] = row.Field(i)
	}
	return parquet.NewSchema(row.Name(), parquet.SchemaOf(reflect.New(reflect.StructOf(fields)).Interface()))
})

func emptyOldSilver() []byte {
	var out bytes.Buffer
	_ = parquet.NewWriter(&out, oldSilverSchema()).Close() // into memory
	return out.Bytes()
}

func schemaOf(file []byte) []byte {
	n := int(binary.LittleEndian.Uint32(file[len(file)-8:]))
	data := file[len(file)-8-n:]
	_, schema := parseFooter(data[:n], nil, 0)
	return bytes.Clone(schema)
}

var (
	silverColumns = parquet.SchemaOf(new(SilverRow)).Columns()
	lateColumns   = parquet.SchemaOf(new(LateRow)).Columns()
)

// readFooter parses the metadata of a file whose pages end at end.
func readFooter(data []byte, lane Lane, end int64) (footer, error) {
	f, schema := parseFooter(data, schemas()[lane], end)
	if f.err != nil {
		return footer{}, f.err
	}
	if schema == nil {
		return footer{}, errSchema
	}
	var rows int64
	for i := range f.groups {
		f.groups[i].first = rows
		rows += f.groups[i].rows
	}
	if rows != f.rows {
		return footer{}, fmt.Errorf("expected %d rows in the row groups, found %d", f.rows, rows)
	}
	return f.footer, nil
}

var errSchema = fmt.Errorf("expected the columns of the lane's files, found others")

type footerParser struct {
	footer
	err   error
	at    int64 // where the next chunk begins
	end   int64
	width int
}

// parseFooter returns the schema, too. It has to be one of known, if there are any.
func parseFooter(data []byte, known []fileSchema, end int64) (footerParser, []byte) {
	const first = 4 // after the format's name
	p := footerParser{at: first, end: end}
	r := &thriftReader{data: data}
	var schema []byte
	r.fields(func(id int, kind byte) bool {
		switch {
		case id == footerSchema && kind == thriftList:
			from := r.at
			r.skip(kind, 0)
			schema = data[from:r.at]
			if at := slices.IndexFunc(known, func(s fileSchema) bool { return bytes.Equal(schema, s.bytes) }); at >= 0 {
				p.width = known[at].width
			} else if known != nil && r.err == nil && p.err == nil {
				p.err = errSchema
			}
		case id == footerRows && kind == thriftI64:
			p.rows = r.int()
		case id == footerGroups && kind == thriftList:
			n, element := r.list()
			if element != thriftStruct && n > 0 {
				p.fail("a list of row groups", "type", int64(element))
				return false
			}
			for i := 0; i < n && r.err == nil && p.err == nil; i++ {
				p.group(r)
			}
		default:
			return false
		}
		return true
	})
	if p.err == nil {
		p.err = r.err
	}
	return p, schema
}

func (p *footerParser) fail(expected, what string, found int64) {
	if p.err == nil {
		p.err = fmt.Errorf("metadata: expected %s, found %s %d", expected, what, found)
	}
}

func (p *footerParser) group(r *thriftReader) {
	p.groups = append(p.groups, rowGroup{})
	g := &p.groups[len(p.groups)-1]
	values := int64(-1)
	r.fields(func(id int, kind byte) bool {
		switch {
		case id == groupColumns && kind == thriftList:
			n, element := r.list()
			if n != p.width || element != thriftStruct {
				p.fail(fmt.Sprintf("%d columns", p.width), "columns:", int64(n))
			}
			for column := 0; column < n && r.err == nil && p.err == nil; column++ {
				c, n := p.chunk(r, column)
				if column < eventColumns {
					g.chunks[column] = c
				}
				if column > 0 && n != values {
					p.fail("columns of equal length", "values:", n)
				}
				values = n
			}
		case id == groupRows && kind == thriftI64:
			g.rows = r.int()
		default:
			return false
		}
		return true
	})
	if g.rows != values || g.rows < 0 {
		p.fail(fmt.Sprintf("a row group of %d rows", values), "rows:", g.rows)
	}
}

// chunk reads where a column is. The encoders write them one after the other
// without a gap, so that a wrong place or length does not go unnoticed.
func (p *footerParser) chunk(r *thriftReader, column int) (c chunk, values int64) {
	var data, dictionary, codec, physical int64
	bounds := 0
	statistics := func(id int, kind byte) bool {
		if kind != thriftBinary || (id != statisticsMin && id != statisticsMax) {
			return false
		}
		if b := r.bytes(); len(b) == 8 {
			v := int64(binary.LittleEndian.Uint64(b))
			bounds++
			if id == statisticsMin {
				c.min = v
			} else {
				c.max = v
			}
		}
		return true
	}
	meta := func(id int, kind byte) bool {
		switch {
		case id == metaStatistics && kind == thriftStruct && column == eventTimeColumn:
			r.fields(statistics)
		case kind != thriftI32 && kind != thriftI64:
			return false
		case id == metaType:
			physical = r.int()
		case id == metaCodec:
			codec = r.int()
		case id == metaValues:
			values = r.int()
		case id == metaSize:
			c.size = r.int()
		case id == metaData:
			data = r.int()
		case id == metaDictionary:
			dictionary = r.int()
		default:
			return false
		}
		return true
	}
	r.fields(func(id int, kind byte) bool {
		if id != chunkMeta || kind != thriftStruct {
			return false
		}
		r.fields(meta)
		return true
	})
	c.bounded = bounds == 2
	c.at = data
	if dictionary > 0 {
		c.at = dictionary
	}
	switch {
	case c.at != p.at || c.size < 0 || c.size > p.end-p.at:
		p.fail(fmt.Sprintf("column %d within bytes %d to %d", column+1, p.at, p.end), fmt.Sprintf("%d bytes at", c.size), c.at)
	case codec != int64(format.Zstd):
		p.fail("ZSTD", "codec", codec)
	case column < eventColumns && physical != int64(physicalType(columnsTypes[column])):
		p.fail(fmt.Sprintf("column %d of type %v", column+1, physicalType(columnsTypes[column])), "type", physical)
	}
	p.at += c.size
	return c, values
}

func physicalType(t columnType) format.Type {
	switch {
	case t.texts:
		return format.ByteArray
	case t.bytes == 8:
		return format.Int64
	default:
		return format.Int32
	}
}
