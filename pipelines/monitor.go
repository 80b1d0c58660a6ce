package pipelines

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/telemetry"
)

// Monitor exports what the source of a job in this process has reached. It is
// a prometheus.Collector.
type Monitor struct {
	Source  string        // ID of the source
	Started time.Time     // when the job started
	Stale   time.Duration // a job with lag that committed nothing for so long is not ready
}

var (
	watermarkDesc = prometheus.NewDesc("shopstream_watermark_seconds", "Watermark that the source reported, Unix time.", nil, nil)
	lagDesc       = prometheus.NewDesc("shopstream_kafka_lag_records", "Records in the log that were not read.", []string{"partition"}, nil)
	offsetDesc    = prometheus.NewDesc("shopstream_kafka_next_offset", "Next offset to read.", []string{"partition"}, nil)
	highDesc      = prometheus.NewDesc("shopstream_kafka_high_event_time_seconds", "Highest event time read, Unix time.", []string{"partition"}, nil)
	commitAgeDesc = prometheus.NewDesc("shopstream_commit_age_seconds", "Time since the last ledger row was written, or since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m Monitor) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{watermarkDesc, lagDesc, offsetDesc, highDesc, commitAgeDesc} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m Monitor) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	s := kafkaio.StatusOf(m.Source)
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

func (m Monitor) commitAge() time.Duration {
	last := telemetry.Snapshot().LastCommit
	if last.IsZero() {
		last = m.Started
	}
	return time.Since(last)
}

// Ready returns an error while the job does not keep up: before its source has
// read anything, and when there is lag but no commit for Stale.
func (m Monitor) Ready() error {
	s := kafkaio.StatusOf(m.Source)
	if len(s.Partitions) == 0 {
		return errors.New("the source has not started")
	}
	var lag int64
	for _, p := range s.Partitions {
		lag += p.Lag
	}
	if age := m.commitAge(); lag > 0 && age > m.Stale {
		return fmt.Errorf("%d records behind and nothing committed for %s", lag, age.Round(time.Second))
	}
	return nil
}
