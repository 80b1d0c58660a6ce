// Package config is the configuration of every shopstream program: one YAML
// file, read strictly, with environment variables over the file and flags over
// both. Each key is declared once, as a field of Config with its default, its
// range, its flag and its description; the file's keys, the environment's
// names, the flags, the checks and the origin of each value follow from that.
//
// Every mistake is one Error that says where the value stands, what was found
// and what is allowed, and all mistakes are reported together. Secrets are
// never values: a key names the file that holds one.
package config

import "time"

// Config holds every setting. A Config that Loader.Load returned is valid.
//
// Struct tags, read once at start-up: yaml (the key), default, help (one line),
// flag (the flag's name, if it has one), min and max (inclusive), oneof (the
// allowed texts, separated by |), check (a named check of check.go). The
// environment's name is SHOPSTREAM_<SECTION>_<KEY>.
type Config struct {
	Kafka    Kafka    `yaml:"kafka" help:"Where events come from."`
	Stream   Stream   `yaml:"stream" help:"How the streaming pipeline cuts time and how much it holds. base_window, out_of_orderness, shards, skew, max_event_bytes and max_amount are stored in a lake: it refuses others."`
	Lake     Lake     `yaml:"lake" help:"Where files go."`
	Gold     Gold     `yaml:"gold" help:"How the lake's events become the tables of gold. time_zone is stored with them: other business days are refused without --rebuild."`
	Forecast Forecast `yaml:"forecast" help:"How demand is forecast from gold."`
	Flink    Flink    `yaml:"flink" help:"How a job runs on a Flink cluster (--runner=flink-cluster)."`
	Metrics  Metrics  `yaml:"metrics" help:"Monitoring."`
	Log      Log      `yaml:"log" help:"Logs, on standard error."`
	Simulate Simulate `yaml:"simulate" help:"The simulated shop."`
}

// Kafka says how to reach a cluster and what to read there.
type Kafka struct {
	Brokers       []string      `yaml:"brokers" flag:"brokers" default:"localhost:9092" check:"brokers" help:"Kafka brokers, host:port"`
	Topic         string        `yaml:"topic" flag:"topic" default:"ecommerce_events" check:"topic" help:"topic of the events"`
	Partitions    int           `yaml:"partitions" flag:"partitions" default:"4" min:"1" max:"1024" help:"partitions of the topic, where a program creates it"`
	TLS           bool          `yaml:"tls" default:"false" help:"encrypt the connection"`
	CAFile        string        `yaml:"ca_file" default:"" help:"PEM file of the brokers' certificate authority (empty: the system's)"`
	SASL          string        `yaml:"sasl" default:"" oneof:"|PLAIN|SCRAM-SHA-256|SCRAM-SHA-512" help:"how to log in (empty: not at all)"`
	User          string        `yaml:"user" default:"" help:"user for sasl"`
	PasswordFile  string        `yaml:"password_file" default:"" help:"file that holds the password for sasl"`
	Group         string        `yaml:"group" flag:"group" default:"shopstream" check:"name" help:"consumer group that offsets are reported to, for lag tools"`
	Start         string        `yaml:"start" flag:"start" default:"ledger" check:"start" help:"where to begin: ledger (where the lake ends), earliest, latest or an RFC 3339 time"`
	IdleAfter     time.Duration `yaml:"idle_after" flag:"idle-after" default:"5s" min:"0s" max:"1h" help:"a partition silent for so long no longer holds up time (0s: it always does)"`
	MaxBatchBytes Size          `yaml:"max_batch_bytes" default:"128MiB" min:"8MiB" max:"1GiB" help:"most that a record batch may decompress to, and largest window of zstd; a larger one is one dead letter"`
	Undecodable   string        `yaml:"undecodable" default:"dead-letter" oneof:"dead-letter|stop" help:"what a record batch is that is damaged or decompresses to too much: one dead letter, or the end of the job (stop)"`
	UnreadyAfter  time.Duration `yaml:"unready_after" default:"30s" min:"1s" max:"1h" help:"a job with a partition whose broker has answered no fetch for so long is not ready"`
}

// StartTime returns the time that Start names; false if it is a word.
func (k Kafka) StartTime() (time.Time, bool) {
	t, err := time.Parse(time.RFC3339, k.Start)
	return t, err == nil
}

// Stream holds the settings of ingestion.
type Stream struct {
	BaseWindow     time.Duration `yaml:"base_window" flag:"base-window" default:"1m" min:"1s" max:"24h" check:"window" help:"event-time window of one set of files"`
	OutOfOrderness time.Duration `yaml:"out_of_orderness" flag:"out-of-orderness" default:"30s" min:"0s" max:"1h" help:"how far behind the newest event one may be and still count as on time"`
	Shards         int           `yaml:"shards" flag:"shards" default:"1" min:"1" max:"64" help:"files per window and category"`
	Skew           time.Duration `yaml:"skew" default:"5m" min:"0s" max:"24h" help:"how far ahead of its Kafka timestamp an event may claim to be"`
	MaxEventBytes  Size          `yaml:"max_event_bytes" default:"1MiB" min:"1KiB" max:"16MiB" help:"longest event; a longer one is a dead letter"`
	MaxAmount      int64         `yaml:"max_amount" default:"1000000000000" min:"1" max:"1000000000000" help:"most that an order line may amount to (unit_price × quantity), in units of its currency; one of more is a dead letter"`
	MaxDeadShare   float64       `yaml:"max_dead_share" flag:"max-dead-share" default:"0.05" min:"0" max:"1" help:"share of dead letters, from 10 on, above which there is a warning, and a bounded run ends with exit code 4 (1: never)"`
	MaxLateShare   float64       `yaml:"max_late_share" flag:"max-late-share" default:"0.05" min:"0" max:"1" help:"share of late events among the valid ones, from 10 on, above which there is a warning (1: never)"`
	MaxCategories  int           `yaml:"max_categories" default:"5000" min:"0" max:"1000000000" help:"categories of a base window, each with files of its own, above which there is a warning (0: never)"`
	Bundle         time.Duration `yaml:"bundle" default:"250ms" min:"10ms" max:"10s" help:"longest time that a bundle is collected"`
	BundleRecords  int           `yaml:"bundle_records" default:"32768" min:"1" max:"1000000" help:"most records in a bundle"`
	Budget         Size          `yaml:"budget" flag:"budget" default:"256MiB" min:"1MiB" max:"1TiB" help:"bytes read and not yet committed at which reading pauses"`
	Align          time.Duration `yaml:"align" default:"1m" min:"1s" max:"24h" help:"how far in event time a partition may be ahead of the slowest"`
	Restarts       int           `yaml:"restarts" flag:"restarts" default:"10" min:"0" max:"1000000" help:"how often in a row, with nothing getting final, a job that lost its storage or Kafka is started again"`
}

// Lake says where the files are.
type Lake struct {
	URI string `yaml:"uri" flag:"lake" default:"" check:"lake" help:"a folder, file:///folder or gs://bucket/prefix"`
}

// Gold holds the settings of gold's tables.
type Gold struct {
	TimeZone  string `yaml:"time_zone" flag:"time-zone" default:"UTC" check:"zone" help:"time zone of the shop's business days, such as Europe/London"`
	History   string `yaml:"history" flag:"history" default:"" help:"file of past daily sales to import, CSV or Parquet; the lake keeps it (empty: what it keeps)"`
	Quality   string `yaml:"quality" flag:"quality" default:"" help:"folder of own quality rules, TABLE/quality.yaml, in place of the built-in ones of those tables (empty: none)"`
	Catalogue string `yaml:"catalogue" flag:"catalogue" default:"" help:"file of the shop's products, CSV or Parquet: names and categories, above those of events; the lake keeps it (empty: what it keeps)"`
}

// Forecast holds the settings of forecasts.
type Forecast struct {
	Currency string   `yaml:"currency" flag:"currency" default:"" help:"currency of revenue (empty: that with the largest revenue)"`
	Country  string   `yaml:"country" flag:"country" default:"" oneof:"|AT|CA|DE|ES|FR|GB|IE|IT|NL|US" help:"whose public holidays count: AT, CA, DE, ES, FR, GB, IE, IT, NL or US (empty: none)"`
	Closed   []string `yaml:"closed" flag:"closed" default:"" check:"days" help:"days on which the shop is closed, such as 2026-12-28"`
	Horizon  int      `yaml:"horizon" flag:"horizon" default:"7" min:"1" max:"28" help:"days to forecast"`
	MaxAge   int      `yaml:"max_age" flag:"max-model-age" default:"60" min:"0" max:"3650" help:"days after which a model is stale, and a simpler forecast stands in (0: never)"`
}

// Flink holds the settings of a job on a Flink cluster.
type Flink struct {
	Parallelism   int           `yaml:"parallelism" flag:"flink-parallelism" default:"1" min:"1" max:"1024" help:"task slots to use; partitions are read in as many groups, each of which needs a partition with events"`
	Checkpoint    time.Duration `yaml:"checkpoint" flag:"flink-checkpoint" default:"5s" min:"100ms" max:"1h" help:"time between checkpoints: what a failure makes the job read again"`
	CheckpointDir string        `yaml:"checkpoint_dir" flag:"flink-checkpoint-dir" default:"" help:"where checkpoints are kept, a URI that the cluster can write (empty: the cluster's setting); needed with state_backend"`
	StateBackend  string        `yaml:"state_backend" flag:"flink-state-backend" default:"" oneof:"|hashmap|rocksdb" help:"where the state between checkpoints is held: hashmap or rocksdb (empty: the cluster's setting); needed with checkpoint_dir"`
	Savepoint     string        `yaml:"savepoint" flag:"flink-savepoint" default:"" help:"savepoint or retained checkpoint to resume from (empty: a new job on a new lake)"`
	MaxBundle     time.Duration `yaml:"max_bundle" flag:"flink-max-bundle" default:"200ms" min:"10ms" max:"10s" help:"longest bundle: how often the source is asked"`
}

// Metrics says where monitoring is served.
type Metrics struct {
	Listen    string `yaml:"listen" flag:"metrics-listen" default:"127.0.0.1:0" check:"listen" help:"address of /metrics, /healthz and /readyz (port 0: any free one, empty: off)"`
	TokenFile string `yaml:"token_file" default:"" help:"file of bearer tokens, one a line, that open /metrics; an address that other machines reach needs it (empty: none)"`
}

// Log says how much is logged, and in which form.
type Log struct {
	Level  string `yaml:"level" flag:"log-level" default:"info" oneof:"debug|info|warn|error" help:"least level that is logged: debug, info, warn or error"`
	Format string `yaml:"format" flag:"log-format" default:"auto" oneof:"auto|text|json" help:"text, json, or auto: text on a terminal, else json"`
}

// Simulate holds the settings of the simulated shop. Shares are of 1.
type Simulate struct {
	Rate       float64       `yaml:"rate" flag:"rate" default:"2000" min:"0" max:"10000000" help:"events a second (0: as fast as possible)"`
	Seed       int64         `yaml:"seed" flag:"seed" default:"1" min:"-9223372036854775808" max:"9223372036854775807" help:"the same seed gives the same events"`
	Speedup    float64       `yaml:"speedup" flag:"speedup" default:"1" min:"0.001" max:"1000000" help:"how much faster than the clock event time passes"`
	Duplicates float64       `yaml:"duplicates" flag:"duplicates" default:"0.02" min:"0" max:"0.5" help:"share of events sent twice"`
	Invalid    float64       `yaml:"invalid" flag:"invalid" default:"0.01" min:"0" max:"0.5" help:"share of broken events"`
	Late       float64       `yaml:"late" flag:"late" default:"0.001" min:"0" max:"0.5" help:"share of events that are an hour late or more"`
	OutOfOrder float64       `yaml:"out_of_order" flag:"out-of-order" default:"0.1" min:"0" max:"1" help:"share of events out of order"`
	MaxDelay   time.Duration `yaml:"max_delay" flag:"max-delay" default:"25s" min:"0s" max:"1h" help:"most that an event is out of order; not given: 5/6 of stream.out_of_orderness"`
}

// Default returns the configuration of a program that is given none.
func Default() Config {
	var cfg Config
	for _, f := range fields {
		mustSet(f, &cfg, f.def)
	}
	return cfg
}
