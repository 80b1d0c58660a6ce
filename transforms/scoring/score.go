package scoring

import (
	"errors"
	"fmt"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"
)

func init() {
	beam.RegisterDoFn(&checkFn{})
	beam.RegisterDoFn(&cutFn{})
	beam.RegisterDoFn(&draftFn{})
	beam.RegisterDoFn(&solveFn{})
	beam.RegisterDoFn(&finishFn{})
	register.Emitter1[[]byte]()
	register.Emitter2[int64, []byte]()
	register.Iter1[[]byte]()
}

// Options say what to forecast, and with what.
type Options struct {
	Lake    string // URI of the lake that holds the model, as workers see it
	Model   string // name in the registry
	Version string // of the model; there is no default, as all workers have to use the same
	Horizon int    // days from the axis' end
	Axis    Axis
	// Shards is how many parts the series are divided into: the most workers that
	// can forecast at once. 0 is 256.
	Shards int
}

const (
	defaultShards = 256
	maxShards     = 1 << 16
	maxHorizon    = 366
)

// Score forecasts series: a collection of []byte, each made by EncodeSeries. IDs
// should be distinct; series of the same ID count, and are forecast, each.
//
// It returns a prediction for each (DecodePrediction), and the elements that are
// no series of this shop as dead letters (DeadLetter, JSON).
func Score(s beam.Scope, o Options, series beam.PCollection) (predictions, dead beam.PCollection, err error) {
	if err := o.check(); err != nil {
		return beam.PCollection{}, beam.PCollection{}, err
	}
	if o.Shards == 0 {
		o.Shards = defaultShards
	}
	s = s.Scope("scoring.Score")
	checked, leaders, dead := beam.ParDo3(s, &checkFn{Axis: o.Axis, Shards: o.Shards}, series)
	cuts := beam.ParDo(s, &cutFn{Shards: o.Shards}, beam.GroupByKey(s, leaders))
	drafts, sums := beam.ParDo2(s, &draftFn{Options: o}, beam.CoGroupByKey(s, cuts, checked))
	solutions := beam.ParDo(s, &solveFn{Options: o}, beam.GroupByKey(s, sums))
	predictions = beam.ParDo(s, &finishFn{Options: o}, beam.CoGroupByKey(s, solutions, drafts))
	return predictions, dead, nil
}

// check reports all that is wrong.
func (o Options) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if o.Lake == "" {
		wrong("there is no lake: expected the URI of the one that holds the model")
	}
	if o.Model == "" || o.Version == "" {
		wrong("the model is %q, version %q: expected a name and a version of the registry", o.Model, o.Version)
	}
	if o.Horizon < 1 || o.Horizon > maxHorizon {
		wrong("the horizon is %d days: expected 1 to %d", o.Horizon, maxHorizon)
	}
	if o.Shards < 0 || o.Shards > maxShards {
		wrong("there are %d shards: expected 1 to %d, or 0 for %d", o.Shards, maxShards, defaultShards)
	}
	if _, err := o.Axis.panel(); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scoring: %w", err)
	}
	return nil
}
