package pipelines

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/telemetry"
)

// stale is how long a job with lag may commit nothing and still be ready.
const stale = 5 * time.Minute

// ServeMetrics serves /metrics, /healthz and /readyz of the job in this process
// whose source has this ID, until ctx ends, and returns the address of /metrics. An empty listen serves
// nothing.
func ServeMetrics(ctx context.Context, listen, source string) (url string, err error) {
	if listen == "" {
		return "", nil
	}
	m := monitor{source: source, started: time.Now()}
	if err := telemetry.Registry.Register(m); err != nil {
		return "", err
	}
	addr, err := telemetry.Serve(ctx, listen, m.ready)
	return "http://" + addr + "/metrics", err
}

// monitor exports what the source of a job in this process has reached. It is
// a prometheus.Collector.
type monitor struct {
	source  string // ID of the source
	started time.Time
}

var (
	watermarkDesc = prometheus.NewDesc("shopstream_watermark_seconds", "Watermark that the source reported, Unix time.", nil, nil)
	lagDesc       = prometheus.NewDesc("shopstream_kafka_lag_records", "Records in the log that were not read.", []string{"partition"}, nil)
	offsetDesc    = prometheus.NewDesc("shopstream_kafka_next_offset", "Next offset to read.", []string{"partition"}, nil)
	highDesc      = prometheus.NewDesc("shopstream_kafka_high_event_time_seconds", "Highest event time read, Unix time.", []string{"partition"}, nil)
	commitAgeDesc = prometheus.NewDesc("shopstream_commit_age_seconds", "Time since the last ledger row was written, or since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m monitor) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{watermarkDesc, lagDesc, offsetDesc, highDesc, commitAgeDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m monitor) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := kafkaio.StatusOf(m.source)
	if s.Watermark != kafkaio.NoTime {
		gauge(watermarkDesc, float64(s.Watermark)/1000)
	}
	for _, p := range s.Partitions {
		label := strconv.Itoa(int(p.Partition))
		gauge(lagDesc, float64(p.Lag), label)
		gauge(offsetDesc, float64(p.Next), label)
		if p.High != kafkaio.NoTime {
			gauge(highDesc, float64(p.High)/1000, label)
		}
	}
	gauge(commitAgeDesc, m.commitAge().Seconds())
}

func (m monitor) commitAge() time.Duration {
	last := telemetry.Snapshot().LastCommit
	if last.IsZero() {
		last = m.started
	}
	return time.Since(last)
}

// ready returns an error while the job does not keep up: before its source has
// read anything, and when there is lag but no commit for too long.
func (m monitor) ready() error {
	s := kafkaio.StatusOf(m.source)
	if len(s.Partitions) == 0 {
		return errors.New("the source has not started")
	}
	var lag int64
	for _, p := range s.Partitions {
		lag += p.Lag
	}
	if age := m.commitAge(); lag > 0 && age > stale {
		return fmt.Errorf("%d records behind and nothing committed for %s", lag, age.Round(time.Second))
	}
	return nil
}
