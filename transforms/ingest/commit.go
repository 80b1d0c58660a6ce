package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/core/graph/window"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/telemetry"
	"example.com/shopstream/transforms/metrics"
)

func init() {
	beam.RegisterDoFn(&commitFn{})
	beam.RegisterDoFn(&sealFn{})
	register.Emitter3[beam.EventTime, int64, []byte]()
	register.Emitter1[int64]()
}

// Commit groups the acknowledgements of a base window and writes the window's
// row of the ledger, then, where the source had marked a watermark and all
// earlier rows are on disk, its seal.
//
// It returns the windows' increments (KV<int64, []byte>, as metrics.Publish
// takes them) and the sealed windows' starts.
func Commit(s beam.Scope, acks beam.PCollection, lakeURI, source string) (increments, seals beam.PCollection) {
	s = s.Scope("ingest.Commit")
	increments, marked := beam.ParDo2(s, &commitFn{Lake: lakeURI}, beam.GroupByKey(s, acks))
	// Rows come in any order. This group fires only after the watermark has passed Commit: all earlier rows are written.
	return increments, beam.ParDo(s, &sealFn{Lake: lakeURI, Source: source}, beam.GroupByKey(s, marked))
}

type commitFn struct{ Lake string }

func (fn *commitFn) ProcessElement(ctx context.Context, w beam.Window, _ int64, acks func(*[]byte) bool,
	emit func(beam.EventTime, int64, []byte), marked func(int64, []byte),
) error {
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	var parts []ack
	for b := []byte(nil); acks(&b); {
		var a ack
		if err := json.Unmarshal(b, &a); err != nil {
			return fmt.Errorf("acknowledgement: %w", err)
		}
		parts = append(parts, a)
	}
	iw := w.(window.IntervalWindow)
	row, increments, revenue := fold(iw.Start.Milliseconds(), iw.End.Milliseconds(), parts)
	if len(increments) > 0 {
		if row.Increments, row.IncrCRC, err = lake.PutIncrements(ctx, st, row.Window, increments.Encode()); err != nil {
			return err
		}
	}
	if err := lake.PutRow(ctx, st, row); err != nil {
		return err
	}
	telemetry.ObserveCommit(telemetry.Commit{End: row.End, Silver: row.Silver, Duplicates: row.Duplicates, Late: row.Late, Dead: row.Dead, Revenue: revenue, SilverFiles: silverFiles(row)})
	metrics.Emit(increments, row.End, emit)
	if row.Mark != nil {
		marked(all, nil)
	}
	return nil
}

// fold adds up acknowledgements, in an order that does not depend on the
// order in which they came.
func fold(start, end int64, parts []ack) (lake.Row, metrics.Increments, map[string]int64) {
	slices.SortFunc(parts, func(a, b ack) int { return cmp.Compare(a.name(), b.name()) })
	row := lake.Row{Window: start, End: end, Dead: map[string]int64{}, LateDates: map[string]int64{}, From: map[int32]int64{}, Next: map[int32]int64{}}
	increments := metrics.Increments{}
	revenue := map[string]int64{}
	for _, a := range parts {
		if a.Mark != nil {
			row.Mark = a.Mark
		}
		row.Duplicates += a.Duplicates
		row.Conflicts += a.Conflicts
		for reason, n := range a.Dead {
			row.Dead[reason] += n
		}
		for date, n := range a.LateDates {
			row.LateDates[date] += n
		}
		for bucket, packed := range a.Increments {
			increments[bucket] = append(increments[bucket], packed...)
		}
		for currency, v := range a.Revenue {
			telemetry.AddRevenue(revenue, currency, v)
		}
		if a.File == nil {
			continue
		}
		row.Files = append(row.Files, *a.File)
		switch a.File.Lane {
		case lake.Bronze:
			row.Read += a.File.Rows
			row.From[a.Partition], row.Next[a.Partition] = a.From, a.Next
			if a.Ahead > 0 {
				if row.Ahead == nil {
					row.Ahead = map[int32]int64{}
				}
				row.Ahead[a.Partition] = a.Ahead
			}
		case lake.Silver:
			row.Silver += a.File.Rows
		case lake.Late:
			row.Late += a.File.Rows
		}
	}
	return row, increments, revenue
}

func silverFiles(row lake.Row) (n int) {
	for _, f := range row.Files {
		if f.Lane == lake.Silver {
			n++
		}
	}
	return n
}

func (a ack) name() string {
	if a.File == nil {
		return ""
	}
	return a.File.Name
}

// sealFn seals the newest window of a bundle, which says all that the others
// would: a bucket takes about one put a second of the same object.
type sealFn struct {
	Lake   string
	Source string // ID of the source, which is told what is final

	newest window.IntervalWindow // of the bundle; the zero value: none yet
}

func (fn *sealFn) StartBundle(_ func(int64)) { fn.newest = window.IntervalWindow{} }

func (fn *sealFn) ProcessElement(w beam.Window, _ int64, _ func(*[]byte) bool, emit func(int64)) {
	if iw := w.(window.IntervalWindow); iw.End > fn.newest.End {
		fn.newest = iw
	}
	emit(fn.newest.Start.Milliseconds())
}

// FinishBundle writes the seal. A bundle that fails is run again.
func (fn *sealFn) FinishBundle(ctx context.Context, _ func(int64)) error {
	if fn.newest == (window.IntervalWindow{}) {
		return nil
	}
	st, err := lake.Shared(ctx, fn.Lake)
	if err != nil {
		return err
	}
	if err := lake.PutSeal(ctx, st, fn.newest.Start.Milliseconds()); err != nil {
		return err
	}
	kafkaio.Sealed(fn.Source, fn.newest.End.Milliseconds())
	telemetry.ObserveSeal(fn.newest.End.Milliseconds())
	return nil
}
