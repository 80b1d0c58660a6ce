//go:build unix

package scoring

import (
	"context"
	"syscall"
	"testing"
	"time"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/register"

	"example.com/shopstream/ml/forecast"
)

// benchElements are what benchFn emits: beam.Create would carry them in the graph,
// in base64.
var benchElements [][]byte

type benchFn struct{}

func (benchFn) ProcessElement(_ []byte, emit func([]byte)) {
	for _, e := range benchElements {
		emit(e)
	}
}

func init() { register.DoFn2x0[[]byte, func([]byte)](&benchFn{}) }

// BenchmarkScore compares the CPU a series costs in one process and as a graph,
// with a model of the recipe's size.
func BenchmarkScore(b *testing.B) {
	p, err := randomShop(2, 6000, 300)
	if err != nil {
		b.Fatal(err)
	}
	m := forecast.Recipe()
	m.TrainSeries, m.TrainDays = 300, 60
	f, err := newFixture(b.Context(), b.TempDir(), p, m)
	if err != nil {
		b.Fatal(err)
	}
	elements := encoded(b, p)
	benchElements = elements
	bytes := 0
	for _, e := range elements {
		bytes += len(e)
	}
	run := func(name string, do func(b *testing.B)) {
		b.Run(name, func(b *testing.B) {
			before := cpuTime(b)
			for b.Loop() {
				do(b)
			}
			b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/1000/float64(b.N*len(elements)), "µs-CPU/series")
			b.ReportMetric(float64(bytes)/float64(len(elements)), "bytes/series")
		})
	}
	run("one process", func(b *testing.B) {
		if _, err := f.fit.Forecast(b.Context(), p, f.options.Horizon); err != nil {
			b.Fatal(err)
		}
	})
	for _, runner := range []string{"direct", "prism"} {
		run(runner, func(b *testing.B) {
			pipeline, s := beam.NewPipelineWithRoot()
			predictions, _, err := Score(s, f.options, beam.Reshuffle(s, beam.ParDo(s, &benchFn{}, beam.Impulse(s))))
			if err != nil {
				b.Fatal(err)
			}
			collect(s, b.Name(), predictions)
			if _, err := beam.Run(context.WithoutCancel(b.Context()), runner, pipeline); err != nil {
				b.Fatal(err)
			}
			if n := len(collected(b.Name())); n != len(elements) {
				b.Fatalf("%d forecasts of %d", n, len(elements))
			}
		})
	}
}

// cpuTime is that of this process.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
