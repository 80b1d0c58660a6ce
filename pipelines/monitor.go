package pipelines

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/guard"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/telemetry"
)

// stale is how long a job with lag may commit nothing and still be ready.
const stale = 5 * time.Minute

// ServeMetrics serves /metrics, /healthz and /readyz of the job in this process
// with this source, until ctx ends, and returns the address of /metrics. An empty address serves
// nothing. unready is how long a partition may bring no answer before the job counts as not ready.
func ServeMetrics(ctx context.Context, c config.Metrics, source kafkaio.Options, unready time.Duration) (url string, err error) {
	if c.Listen == "" {
		return "", nil
	}
	var tokens guard.Tokens
	if c.TokenFile != "" {
		if tokens, err = guard.ReadTokens(c.TokenFile); err != nil {
			return "", fmt.Errorf("metrics.token_file: %w", err)
		}
	}
	m := monitor{source: source.ID, topic: source.Topic, unready: unready, started: time.Now()}
	if err := telemetry.Registry.Register(m); err != nil {
		return "", err
	}
	context.AfterFunc(ctx, func() { telemetry.Registry.Unregister(m) })
	addr, err := telemetry.Serve(ctx, c.Listen, tokens, m.conditions)
	return "http://" + addr + "/metrics", err
}

// monitor exports what the source of a job in this process has reached. It is
// a prometheus.Collector.
type monitor struct {
	source  string // ID of the source
	topic   string
	unready time.Duration
	started time.Time
}

var (
	watermarkDesc = prometheus.NewDesc("shopstream_watermark_seconds", "Watermark that the source reported, Unix time.", nil, nil)
	lagDesc       = prometheus.NewDesc("shopstream_kafka_lag_records", "Records in the log that were not read, up to the high watermark; not there while brokers do not say.", []string{"partition"}, nil)
	offsetDesc    = prometheus.NewDesc("shopstream_kafka_next_offset", "Next offset to read.", []string{"partition"}, nil)
	highDesc      = prometheus.NewDesc("shopstream_kafka_high_event_time_seconds", "Highest event time read, Unix time.", []string{"partition"}, nil)
	fetchAgeDesc  = prometheus.NewDesc("shopstream_kafka_fetch_age_seconds", "Time since the last fetch that was answered; 0 while none is wanted.", []string{"partition"}, nil)
	openDesc      = prometheus.NewDesc("shopstream_kafka_open_transaction_seconds", "For how long the next record has waited for the end of an open transaction; 0: it does not.", []string{"partition"}, nil)
	commitAgeDesc = prometheus.NewDesc("shopstream_commit_age_seconds", "Time since the last ledger row was written, or since the start.", nil, nil)
)

// Describe implements prometheus.Collector.
func (m monitor) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{watermarkDesc, lagDesc, offsetDesc, highDesc, fetchAgeDesc, openDesc, commitAgeDesc} {
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
		if p.Lag != kafkaio.UnknownLag {
			gauge(lagDesc, float64(p.Lag), label)
		}
		gauge(fetchAgeDesc, p.Silent.Seconds(), label)
		open := time.Duration(0)
		if !p.OpenSince.IsZero() {
			open = time.Since(p.OpenSince)
		}
		gauge(openDesc, open.Seconds(), label)
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

// conditions say whether the job keeps up: not before its source has read
// anything, not while a partition brings no answers, and not when there are
// records to read but no commit for too long.
func (m monitor) conditions() []telemetry.Condition {
	s := kafkaio.StatusOf(m.source)
	if len(s.Partitions) == 0 {
		return []telemetry.Condition{{Name: "source", Detail: "it has not started"}}
	}
	return []telemetry.Condition{
		m.fetches(s),
		m.commits(s.Lag(), m.commitAge()),
		{Name: "transactions", OK: true, Detail: s.OpenTransaction(m.topic, time.Now())},
		{Name: "late", OK: true, Detail: telemetry.Snapshot().TooLate},
		{Name: "categories", OK: true, Detail: telemetry.Snapshot().TooWide},
	}
}

func (m monitor) fetches(s kafkaio.Status) telemetry.Condition {
	var worst kafkaio.PartitionStatus
	n := 0
	for _, p := range s.Partitions {
		if p.Silent < m.unready {
			continue
		}
		if n++; p.Silent > worst.Silent {
			worst = p
		}
	}
	c := telemetry.Condition{Name: "kafka", OK: n == 0}
	if n > 0 {
		c.Detail = fmt.Sprintf("partition %d: no fetch was answered for %s", worst.Partition, worst.Silent.Round(time.Second))
		if worst.Problem != nil {
			c.Detail += fmt.Sprintf(": %s", worst.Problem)
		}
		if n > 1 {
			c.Detail += fmt.Sprintf("; %d of %d partitions are without answers", n, len(s.Partitions))
		}
	}
	return c
}

func (m monitor) commits(lag int64, age time.Duration) telemetry.Condition {
	c := telemetry.Condition{Name: "commits", OK: true}
	if lag > 0 && age > stale {
		c.OK, c.Detail = false, fmt.Sprintf("%d records behind and nothing committed for %s", lag, age.Round(time.Second))
	}
	return c
}
