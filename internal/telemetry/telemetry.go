// Package telemetry holds the counters and gauges of this process. Transforms
// add to them; the streaming program serves them to Prometheus, the local view
// draws them.
package telemetry

import (
	"maps"
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Registry holds everything that this process exports.
var Registry = prometheus.NewRegistry()

// The metrics. Counts are of this process since its start; a bundle that a
// runner tries again counts again, the ledger is what is exact.
var (
	Read = counter("shopstream_records_read_total", "Kafka records read.")
	Lane = counters("shopstream_records_total", "Records written, by lane; duplicates are a lane of their own.", "lane")
	Dead = counters("shopstream_dead_letters_total", "Dead letters written, by reason.", "reason")
	File = counters("shopstream_files_total", "Data files written, by lane.", "lane")
	Size = counters("shopstream_file_bytes_total", "Bytes of data files written, by lane.", "lane")

	ValidEvents = counters("shopstream_valid_events_total", "Valid events read, by partition.", "partition")
	LateEvents  = counters("shopstream_late_events_total", "Of the valid events read, those that were late, by partition.", "partition")
	LateShare   = gauge("shopstream_late_share", "Share of late events among the valid ones of about the last minute; above stream.max_late_share there is a warning.")

	Categories = gauge("shopstream_window_silver_files", "Silver files of the newest base window in the ledger that has any: one a category and shard; see stream.max_categories.")

	GoldDays = counter("shopstream_gold_days_total", "Business days that gold has made.")

	Committed  = gauge("shopstream_committed_window_seconds", "End of the newest base window in the ledger, Unix time.")
	CommitTime = gauge("shopstream_last_commit_timestamp_seconds", "When the last ledger row was written, Unix time.")
	Sealed     = gauge("shopstream_sealed_window_seconds", "End of the newest base window that is final, Unix time.")
)

func init() {
	Registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
}

func counter(name, help string) prometheus.Counter {
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	Registry.MustRegister(c)
	return c
}

func counters(name, help, label string) *prometheus.CounterVec {
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	Registry.MustRegister(c)
	return c
}

func gauge(name, help string) prometheus.Gauge {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	Registry.MustRegister(g)
	return g
}

// Progress is what this process has done, for a live display. Revenue is in
// micro-units by currency: Provisional of orders as they were read, Final of
// windows that are in the ledger.
type Progress struct {
	Read, Silver, Duplicates, Late int64
	Dead                           map[string]int64
	Provisional, Final             map[string]int64
	Committed                      int64 // end of the newest window in the ledger, ms; 0: none
	Sealed                         int64 // end of the newest final window, ms; 0: none
	LastCommit                     time.Time
	GoldDays                       int64 // business days that gold has made

	Windows     int64  // base windows in the ledger that have events,
	SilverFiles int64  // and their files of silver
	TooWide     string // what was found last, if windows have too many categories; "": they have not

	Refused     map[string]int64 // of Read, the records that are no valid event, by reason
	LastRefused DeadLetter       // one of them, the newest that was told

	Valid    map[int32]Valid // of Read, the valid events, by partition
	LastLate LateEvent       // a late one of them, the newest that was told
	TooLate  string          // what was found last, if too many events are late; "": they are not
}

// Valid counts valid events as they are read.
type Valid struct {
	Events   int64
	Late     int64 // of Events
	Producer int64 // of Late, those whose record the producer stamped
}

// LateEvent is a valid event that came late.
type LateEvent struct {
	Partition int32
	Offset    int64
	Time      int64 // of the event, ms
	Clock     int64 // its partition's, ms
}

// DeadLetter is a record that is no valid event.
type DeadLetter struct {
	Reason, Detail string
	Partition      int32
	Offset         int64
	Value          []byte // at most MaxExample bytes of it; nobody writes to them
}

// MaxExample is how much of a dead letter's value is kept to be shown.
const MaxExample = 64 << 10

var progress = struct {
	sync.Mutex
	Progress
}{Progress: empty()}

func empty() Progress {
	return Progress{Dead: map[string]int64{}, Provisional: map[string]int64{}, Final: map[string]int64{}, Refused: map[string]int64{}, Valid: map[int32]Valid{}}
}

// Snapshot returns the progress so far.
func Snapshot() Progress {
	progress.Lock()
	defer progress.Unlock()
	p := progress.Progress
	p.Dead, p.Provisional, p.Final, p.Refused = maps.Clone(p.Dead), maps.Clone(p.Provisional), maps.Clone(p.Final), maps.Clone(p.Refused)
	p.Valid = maps.Clone(p.Valid)
	return p
}

// ObserveRead adds records that were read and the revenue of the orders among
// them.
func ObserveRead(records int, revenue map[string]int64) {
	Read.Add(float64(records))
	progress.Lock()
	defer progress.Unlock()
	progress.Read += int64(records)
	for currency, micros := range revenue {
		AddRevenue(progress.Provisional, currency, micros)
	}
}

// ObserveRefused adds the dead letters among records that were read: their
// reasons, and one of them.
func ObserveRefused(reasons map[string]int64, one DeadLetter) {
	progress.Lock()
	defer progress.Unlock()
	for reason, n := range reasons {
		progress.Refused[reason] += n
	}
	progress.LastRefused = one
}

// ObserveValid adds the valid events among records that were read, by partition,
// and a late one of them, if there is any.
func ObserveValid(counts map[int32]Valid, late LateEvent) {
	progress.Lock()
	defer progress.Unlock()
	for partition, n := range counts {
		p := progress.Valid[partition]
		p.Events, p.Late, p.Producer = p.Events+n.Events, p.Late+n.Late, p.Producer+n.Producer
		progress.Valid[partition] = p
		label := strconv.Itoa(int(partition))
		ValidEvents.WithLabelValues(label).Add(float64(n.Events))
		LateEvents.WithLabelValues(label).Add(float64(n.Late))
		if n.Late > 0 {
			progress.LastLate = late
		}
	}
}

// ObserveLateShare notes the share of late events of a while, and what to tell
// of it; "": nothing.
func ObserveLateShare(share float64, tooLate string) {
	LateShare.Set(share)
	progress.Lock()
	defer progress.Unlock()
	progress.TooLate = tooLate
}

// ObserveWidth notes what to tell of the categories of windows; "": nothing.
func ObserveWidth(tooWide string) {
	progress.Lock()
	defer progress.Unlock()
	progress.TooWide = tooWide
}

// Commit is what one ledger row adds.
type Commit struct {
	End                      int64 // of its window, ms
	Silver, Duplicates, Late int64
	Dead                     map[string]int64
	Revenue                  map[string]int64 // micro-units by currency
	SilverFiles              int
}

// ObserveCommit adds a row that was written to the ledger.
func ObserveCommit(c Commit) {
	now := time.Now()
	Lane.WithLabelValues("silver").Add(float64(c.Silver))
	Lane.WithLabelValues("duplicates").Add(float64(c.Duplicates))
	Lane.WithLabelValues("late").Add(float64(c.Late))
	for reason, n := range c.Dead {
		Lane.WithLabelValues("dead_letters").Add(float64(n))
		Dead.WithLabelValues(reason).Add(float64(n))
	}
	progress.Lock()
	defer progress.Unlock()
	progress.Silver += c.Silver
	progress.Duplicates += c.Duplicates
	progress.Late += c.Late
	for reason, n := range c.Dead {
		progress.Dead[reason] += n
	}
	for currency, micros := range c.Revenue {
		AddRevenue(progress.Final, currency, micros)
	}
	if c.SilverFiles > 0 {
		progress.Windows++
		progress.SilverFiles += int64(c.SilverFiles)
		Categories.Set(float64(c.SilverFiles))
	}
	progress.Committed = max(progress.Committed, c.End)
	progress.LastCommit = now
	Committed.Set(float64(progress.Committed) / 1000)
	CommitTime.Set(float64(now.UnixMilli()) / 1000)
}

// ObserveSeal notes that the base windows up to end (ms) are final. Seals come
// in any order.
func ObserveSeal(end int64) {
	progress.Lock()
	defer progress.Unlock()
	progress.Sealed = max(progress.Sealed, end)
	Sealed.Set(float64(progress.Sealed) / 1000)
}

// AddRevenue adds micros to the sum of a currency. What an int64 cannot hold
// stays at its largest value: these sums are for display.
func AddRevenue(to map[string]int64, currency string, micros int64) {
	sum := to[currency] + micros
	if micros > 0 && sum < micros {
		sum = math.MaxInt64
	}
	to[currency] = sum
}

// ObserveGoldDay counts a business day that gold has made.
func ObserveGoldDay() {
	GoldDays.Inc()
	progress.Lock()
	defer progress.Unlock()
	progress.GoldDays++
}
