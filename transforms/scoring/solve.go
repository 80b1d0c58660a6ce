package scoring

import (
	"context"
	"encoding/binary"
	"fmt"

	"example.com/shopstream/ml/forecast"
)

// solveFn adds up the shards' sums, and tells every shard where the forecasts of
// each group stand.
type solveFn struct {
	Options Options

	batch *forecast.Batch
}

func (fn *solveFn) Setup(ctx context.Context) (err error) {
	fn.batch, err = fn.Options.batch(ctx)
	return err
}

func (fn *solveFn) ProcessElement(_ int64, packed func(*[]byte) bool, emit func(int64, []byte)) error {
	var groups []*sums
	past, horizon := len(fn.batch.OpenDays()), fn.Options.Horizon
	for b := []byte(nil); packed(&b); {
		u := &unpacker{in: b}
		n := u.count(len(forecast.GroupRanks()) + 1)
		for len(groups) < n {
			groups = append(groups, newSums(past, horizon))
		}
		for g := range n {
			groups[g].merge(u)
		}
		if err := u.done(); err != nil {
			return err
		}
	}
	told := binary.AppendUvarint(nil, uint64(len(groups)))
	for g := range groups {
		s, err := fn.batch.Solve(groups[g].totals())
		if err != nil {
			return err
		}
		told = appendSolution(told, s)
	}
	toAll(fn.Options.Shards, told, emit)
	return nil
}

func appendSolution(b []byte, s forecast.Solution) []byte {
	return appendNumbers(appendNumbers(appendNumber(b, s.Tau), s.Taus), s.Scale)
}

func unpackSolutions(b []byte, horizon int) ([]forecast.Solution, error) {
	u := &unpacker{in: b}
	all := make([]forecast.Solution, u.count(len(forecast.GroupRanks())+1))
	for g := range all {
		all[g] = forecast.Solution{Tau: u.finite(), Taus: u.finites(horizon), Scale: u.finites(horizon)}
	}
	return all, u.done()
}

// finishFn turns the drafts of a shard into predictions.
type finishFn struct {
	Options Options

	batch *forecast.Batch
}

func (fn *finishFn) Setup(ctx context.Context) (err error) {
	fn.batch, err = fn.Options.batch(ctx)
	return err
}

func (fn *finishFn) ProcessElement(_ int64, told, drafts func(*[]byte) bool, emit func([]byte)) error {
	var b []byte
	if !told(&b) {
		return fmt.Errorf("scoring: a shard was not told where its groups stand")
	}
	solutions, err := unpackSolutions(b, fn.Options.Horizon)
	if err != nil {
		return err
	}
	for b := []byte(nil); drafts(&b); {
		for u := (&unpacker{in: b}); u.more(); {
			d := u.draft(fn.Options.Horizon)
			if u.err != nil {
				return u.err
			}
			if d.group >= len(solutions) {
				return errPacked
			}
			row, err := fn.batch.Finish(d.Draft, solutions[d.group])
			if err != nil {
				return err
			}
			emit(EncodePrediction(&Prediction{Series: d.id, Category: d.category, Short: d.Short, Origin: fn.batch.Origin(), Days: row}))
		}
	}
	return nil
}
