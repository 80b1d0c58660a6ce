//go:build unix

package cmdtest

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/producer"
)

// wantMistake wants an exit code and exactly one line on standard error.
func wantMistake(t *testing.T, r result, code int, line string) {
	t.Helper()
	if diff := cmp.Diff(line+"\n", r.stderr); diff != "" || r.code != code {
		t.Errorf("exit code %d, want %d; standard error (-want +got):\n%s", r.code, code, diff)
	}
}

// TestSettingsMistakes: what is wrong before anything is started. Each is
// tried in an empty folder.
func TestSettingsMistakes(t *testing.T) {
	unknownKey := writeFile(t, "bad.yaml", []byte("kafka:\n  topik: x\n"))
	text := writeFile(t, "orders.txt", []byte("hello\n"))
	noGzip := writeFile(t, "orders.csv.gz", []byte("\x1f\x8bnot really gzip at all"))
	const formats = "[online-retail otto events]"
	for _, tc := range []struct {
		program string
		args    []string
		code    int
		want    string
	}{
		{"streaming", nil, 2, "default: lake.uri: found nothing; allowed: a folder, file:///folder or gs://bucket/prefix; set lake.uri in config.yaml, or SHOPSTREAM_LAKE_URI, or --lake"},
		{"streaming", []string{"--lake=l", "--brokers=nowhere"}, 2, `flag --brokers: kafka.brokers: found "nowhere"; allowed: a list of host:port, at least one, such as localhost:9092`},
		{"streaming", []string{"--lake=l", "--base-window=7s"}, 2, `flag --base-window: stream.base_window: found "7s"; allowed: a duration from 1s that divides 5m (10s, 1m, 5m), or a multiple of 5m that divides 24h (15m, 1h, 24h)`},
		{"streaming", []string{"--lake=ftp://x"}, 2, `flag --lake: lake.uri: found "ftp://x"; allowed: a folder, file:///folder or gs://bucket/prefix`},
		{"streaming", []string{"--config=" + unknownKey}, 2, unknownKey + ":2:3: kafka.topik: found an unknown key; allowed: the keys of kafka: brokers, topic, partitions, tls, ca_file, sasl, user, password_file, group, start, idle_after, max_batch_bytes, undecodable, unready_after (did you mean topic?)"},
		{"streaming", []string{"--config=none.yaml"}, 2, "config: open none.yaml: no such file or directory; --config must name a file that can be read"},
		{"streaming", []string{"--lake=l", "--runner=direct"}, 2, "streaming: the direct runner ends only when its input does: add --bounded, or use --runner=prism"},
		{"streaming", []string{"--lake=l", "--runner=PrismRunner"}, 2, "streaming: --runner=PrismRunner: expected one of prism, direct, flink-cluster, universal, dataflow"},
		{"streaming", []string{"--loud"}, 2, "streaming: flag provided but not defined: -loud: see --help"},
		{"streaming", []string{"--bounded=perhaps"}, 2, `streaming: invalid boolean value "perhaps" for -bounded: parse error: see --help`},
		{"streaming", []string{"now"}, 2, `streaming: unexpected argument "now": see --help`},

		{"local", []string{"--config=" + unknownKey}, 2, unknownKey + ":2:3: kafka.topik: found an unknown key; allowed: the keys of kafka: brokers, topic, partitions, tls, ca_file, sasl, user, password_file, group, start, idle_after, max_batch_bytes, undecodable, unready_after (did you mean topic?)"},
		{"local", []string{"--duration=soon"}, 2, `local: invalid value "soon" for flag -duration: parse error: see --help`},
		{"local", []string{"--duration=-3s"}, 2, "local: --duration is -3s: expected 0 (until Ctrl-C) or more"},
		{"local", []string{"--rate=fast"}, 2, `flag --rate: simulate.rate: found "fast"; allowed: a number from 0 to 10000000`},
		{"local", []string{"--rate=0"}, 2, "local: simulate.rate: the live shop needs a rate above 0, in events a second"},
		{"local", []string{"--source=none.csv"}, 2, "local: replay: open none.csv: no such file or directory"},
		{"local", []string{"--source=" + text}, 2, "local: replay: cannot tell what " + text + ` holds: its first line is neither Online Retail's CSV header (InvoiceNo,…) nor a JSON object, but "hello": name the format (one of ` + formats + ")"},
		{"local", []string{"--source=" + text, "--format=xml"}, 2, `local: unknown format "xml": expected auto or one of ` + formats},
		{"local", []string{"--source=" + noGzip}, 2, "local: replay: " + noGzip + " looks like gzip, but: gzip: invalid header"},

		{"producer", []string{"replay", "none.csv"}, 2, "producer: replay: open none.csv: no such file or directory"},
		{"producer", []string{"replay", noGzip}, 2, "producer: replay: " + noGzip + " looks like gzip, but: gzip: invalid header"},
		{"producer", []string{"simulate", "--start=noon"}, 2, `producer: --start "noon": expected a time such as 2026-03-01T00:00:00Z`},
		{"producer", []string{"simulate", "now"}, 2, `producer: unknown command "now" for "producer simulate"`},
		{"producer", []string{"simulate", "--loud"}, 2, "producer: unknown flag: --loud"},
		{"producer", []string{"deliver"}, 2, `producer: unknown command "deliver" for "producer"`},
		{"producer", []string{"simulate", "--rate=-1"}, 2, `producer: flag --rate: simulate.rate: found "-1"; allowed: a number from 0 to 10000000`},
		{"producer", []string{"simulate", "--config=" + unknownKey}, 2, "producer: " + unknownKey + ":2:3: kafka.topik: found an unknown key; allowed: the keys of kafka: brokers, topic, partitions, tls, ca_file, sasl, user, password_file, group, start, idle_after, max_batch_bytes, undecodable, unready_after (did you mean topic?)"},
	} {
		t.Run(tc.program+" "+strings.Join(tc.args, " "), func(t *testing.T) {
			wantMistake(t, run(t, program(t, tc.program, tc.args...)), tc.code, tc.want)
		})
	}
}

// TestDamagedSource: a file that ends too soon is found before anything of it
// is sent.
func TestDamagedSource(t *testing.T) {
	var whole bytes.Buffer
	w := gzip.NewWriter(&whole)
	fmt.Fprint(w, "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n")
	for i := range 5000 {
		fmt.Fprintf(w, "%d,85123A,LIGHT %d,6,2010-12-01 08:26:00,2.55,17850,United Kingdom\n", 536365+i, i*i)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	file := writeFile(t, "cut.csv.gz", whole.Bytes()[:whole.Len()/2])
	wantMistake(t, run(t, program(t, "local", "--source="+file)), 1, "local: replay: "+file+": broken CSV: unexpected EOF")
}

// TestNoBroker: nobody listens on a port that was just free.
func TestNoBroker(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := ": no broker answers at " + addr + ": start one, or name yours with --brokers (kafka: client has run out of available brokers to talk to: dial tcp " + addr + ": connect: connection refused)"
	wantMistake(t, run(t, program(t, "streaming", "--lake=l", "--brokers="+addr)), 1, "streaming"+want)
	wantMistake(t, run(t, program(t, "local", "--brokers="+addr)), 1, "local"+want)
	wantMistake(t, run(t, program(t, "producer", "simulate", "--brokers="+addr)), 1, "producer"+want)
	wantMistake(t, run(t, program(t, "producer", "consume", "--brokers="+addr)), 1, "producer"+want)
}

func TestNoTopic(t *testing.T) {
	wantMistake(t, run(t, program(t, "streaming", "--lake=l", "--topic=nothing", brokers(startBroker(t, 0)))), 1,
		`streaming: there is no topic "nothing": name yours with --topic, or make it by sending events to it ("producer simulate" or "producer replay" do)`)
}

// shopTopic is a broker with a few events.
func shopTopic(t *testing.T) string {
	t.Helper()
	cluster := startBroker(t, 2)
	deliver(t, cluster, simulator(t, producer.SimulateOptions{
		Seed: 1, Start: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Partitions: 2, Density: 100, Count: 20_000, Duplicates: 0.01,
	}), producer.DeliverOptions{})
	return brokers(cluster)
}

func TestLakeMistakes(t *testing.T) {
	topic := shopTopic(t)
	streaming := func(args ...string) []string {
		return append(args, topic, "--bounded", "--log-level=warn")
	}

	t.Run("a file", func(t *testing.T) {
		file := writeFile(t, "lake", []byte("a file\n"))
		want := ": lake " + file + ": expected a folder, found a file: name another folder or move the file away"
		wantMistake(t, run(t, program(t, "streaming", streaming("--lake="+file)...)), 1, "streaming"+want)
		wantMistake(t, run(t, program(t, "local", "--lake="+file, "--duration=1s")), 1, "local"+want)
	})
	t.Run("other settings", func(t *testing.T) {
		lake := filepath.Join(t.TempDir(), "lake")
		must(t, "streaming", streaming("--lake="+lake)...)
		wantMistake(t, run(t, program(t, "streaming", streaming("--lake="+lake, "--base-window=5m", "--shards=2")...)), 1,
			"streaming: the lake "+lake+" was made with other settings: base_window (ms) is 60000, asked for 300000; shards is 1, asked for 2. Use those, or another lake")
	})
	t.Run("no permission", func(t *testing.T) {
		dir := t.TempDir()
		lake := filepath.Join(dir, "lake")
		if err := os.Mkdir(lake, 0o555); err != nil {
			t.Fatal(err)
		}
		cmd := program(t, "streaming", streaming("--lake="+lake)...)
		asNobody(t, cmd, dir)
		wantMistake(t, run(t, cmd), 1,
			"streaming: lake "+lake+": lock .lock: permission denied: give this user the right to read and write the folder, or name another folder")
	})
	t.Run("full disk", func(t *testing.T) {
		disk := smallDisk(t)
		r := run(t, program(t, "streaming", streaming("--lake="+filepath.Join(disk, "lake"))...))
		// Which file comes first to find no space is chance.
		before, after := "streaming: lake "+disk+"/lake: put ", ": no space left on device: free some space or put the lake on another disk\n"
		if r.code != 1 || !strings.HasPrefix(r.stderr, before) || !strings.HasSuffix(r.stderr, after) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("exit code %d, want 1 and one line %s…%sgot\n%s", r.code, before, after, r.stderr)
		}
	})
}

// TestDataFolderMistakes is about the folder of the embedded broker's log.
func TestDataFolderMistakes(t *testing.T) {
	t.Run("in use by another process", func(t *testing.T) {
		dir := t.TempDir()
		b, err := broker.Start(broker.Options{Dir: filepath.Join(dir, "broker")})
		if err != nil {
			t.Fatal(err)
		}
		wantMistake(t, run(t, program(t, "local", "--data="+dir)), 1,
			fmt.Sprintf("local: embedded broker: data folder %s/broker is in use by process %d: stop that one, or choose another folder", dir, os.Getpid()))
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("a file", func(t *testing.T) {
		file := writeFile(t, "data", []byte("a file\n"))
		wantMistake(t, run(t, program(t, "local", "--data="+file)), 1, "local: embedded broker: cannot make its data folder: mkdir "+file+": not a directory: choose another folder")
	})
	t.Run("no permission", func(t *testing.T) {
		dir := t.TempDir()
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		cmd := program(t, "local", "--data="+filepath.Join(locked, "data"))
		asNobody(t, cmd, dir)
		wantMistake(t, run(t, cmd), 1, "local: embedded broker: cannot make its data folder: mkdir "+locked+"/data: permission denied: choose another folder")
	})
	t.Run("full disk", func(t *testing.T) {
		disk := smallDisk(t)
		r := run(t, program(t, "local", "--data="+disk, "--rate=200000", "--duration=20s"))
		if r.code != 1 || !strings.Contains(r.stderr, "no space left on device: free some space or choose another data folder") {
			t.Errorf("exit code %d, want 1 and a line that names the cause:\n%s", r.code, r.stderr)
		}
	})
}
