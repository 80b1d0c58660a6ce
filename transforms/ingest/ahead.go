package ingest

import (
	"context"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"

	"example.com/shopstream/internal/lake"
)

func init() {
	beam.RegisterDoFn(&aheadFn{})
}

// Ahead reads, when a lake is continued, the events that arrived in windows
// that are final but belong to windows that are not (lake.Start.Ahead), from
// bronze. It returns batches as Split does, of the events lane alone: the rest
// is in finished files.
//
// Such an event is on time: its own window is after the one that its partition's
// clock was in when it arrived.
func Ahead(s beam.Scope, lakeURI string, files []lake.File, rules Rules) beam.PCollection {
	s = s.Scope("ingest.Ahead")
	return beam.ParDo(s, &aheadFn{Lake: lakeURI, Rules: rules}, beam.CreateList(s, files))
}

type aheadFn struct {
	Lake  string
	Rules Rules

	split *splitFn
}

func (fn *aheadFn) Setup() {
	fn.split = &splitFn{Rules: fn.Rules}
	fn.split.Setup()
}

func (fn *aheadFn) ProcessElement(ctx context.Context, f lake.File, emit func(beam.EventTime, string, []byte)) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	rows, arrival, err := aheadRows(ctx, st, f)
	if err != nil {
		return err
	}
	split := fn.split
	split.batches = map[batchKey]*batch{}
	for i := range rows {
		r := &rows[i]
		e, invalid := split.parser.Parse(r.Value, r.KafkaTimestamp/1000)
		if invalid != nil {
			continue
		}
		if window := split.windows.Start(e.Time); window > arrival && window >= fn.Rules.Done {
			split.event(&e, located{r.KafkaPartition, r.KafkaOffset}, window, emit)
		}
	}
	split.flushAll(emit)
	return nil
}

// aheadRows reads a file of bronze and the start of its arrival window.
func aheadRows(ctx context.Context, st lake.Store, f lake.File) (rows []lake.BronzeRow, arrival int64, err error) {
	k, err := lake.ParseName(f.Name)
	if err != nil {
		return nil, 0, err
	}
	rows, err = lake.ReadFile[lake.BronzeRow](ctx, st, f)
	return rows, k.WindowStart, err
}

// CheckAhead returns an error that names the file unless Ahead can read all of
// them: what a lake cannot go on from must be found before it is changed.
func CheckAhead(ctx context.Context, st lake.Store, files []lake.File) error {
	const readers = 4 // each holds a file
	return lake.Parallel(len(files), readers, func(i int) error {
		_, _, err := aheadRows(ctx, st, files[i])
		return err
	})
}
