package lake

import (
	"slices"

	"example.com/shopstream/internal/shop"
)

// Events are rows of silver or late files as columns: slices of N values, of
// the columns that were asked for; the others are nil. Rows are in the order of
// their file. "" and 0 stand for NULL in optional columns.
//
// Nobody may change a batch: its slices may be shared. Texts are views of memory
// that the batch holds: they stay valid as long as anything points to them, and
// one text that is kept keeps its whole page (some 100 kB). Clone what is kept
// for long.
type Events struct {
	File string
	Lane Lane
	N    int

	EventID, EventType         []string
	EventTime                  []int64 // µs since the epoch, UTC
	ProductID, ProductName     []string
	UserID, SessionID, Country []string
	OrderID                    []string
	Line, Quantity             []int64
	UnitPrice                  []shop.Money
	Currency                   []string
	SchemaVersion              []int32
	KafkaPartition             []int32
	KafkaOffset                []int64
	Category                   []string // of silver files from their names
}

// Columns is a set of columns of Events.
type Columns uint32

// The columns, in the order of the files' schema.
const (
	ColEventID Columns = 1 << iota
	ColEventType
	ColEventTime
	ColProductID
	ColProductName
	ColUserID
	ColSessionID
	ColCountry
	ColOrderID
	ColLine
	ColQuantity
	ColUnitPrice
	ColCurrency
	ColSchemaVersion
	ColKafkaPartition
	ColKafkaOffset
	ColCategory

	AllColumns = ColCategory<<1 - 1
)

// Numbers of columns in the files' schema.
const (
	eventTimeColumn = 2
	categoryColumn  = 16 // read of late files only
	eventColumns    = 17
)

// columnType is how a column is stored.
type columnType struct {
	texts    bool
	bytes    int // of a value, where it is no text
	optional bool
}

var (
	textType     = columnType{texts: true}
	textOrNull   = columnType{texts: true, optional: true}
	int64Type    = columnType{bytes: 8}
	int64OrNull  = columnType{bytes: 8, optional: true}
	int32Type    = columnType{bytes: 4}
	columnsTypes = [eventColumns]columnType{
		textType, textType, int64Type, textType, textOrNull, textOrNull, textOrNull, textOrNull, textOrNull,
		int64OrNull, int64OrNull, int64OrNull, textOrNull, int32Type, int32Type, int64Type, textType,
	}
)

// texts returns the slice of a column of texts.
func (e *Events) texts(column int) *[]string {
	switch Columns(1) << column {
	case ColEventID:
		return &e.EventID
	case ColEventType:
		return &e.EventType
	case ColProductID:
		return &e.ProductID
	case ColProductName:
		return &e.ProductName
	case ColUserID:
		return &e.UserID
	case ColSessionID:
		return &e.SessionID
	case ColCountry:
		return &e.Country
	case ColOrderID:
		return &e.OrderID
	case ColCurrency:
		return &e.Currency
	default:
		return &e.Category
	}
}

// longs returns the slice of a column of int64, but not of UnitPrice.
func (e *Events) longs(column int) *[]int64 {
	switch Columns(1) << column {
	case ColEventTime:
		return &e.EventTime
	case ColLine:
		return &e.Line
	case ColQuantity:
		return &e.Quantity
	default:
		return &e.KafkaOffset
	}
}

// ints returns the slice of a column of int32.
func (e *Events) ints(column int) *[]int32 {
	if Columns(1)<<column == ColSchemaVersion {
		return &e.SchemaVersion
	}
	return &e.KafkaPartition
}

// keep leaves the rows for which is reports true.
func (e *Events) keep(is func(row int) bool) {
	first := 0
	for first < e.N && is(first) {
		first++
	}
	if first == e.N {
		return
	}
	var rows []int32 // that stay, after those before first
	for i := first + 1; i < e.N; i++ {
		if is(i) {
			rows = append(rows, int32(i))
		}
	}
	e.N = first + len(rows)
	for column, t := range columnsTypes {
		switch {
		case t.texts:
			keepRows(e.texts(column), first, rows)
		case t.bytes == 4:
			keepRows(e.ints(column), first, rows)
		case Columns(1)<<column == ColUnitPrice:
			keepRows(&e.UnitPrice, first, rows)
		default:
			keepRows(e.longs(column), first, rows)
		}
	}
}

func keepRows[T any](values *[]T, first int, rows []int32) {
	v := *values
	if v == nil {
		return
	}
	for i, row := range rows {
		v[first+i] = v[row]
	}
	clear(v[first+len(rows):])
	*values = v[:first+len(rows)]
}

// drop takes columns away that were read but not asked for.
func (e *Events) drop(columns Columns) {
	if columns&ColEventTime != 0 {
		e.EventTime = nil
	}
	if columns&ColCategory != 0 {
		e.Category = nil
	}
}

// ReadOptions say what of the events is read.
type ReadOptions struct {
	Columns Columns
	// Rows whose event time is in [From, To), µs since the epoch, UTC; 0, 0: all.
	From, To int64
	// BaseWindow is the lake's (Settings), ms. With it silver files before From
	// are passed over by their names; without it each is opened.
	BaseWindow int64
	// Categories whose rows are read; empty: all.
	Categories []string
	// Quarantine sets a file that is missing or broken aside, in place of
	// failing. It is checked whole before its first row comes out, which costs
	// files of more than a batch a second reading.
	Quarantine bool
	// OneByOne gives each share of the files a bundle of its own. Prism would put
	// all into one, and that on one core. It needs a runner that comes back to a
	// restriction: not the direct one.
	OneByOne bool
}

func (o *ReadOptions) ranged() bool { return o.From != 0 || o.To != 0 }

// wants reports whether a file can have rows that are asked for, from its name
// alone.
func (o *ReadOptions) wants(f File) bool {
	if f.Rows == 0 {
		return false
	}
	if f.Lane != Silver {
		return true
	}
	if len(o.Categories) > 0 {
		if category, ok := silverCategory(f.Name); ok && !slices.Contains(o.Categories, category) {
			return false
		}
	}
	if !o.ranged() {
		return true
	}
	from, to, ok := silverSpan(f.Name, o.BaseWindow)
	return !ok || from < o.To && (o.BaseWindow == 0 || to > o.From)
}
