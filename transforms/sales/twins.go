package sales

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/civil"
	"github.com/cespare/xxhash/v2"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

// An order line whose id is on two business days counts once, on the day of the
// first in the log. A day is made without the events of others, so each keeps the
// ids of its order lines beside its tables; where an id is in the files of several
// days, it has twins, and the days of all but the first are made again without
// theirs. The files hold what a day has of itself, whether it counts or not: so
// the twins follow from the events alone, in whatever order days are made.

// Twin is an order line that does not count on its day: one of its id, on another
// day, is before it in the log.
type Twin struct {
	ID   string  `json:"id"` // SHA-256 of the event's id, hexadecimal, its first half
	Kept Version `json:"kept"`
}

// digest stands for an id. 128 bits of SHA-256 are equal for equal ids only.
type digest [16]byte

func digestOf(id string) digest {
	sum := sha256.Sum256([]byte(id))
	return digest(sum[:])
}

// lineID is an entry of a day's file of ids.
type lineID struct {
	digest
	record    position
	time      int64 // µs
	amount    shop.Money
	currency  string // three letters
	cancelled bool
}

// A file of ids is, sorted: a checksum of the first part; that part, the first 8
// bytes of each digest, which is all that is read unless twins are found; then the
// rest of each entry. Numbers are little-endian.
const (
	idHead  = 8
	idShort = 8
	idRest  = 8 + 4 + 8 + 8 + 8 + 3 + 1
)

func encodeIDs(ids []lineID) []byte {
	if len(ids) == 0 {
		return nil
	}
	slices.SortFunc(ids, func(a, b lineID) int { return bytes.Compare(a.digest[:], b.digest[:]) })
	b := make([]byte, idHead, idHead+len(ids)*(idShort+idRest))
	for i := range ids {
		b = append(b, ids[i].digest[:idShort]...)
	}
	binary.LittleEndian.PutUint64(b, xxhash.Sum64(b[idHead:]))
	for i := range ids {
		id := &ids[i]
		b = append(b, id.digest[idShort:]...)
		b = binary.LittleEndian.AppendUint32(b, uint32(id.record.Partition)) //nolint:gosec // not negative
		for _, n := range [...]int64{id.record.Offset, id.time, int64(id.amount)} {
			b = binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // read back as it was
		}
		b = append(append(b, (id.currency + "   ")[:3]...), flag(id.cancelled))
	}
	return b
}

// decodeIDs reads a whole file.
func decodeIDs(b []byte) ([]lineID, error) {
	short, err := decodeShort(b, int64(len(b)))
	if err != nil || len(short) == 0 {
		return nil, err
	}
	ids := make([]lineID, len(short))
	b = b[idHead:]
	rest := b[len(ids)*idShort:]
	for i := range ids {
		id := &ids[i]
		copy(id.digest[:], b[i*idShort:(i+1)*idShort])
		r := rest[i*idRest : (i+1)*idRest]
		copy(id.digest[idShort:], r)
		number := func(at int) int64 { return int64(binary.LittleEndian.Uint64(r[at:])) }             //nolint:gosec // as it was written
		id.record = position{Partition: int32(binary.LittleEndian.Uint32(r[8:])), Offset: number(12)} //nolint:gosec // likewise
		id.time, id.amount = number(20), shop.Money(number(28))
		id.currency, id.cancelled = strings.TrimSpace(string(r[36:39])), r[39] == 1
	}
	return ids, nil
}

// decodeShort reads the first part of a file of so many bytes, of which b has at
// least that part.
func decodeShort(b []byte, size int64) ([]uint64, error) {
	n := max(size-idHead, 0) / (idShort + idRest)
	if size == 0 {
		return nil, nil
	}
	end := idHead + n*idShort
	if size != idHead+n*(idShort+idRest) || int64(len(b)) < end || xxhash.Sum64(b[idHead:end]) != binary.LittleEndian.Uint64(b) {
		return nil, errors.New("expected a whole file of ids, found another")
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.BigEndian.Uint64(b[idHead+i*idShort:])
	}
	return out, nil
}

// lineIDs are the ids of the day's order lines.
func (p *partial) lineIDs() (ids []lineID, err error) {
	err = p.eachLine(func(e *event, _ []byte) {
		amount, _ := e.UnitPrice.Mul(e.Quantity) // add has dropped those that do not fit
		ids = append(ids, lineID{
			digest: digestOf(e.ID), record: e.Record, time: e.Time, amount: amount, currency: strings.Clone(e.Currency), cancelled: e.Type == cancelled,
		})
	})
	return ids, err
}

func (p *partial) eachLine(do func(e *event, packed []byte)) error {
	for _, chunk := range p.lines {
		var e event
		for u := (&unpacker{in: chunk}); u.more(); {
			start := u.in
			if u.event(&e); u.err != nil {
				return u.err
			}
			do(&e, start[:len(start)-len(u.in)])
		}
	}
	return nil
}

// dropTwins takes out the lines that count on another day.
func (p *partial) dropTwins(twins []Twin) error {
	if len(twins) == 0 {
		return nil
	}
	kept := map[string]*Version{}
	for i := range twins {
		kept[twins[i].ID] = &twins[i].Kept
	}
	var lines []byte
	err := p.eachLine(func(e *event, packed []byte) {
		d := digestOf(e.ID)
		first := kept[hex.EncodeToString(d[:])]
		if first == nil {
			lines = append(lines, packed...)
			return
		}
		p.header.take(e)
		p.list(Dropped{Why: conflict, EventID: e.ID, Version: versionOf(e), Kept: first})
	})
	p.lines = [][]byte{lines}
	return err
}

// take takes an order line out of the sums that add has put it into: it is a
// conflict.
func (h *header) take(e *event) {
	h.Events--
	h.Conflicts++
	amount, _ := e.UnitPrice.Mul(e.Quantity)
	m := h.of(e.Currency)
	if e.Type == cancelled {
		m.CancelledLines--
		m.CancelledUnits -= e.Quantity
		m.CancelledRevenue -= amount
	} else {
		m.Lines--
		m.Units -= e.Quantity
		m.Revenue -= amount
	}
	if *m == (money{}) {
		delete(h.money, e.Currency)
	}
}

// TwinsName is where the twins are kept that were found last, and in what. Without
// it they are looked for again.
const TwinsName = InputsDir + "twins.json"

type foundTwins struct {
	In    string                `json:"in"` // hash of the files of ids
	Twins map[civil.Date][]Twin `json:"twins"`
	Sum   string                `json:"sum"` // of what it says: a note that storage has changed is none
}

func (f foundTwins) sum() string {
	f.Sum = ""
	text, err := json.Marshal(f)
	if err != nil {
		panic(err) // texts and numbers
	}
	return lake.Hash(text)
}

// FindTwins returns the order lines that do not count on their day, of the days
// that stand. Where no file of ids has changed, it reads what it found the last
// time; else the first part of each file, 8 bytes an order line of the lake. Days
// whose file is damaged are to be made again; they are returned beside.
func FindTwins(ctx context.Context, st lake.Store, standing map[civil.Date]lake.Publication) (twins map[civil.Date][]Twin, damaged []civil.Date, err error) {
	var dates []civil.Date
	var in []byte
	for _, date := range slices.SortedFunc(maps.Keys(standing), civil.Date.Compare) {
		if ids := standing[date].IDs; ids != nil && ids.Rows > 0 {
			dates = append(dates, date)
			in = fmt.Appendln(in, date, ids.Hash)
		}
	}
	found := foundTwins{}
	data, err := st.Get(ctx, TwinsName)
	if err == nil && json.Unmarshal(data, &found) == nil && found.In == lake.Hash(in) && found.Sum == found.sum() {
		return found.Twins, nil, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, err
	}
	if found.Twins, damaged, err = searchTwins(ctx, st, standing, dates); err != nil || len(damaged) > 0 {
		return found.Twins, damaged, err
	}
	found.In = lake.Hash(in)
	found.Sum = found.sum()
	if data, err = json.Marshal(found); err != nil {
		return nil, nil, err
	}
	return found.Twins, nil, st.Put(ctx, TwinsName, data)
}

func searchTwins(ctx context.Context, st lake.Store, standing map[civil.Date]lake.Publication, dates []civil.Date) (out map[civil.Date][]Twin, damaged []civil.Date, err error) {
	short := make([][]uint64, len(dates))
	var mu sync.Mutex
	bad := func(date civil.Date, err error) error {
		if !errors.Is(err, errIDs) {
			return err
		}
		slog.Warn("a file of a day's ids is damaged: the day is made again", "date", date.String(), "err", err)
		mu.Lock()
		defer mu.Unlock()
		damaged = append(damaged, date)
		return nil
	}
	err = lake.Parallel(len(dates), 16, func(i int) (err error) {
		if short[i], err = readShort(ctx, st, standing[dates[i]].IDs); err != nil {
			return bad(dates[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	all := slices.Concat(short...)
	slices.Sort(all)
	suspects := map[uint64]struct{}{}
	for i := 1; i < len(all); i++ {
		if all[i] == all[i-1] {
			suspects[all[i]] = struct{}{}
		}
	}
	type entry struct {
		lineID
		date civil.Date
	}
	groups := map[digest][]entry{}
	for i, date := range dates {
		if len(suspects) == 0 || !slices.ContainsFunc(short[i], func(h uint64) bool { _, ok := suspects[h]; return ok }) {
			continue
		}
		ids, err := readIDs(ctx, st, standing[date].IDs)
		if err != nil {
			if err := bad(date, err); err != nil {
				return nil, nil, err
			}
			continue
		}
		for _, id := range ids {
			if _, ok := suspects[binary.BigEndian.Uint64(id.digest[:])]; ok {
				groups[id.digest] = append(groups[id.digest], entry{id, date})
			}
		}
	}
	out = map[civil.Date][]Twin{}
	for d, entries := range groups {
		first := slices.MinFunc(entries, func(a, b entry) int { return cmp.Or(a.record.compare(b.record), a.date.Compare(b.date)) })
		for _, e := range entries {
			if e.date != first.date {
				out[e.date] = append(out[e.date], Twin{ID: hex.EncodeToString(d[:]), Kept: first.version()})
			}
		}
	}
	for _, twins := range out {
		slices.SortFunc(twins, func(a, b Twin) int { return strings.Compare(a.ID, b.ID) })
	}
	return out, damaged, nil
}

// version is what an entry says of its event.
func (id *lineID) version() Version {
	v := Version{
		EventTime: time.UnixMicro(id.time).UTC(), EventType: ordered, Amount: id.amount.String(), Currency: id.currency,
		Partition: id.record.Partition, Offset: id.record.Offset,
	}
	if id.cancelled {
		v.EventType = cancelled
	}
	return v
}

func readShort(ctx context.Context, st lake.Store, file *lake.PublishedFile) (short []uint64, err error) {
	o, err := st.Open(ctx, file.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, badIDs(st, file, err)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, o.Close()) }()
	b := make([]byte, min(o.Size(), idHead+file.Rows*idShort))
	if _, err := o.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if short, err = decodeShort(b, o.Size()); err == nil && int64(len(short)) != file.Rows {
		err = fmt.Errorf("expected %d ids, found %d", file.Rows, len(short))
	}
	if err != nil {
		return nil, badIDs(st, file, err)
	}
	return short, nil
}

func readIDs(ctx context.Context, st lake.Store, file *lake.PublishedFile) ([]lineID, error) {
	data, err := st.Get(ctx, file.File)
	switch {
	case err != nil:
		return nil, err
	case lake.Hash(data) != file.Hash:
		return nil, badIDs(st, file, errors.New("expected the file that the day's publication names, found another"))
	}
	return decodeIDs(data)
}

// errIDs is a file of ids that is not what was written.
var errIDs = errors.New("damaged or missing")

func badIDs(st lake.Store, file *lake.PublishedFile, err error) error {
	return fmt.Errorf("lake %s: %s: %w: %w", st.URI(), file.File, errIDs, err)
}
