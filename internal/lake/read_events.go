package lake

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"runtime"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/sdf"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/io/rtrackers/offsetrange"
)

func init() {
	beam.RegisterDoFn(&readEventsFn{})
	beam.RegisterDoFn(&handOutFn{})
	beam.RegisterDoFn(&sharesFn{})
}

// shareBytes is how much of the files one element stands for: thousands of
// small files do not make thousands of elements, and a large one is split.
const shareBytes = 16 << 20

// ReadEvents reads files of the lanes Silver and Late of the lake at uri, those
// that its ledger names (Ledger.Files), columns, times and categories as o says.
//
// events are batches of a few thousand rows (Events), of one file each. Which
// rows come is fixed by the files and o; their order across batches, and where
// batches end, is not. The source is bounded and splittable at files and row groups. In the
// stage of the DoFn that takes them the batches are not encoded.
//
// A file that is missing, or is not what the ledger says in size, rows, columns
// or checksums, ends the job with an error that names it; what the runner has
// not committed by then is discarded. With o.Quarantine, it is left out whole and
// broken has an element for it (Broken, in JSON), once. A file is held to its checksum
// whole, one of more than 1 MiB once a process. Files of lakes of format 2 have none:
// there the columns that are read are checked, each page of which has one, and footers
// and headers of pages against each other.
func ReadEvents(s beam.Scope, uri string, files []File, o ReadOptions) (events, broken beam.PCollection) {
	return ReadEventsAfter(s, uri, files, o, beam.Impulse(s))
}

// ReadEventsAfter is ReadEvents that begins when its signal comes: after is a
// PCollection<[]byte> of one element.
func ReadEventsAfter(s beam.Scope, uri string, files []File, o ReadOptions, after beam.PCollection) (events, broken beam.PCollection) {
	s = s.Scope("lake.ReadEvents")
	shares := share(files, &o)
	var elements beam.PCollection
	if o.OneByOne {
		elements = beam.ParDo(s, &handOutFn{Shares: shares}, after)
	} else {
		elements = beam.Reshuffle(s, beam.ParDo(s, &sharesFn{Shares: shares}, after))
	}
	return beam.ParDo2(s, &readEventsFn{URI: uri, Options: o}, elements)
}

// Broken is an element of a file that was set aside.
type Broken struct {
	Name  string `json:"name"`
	Error string `json:"error"`
}

// share packs the files that can have rows that are asked for into elements, one
// at least.
func share(files []File, o *ReadOptions) [][]byte {
	var (
		shares [][]byte
		packed []byte
		bytes  int64
		last   string
	)
	for _, f := range files {
		if !o.wants(f) {
			continue
		}
		if len(packed) > 0 && bytes+f.Bytes > shareBytes {
			shares, packed, bytes, last = append(shares, packed), nil, 0, ""
		}
		packed = appendFile(packed, f, last)
		bytes += f.Bytes
		last = f.Name
	}
	if len(packed) > 0 || len(shares) == 0 {
		shares = append(shares, packed)
	}
	return shares
}

// appendFile packs a file's entry; its name without what it shares with the
// last one.
func appendFile(b []byte, f File, last string) []byte {
	same := 0
	for same < min(len(f.Name), len(last)) && f.Name[same] == last[same] {
		same++
	}
	b = binary.AppendUvarint(b, uint64(same))
	b = appendText(b, f.Name[same:])
	b = appendText(b, string(f.Lane))
	b = binary.AppendUvarint(b, uint64(f.Rows))
	b = binary.AppendUvarint(b, uint64(f.Bytes))
	return binary.AppendUvarint(b, uint64(f.CRC))
}

func unpackFiles(data []byte) (files []File, err error) {
	r := unpacker{data: data}
	last := ""
	for len(r.data) > 0 {
		same := r.uvarint()
		if same > uint64(len(last)) {
			return nil, errPacked
		}
		f := File{Name: last[:same] + r.text(), Lane: Lane(r.text())}
		f.Rows, f.Bytes = int64(r.uvarint()), int64(r.uvarint())
		f.CRC = uint32(r.uvarint()) //nolint:gosec // it was one
		files = append(files, f)
		last = f.Name
	}
	if r.failed {
		return nil, errPacked
	}
	return files, nil
}

// sharesFn emits its elements.
type sharesFn struct{ Shares [][]byte }

func (fn *sharesFn) ProcessElement(_ []byte, emit func([]byte)) {
	for _, s := range fn.Shares {
		emit(s)
	}
}

// handOutFn emits its elements one a call, each in a bundle of its own. In Prism
// a stage takes all elements that wait in one bundle, and works on bundles, not
// elements, at the same time.
type handOutFn struct{ Shares [][]byte }

func (fn *handOutFn) CreateInitialRestriction(_ []byte) offsetrange.Restriction {
	return offsetrange.Restriction{End: int64(len(fn.Shares))}
}

func (fn *handOutFn) SplitRestriction(_ []byte, r offsetrange.Restriction) []offsetrange.Restriction {
	return []offsetrange.Restriction{r}
}

func (fn *handOutFn) RestrictionSize(_ []byte, r offsetrange.Restriction) float64 { return r.Size() }

func (fn *handOutFn) CreateTracker(r offsetrange.Restriction) *sdf.LockRTracker {
	return sdf.NewLockRTracker(offsetrange.NewTracker(r))
}

func (fn *handOutFn) ProcessElement(rt *sdf.LockRTracker, _ []byte, emit func([]byte)) sdf.ProcessContinuation {
	i := rt.GetRestriction().(offsetrange.Restriction).Start
	if !rt.TryClaim(i) {
		return sdf.StopProcessing()
	}
	emit(fn.Shares[i])
	if i+1 >= rt.GetRestriction().(offsetrange.Restriction).End {
		return sdf.StopProcessing()
	}
	return sdf.ResumeProcessingIn(0)
}

// readEventsFn reads the files of an element. Its restriction counts their
// units, over all files in their order.
type readEventsFn struct {
	URI     string
	Options ReadOptions
}

func (fn *readEventsFn) CreateInitialRestriction(packed []byte) (offsetrange.Restriction, error) {
	files, err := unpackFiles(packed)
	var n int64
	for _, f := range files {
		n += units(f, fn.Options.Quarantine)
	}
	return offsetrange.Restriction{End: n}, err
}

// SplitRestriction makes parts of a file that is larger than a share.
func (fn *readEventsFn) SplitRestriction(packed []byte, r offsetrange.Restriction) (parts []offsetrange.Restriction, err error) {
	files, err := unpackFiles(packed)
	if err != nil {
		return nil, err
	}
	at, from, bytes := int64(0), r.Start, int64(0)
	for _, f := range files {
		n := units(f, fn.Options.Quarantine)
		for range n {
			if at > from && at < r.End && bytes+f.Bytes/n > shareBytes {
				parts = append(parts, offsetrange.Restriction{Start: from, End: at})
				from, bytes = at, 0
			}
			if at >= from {
				bytes += f.Bytes / n
			}
			at++
		}
	}
	return append(parts, offsetrange.Restriction{Start: from, End: r.End}), nil
}

// RestrictionSize is the number of bytes.
func (fn *readEventsFn) RestrictionSize(packed []byte, r offsetrange.Restriction) (float64, error) {
	files, err := unpackFiles(packed)
	size := 0.0
	first := int64(0)
	for _, f := range files {
		n := units(f, fn.Options.Quarantine)
		if in := min(r.End, first+n) - max(r.Start, first); in > 0 {
			size += float64(f.Bytes) / float64(n) * float64(in)
		}
		first += n
	}
	return size, err
}

func (fn *readEventsFn) CreateTracker(r offsetrange.Restriction) *sdf.LockRTracker {
	return sdf.NewLockRTracker(offsetrange.NewTracker(r))
}

// filesOf returns the files that a restriction has units of.
func (fn *readEventsFn) filesOf(files []File, r offsetrange.Restriction) (in []File) {
	first := int64(0)
	for _, f := range files {
		n := units(f, fn.Options.Quarantine)
		if first < r.End && first+n > r.Start {
			in = append(in, f)
		}
		first += n
	}
	return in
}

// reads keeps a process from reading more at once than it has processors: each
// reading holds memory, and so does what it feeds.
var reads = make(chan struct{}, runtime.GOMAXPROCS(0))

func (fn *readEventsFn) ProcessElement(ctx context.Context, rt *sdf.LockRTracker, packed []byte, emit func(Events), broken func([]byte)) error {
	files, err := unpackFiles(packed)
	if err != nil {
		return err
	}
	st, err := Shared(ctx, fn.URI)
	if err != nil {
		return err
	}
	select {
	case reads <- struct{}{}:
		defer func() { <-reads }()
	case <-ctx.Done():
		return ctx.Err()
	}
	whole := rt.GetRestriction().(offsetrange.Restriction)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	st = ahead(ctx, st, fn.filesOf(files, whole))
	at := int64(0)
	for _, f := range files {
		for unit := range units(f, fn.Options.Quarantine) {
			at++
			if at-1 < whole.Start {
				continue
			}
			if !rt.TryClaim(at - 1) {
				return nil
			}
			err := readEvents(ctx, st, f, unit, unit+1, &fn.Options, func(e Events) error {
				emit(e)
				return nil
			})
			if fn.Options.Quarantine && errors.Is(err, ErrBroken) {
				var element []byte
				if element, err = json.Marshal(Broken{f.Name, err.Error()}); err == nil {
					broken(element)
				}
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
