package producer

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/google/uuid"

	"example.com/shopstream/internal/shop"
)

// retailHeader are the columns of UCI Online Retail.
var retailHeader = []string{"InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"}

const (
	colInvoice = iota
	colStock
	colDescription
	colQuantity
	colDate
	colPrice
	colCustomer
	colCountry
)

// retailCurrency: the data set's prices are in pounds sterling.
const retailCurrency = "GBP"

// retail replays UCI Online Retail, a line an event.
//
//   - A line of an invoice "C…" (or "c…") is an order_cancelled of the negated
//     quantity, never a sale: with a positive quantity it becomes the dead letter
//     negative_cancellation downstream. Every other line is an order_created as it
//     stands, valid or not: a price of 0 becomes a dead letter, too.
//   - event_id follows from what the line says and from how many lines before it
//     say the same: exact repeats stay two events, and a line that another export
//     has too is the same event there. order_id is InvoiceNo, line the position
//     among the invoice's lines.
//   - The key is CustomerID, or for guests InvoiceNo.
//   - InvoiceDate has no zone: it is taken as UTC.
//   - The file has no category: see retailCategory. A stock code has that of its
//     first description on a line with a price, so that a file which has grown
//     gives the lines that it had before the same categories.
type retail struct {
	path       string
	partitions int
	total      int64

	in         *retailReader
	lines      map[string]int64  // read so far, by invoice
	repeats    map[uint64]uint32 // lines read so far, by the hash of what they say
	categories map[string]string // known so far, by stock code
	lineIDs    bool
	text       []byte
	bytes      arena
	json       []byte
	err        error
}

func openRetail(f *File, o ReplayOptions) (Source, error) {
	s := &retail{
		path: f.Path, partitions: o.Partitions, total: f.Records, lineIDs: o.Legacy,
		lines: map[string]int64{}, repeats: map[uint64]uint32{}, categories: map[string]string{},
	}
	var err error
	sorted := f.Sorted() && !o.Legacy
	if s.in, err = openRetailReader(f, sorted); err != nil {
		return nil, err
	}
	if f.From > 0 {
		if err := s.pass(f, sorted); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// pass counts the lines that were replayed before, so that those after them get
// the numbers, ids and categories that they would get in one replay.
func (s *retail) pass(f *File, sorted bool) (err error) {
	in := s.in
	if sorted { // that reader begins behind them
		if in, err = openRetailReader(f, false); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, in.Close()) }()
	}
	for in.csv.InputOffset() < f.From {
		l, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		s.position(&l)
		s.repeat(&l)
		s.category(&l)
	}
	return nil
}

// position is the line's among those of its invoice.
func (s *retail) position(l *retailLine) int64 {
	n, seen := s.lines[l.invoice]
	if !seen {
		l.invoice = strings.Clone(l.invoice)
	}
	s.lines[l.invoice] = n + 1
	return n + 1
}

// repeat puts what the line says into text, and returns how many lines before
// it say the same.
func (s *retail) repeat(l *retailLine) uint32 {
	s.text = s.text[:0]
	for _, field := range []string{l.invoice, l.stock, l.description, l.customer, l.country} {
		s.text = append(append(s.text, field...), 0x1f)
	}
	s.text = strconv.AppendInt(s.text, l.quantity, 10)
	s.text = strconv.AppendInt(append(s.text, 0x1f), int64(l.price), 10)
	s.text = strconv.AppendInt(append(s.text, 0x1f), l.time, 10)
	hash := xxhash.Sum64(s.text)
	n := s.repeats[hash]
	s.repeats[hash] = n + 1
	return n
}

// id is the line's event_id.
func (s *retail) id(l *retailLine) uuid.UUID {
	if s.lineIDs {
		return uuid.NewSHA1(replayNamespace, fmt.Appendf(nil, "online-retail:%d", l.number))
	}
	n := s.repeat(l)
	return uuid.NewSHA1(replayNamespace, fmt.Appendf(s.text, "\x1fonline-retail line %d", n))
}

// category is that of a line's stock code, as far as the lines up to it say.
func (s *retail) category(l *retailLine) string {
	if category, ok := s.categories[l.stock]; ok {
		return category
	}
	category := retailCategory(l.stock, l.description)
	if l.description != "" && l.price > 0 { // else a remark on the stock, such as "damaged"
		s.categories[strings.Clone(l.stock)] = category
	}
	return category
}

func (s *retail) Total() int64 { return s.total }
func (s *retail) Err() error   { return s.err }
func (s *retail) Close() error { return s.in.Close() }

func (s *retail) Next() (Record, bool) {
	if s.err != nil {
		return Record{}, false
	}
	l, err := s.in.next()
	if err != nil {
		if !errors.Is(err, io.EOF) {
			s.err = err
		}
		return Record{}, false
	}
	e := shop.Event{
		ID:          s.id(&l),
		Type:        shop.OrderCreated,
		Time:        l.time,
		ProductID:   l.stock,
		ProductName: l.description,
		Category:    s.category(&l),
		UserID:      l.customer,
		Country:     l.country,
		OrderID:     l.invoice,
		Line:        s.position(&l),
		Quantity:    l.quantity,
		UnitPrice:   l.price,
		Currency:    retailCurrency,
		Version:     shop.SchemaVersion,
	}
	if l.invoice[0] == 'C' || l.invoice[0] == 'c' {
		e.Type, e.Quantity = shop.OrderCancelled, -l.quantity
	}
	s.json = shop.AppendJSON(s.json[:0], &e)
	key := s.bytes.keep([]byte(keyOf(&e)))
	return Record{
		Partition: PartitionOf(key, s.partitions), Key: key, Value: s.bytes.keep(s.json), EventTime: l.time, At: l.time,
	}, true
}

// retailLine is one line of the file. Its strings are parts of the whole line:
// what keeps one for long clones it.
type retailLine struct {
	number                                         int64 // 1: the first after the header
	invoice, stock, description, customer, country string
	quantity                                       int64
	price                                          shop.Money
	time                                           int64 // ms, UTC
}

type retailReader struct {
	path string
	file *file
	csv  *csv.Reader
	n    int64
}

func openRetailReader(f *File, sorted bool) (*retailReader, error) {
	in, err := f.open(sorted)
	if err != nil {
		return nil, err
	}
	r, err := newRetailReader(f.Path, in)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return r, nil
}

// newRetailReader reads the header. It does not close the file.
func newRetailReader(path string, f *file) (*retailReader, error) {
	r := &retailReader{path: path, file: f, csv: csv.NewReader(f)}
	r.csv.FieldsPerRecord = len(retailHeader)
	r.csv.ReuseRecord = true
	header, err := r.csv.Read()
	if err == nil && strings.Join(header, ",") != strings.Join(retailHeader, ",") {
		err = fmt.Errorf("its header is %q, expected %q", strings.Join(header, ","), strings.Join(retailHeader, ","))
	}
	if err != nil {
		return nil, fmt.Errorf("replay: %s is not Online Retail: %w", path, err)
	}
	return r, nil
}

func (r *retailReader) Close() error { return r.file.Close() }

// row implements rowReader.
func (r *retailReader) row() (row, error) {
	start := r.csv.InputOffset()
	l, err := r.next()
	return row{start: start, end: r.csv.InputOffset(), time: l.time, timed: err == nil, records: 1}, err
}

// next gives io.EOF at the end.
func (r *retailReader) next() (retailLine, error) {
	f, err := r.csv.Read()
	if errors.Is(err, io.EOF) {
		return retailLine{}, io.EOF
	}
	if err != nil {
		return retailLine{}, fmt.Errorf("replay: %s: broken CSV: %w", r.path, err)
	}
	r.n++
	l := retailLine{
		number:      r.n,
		invoice:     f[colInvoice],
		stock:       utf8Of(f[colStock]),
		description: strings.TrimSpace(utf8Of(f[colDescription])),
		customer:    strings.TrimSuffix(f[colCustomer], ".0"), // exported through a float column
		country:     utf8Of(f[colCountry]),
	}
	wrong := func(column int, expected string) (retailLine, error) {
		line, _ := r.csv.FieldPos(column)
		return retailLine{}, fmt.Errorf("replay: %s, line %d: %s is %q: expected %s", r.path, line, retailHeader[column], f[column], expected)
	}
	if l.invoice == "" {
		return wrong(colInvoice, "an invoice number")
	}
	if l.quantity, err = strconv.ParseInt(f[colQuantity], 10, 64); err != nil {
		return wrong(colQuantity, "a whole number")
	}
	if l.price, err = shop.ParseMoney(f[colPrice]); err != nil {
		return wrong(colPrice, "a decimal with at most 6 decimals")
	}
	at, err := time.Parse(time.DateTime, f[colDate])
	if err != nil {
		return wrong(colDate, "a time such as 2010-12-01 08:26:00")
	}
	l.time = at.UnixMilli()
	return l, nil
}

// utf8Of repairs text of the original export, which was in ISO 8859-1: bytes
// that are no UTF-8 are taken as that.
func utf8Of(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
