package quality

import (
	"reflect"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/warehouse"
)

// Rows are a table's rows, read by column.
type Rows interface {
	Len() int
	column(name string) (column, bool)
}

// RowsOf returns rows by column. T is a struct with parquet tags such as
// lake.DailySalesRow, of which a field that is optional has NULL as its zero
// value, and a pointer has nil. The slice must not change while it is evaluated.
func RowsOf[T any](rows []T) Rows {
	t := reflect.TypeFor[T]()
	s := slice{n: len(rows), columns: map[string]column{}}
	if t.Kind() != reflect.Struct {
		return s
	}
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		c, ok := columnOf(f.Type, options)
		if !ok || name == "" || name == "-" {
			continue
		}
		c.stride = t.Size()
		if len(rows) > 0 {
			c.first = unsafe.Add(unsafe.Pointer(unsafe.SliceData(rows)), f.Offset)
		}
		s.columns[name] = c
	}
	return s
}

type slice struct {
	n       int
	columns map[string]column
}

func (s slice) Len() int { return s.n }

func (s slice) column(name string) (column, bool) {
	c, ok := s.columns[name]
	return c, ok
}

// column reads a field of each row. The type is looked at once, when it is made;
// a value is then one load from memory: reflection for each of a million rows
// would take longer than all the rules.
type column struct {
	typ      warehouse.Type
	form     form
	pointer  bool // NULL is nil
	optional bool // NULL is the zero value
	first    unsafe.Pointer
	stride   uintptr
}

// form is how a value lies in memory.
type form uint8

const (
	isInt64 form = iota
	isInt32
	isBool
	isFloat64
	isString
)

func columnOf(t reflect.Type, options string) (c column, ok bool) {
	if c.pointer = t.Kind() == reflect.Pointer; c.pointer {
		t = t.Elem()
	}
	for option := range strings.SplitSeq(options, ",") {
		switch name, _, _ := strings.Cut(option, "("); name {
		case "optional":
			c.optional = !c.pointer
		case "date":
			c.typ = warehouse.Date
		case "timestamp":
			c.typ = warehouse.Timestamp
		}
	}
	switch t.Kind() {
	case reflect.Int64:
		c.form = isInt64
	case reflect.Int32:
		c.form = isInt32
	case reflect.Bool:
		c.form, c.typ = isBool, warehouse.Bool
	case reflect.Float64:
		c.form, c.typ = isFloat64, warehouse.Float64
	case reflect.String:
		c.form, c.typ = isString, warehouse.String
	default:
		return c, false
	}
	switch {
	case t == reflect.TypeFor[shop.Money]():
		c.typ = warehouse.Numeric
	case c.typ == "":
		c.typ = warehouse.Int64
	}
	return c, true
}

// at is where the value of a row lies; nil where a pointer is.
func (c *column) at(i int) unsafe.Pointer {
	p := unsafe.Add(c.first, uintptr(i)*c.stride)
	if c.pointer {
		return *(*unsafe.Pointer)(p)
	}
	return p
}

func (c *column) null(i int) bool {
	switch {
	case c.pointer:
		return c.at(i) == nil
	case !c.optional:
		return false
	}
	switch c.form {
	case isString:
		return c.text(i) == ""
	case isFloat64:
		return c.float(i) == 0
	}
	return c.int(i) == 0
}

// int returns a BOOL (0 or 1), INT64, NUMERIC (micro-units), DATE or TIMESTAMP
// that is not NULL.
func (c *column) int(i int) int64 {
	p := c.at(i)
	switch c.form {
	case isInt64:
		return *(*int64)(p)
	case isInt32:
		return int64(*(*int32)(p))
	}
	if *(*bool)(p) {
		return 1
	}
	return 0
}

// text returns a STRING that is not NULL.
func (c *column) text(i int) string { return *(*string)(c.at(i)) }

// float returns a FLOAT64 that is not NULL.
func (c *column) float(i int) float64 { return *(*float64)(c.at(i)) }

// render words a value for people.
func (c *column) render(i int) string {
	if c.null(i) {
		return "NULL"
	}
	switch c.typ {
	case warehouse.String:
		return quote(c.text(i))
	case warehouse.Float64:
		return strconv.FormatFloat(c.float(i), 'g', -1, 64)
	case warehouse.Numeric:
		return shop.Money(c.int(i)).String()
	case warehouse.Bool:
		return strconv.FormatBool(c.int(i) == 1)
	case warehouse.Date:
		return time.Unix(c.int(i)*86400, 0).UTC().Format(time.DateOnly)
	case warehouse.Timestamp:
		return time.UnixMicro(c.int(i)).UTC().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(c.int(i), 10)
}
