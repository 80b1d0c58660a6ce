package pipelines

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/config"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/telemetry"
)

// An outage of the only broker is told by /readyz and by the lag, which is
// unknown then; when the broker is back, so are they.
func TestMonitorTellsOfAnOutage(t *testing.T) {
	dir := t.TempDir()
	b, err := broker.Start(broker.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	cluster := kafkaio.Cluster{Brokers: b.Addrs()}
	if _, err := kafkaio.EnsureTopic(t.Context(), cluster, topic, 2); err != nil {
		t.Fatal(err)
	}
	o := options(cluster, t.TempDir())
	o.Source.Bounded, o.Source.ID = false, "outage"
	if err := o.For(Prism); err != nil {
		t.Fatal(err)
	}
	if err := o.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	url, err := ServeMetrics(ctx, config.Metrics{Listen: "127.0.0.1:0"}, o.Source, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, _, err := o.Run(ctx, Prism)
		ended <- err
	}()
	defer func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("the job ended with %v", err)
		}
	}()
	const lag = `shopstream_kafka_lag_records{partition="0"}`
	becomes := func(what string, status int, says []string, lagKnown bool) {
		t.Helper()
		var last string
		for start := time.Now(); time.Since(start) < time.Minute; time.Sleep(50 * time.Millisecond) {
			got, text := httpGet(t, strings.Replace(url, "/metrics", "/readyz", 1))
			_, metrics := httpGet(t, url)
			last = strconv.Itoa(got) + " " + text
			if got == status && containsAll(text, says) && strings.Contains(metrics, "\n"+lag) == lagKnown {
				return
			}
		}
		t.Fatalf("%s: /readyz never says %d and %q with a lag that is known: %t; its last answer: %s", what, status, says, lagKnown, last)
	}
	becomes("running", http.StatusOK, []string{"ok\n"}, true)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	becomes("broker gone", http.StatusServiceUnavailable, []string{"not ready\nkafka: partition ", ": no fetch was answered for ", cluster.Brokers[0], "2 of 2 partitions"}, false)
	_, port, err := net.SplitHostPort(cluster.Brokers[0])
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = broker.Start(broker.Options{Dir: dir, Port: n}); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	becomes("broker back", http.StatusOK, []string{"ok\n"}, true)
}

func containsAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

func httpGet(t testing.TB, url string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestMonitorConditions(t *testing.T) {
	t.Parallel()
	m := monitor{topic: "shop", unready: 30 * time.Second}
	silent := func(p int32, age time.Duration, problem error) kafkaio.PartitionStatus {
		return kafkaio.PartitionStatus{Partition: p, Silent: age, Problem: problem}
	}
	for _, c := range []struct {
		partitions []kafkaio.PartitionStatus
		want       telemetry.Condition
	}{
		{[]kafkaio.PartitionStatus{silent(0, 0, nil), silent(1, 29*time.Second, sarama.ErrOutOfBrokers)}, telemetry.Condition{Name: "kafka", OK: true}},
		{[]kafkaio.PartitionStatus{silent(0, 0, nil), silent(3, 31*time.Second, nil)}, telemetry.Condition{Name: "kafka", Detail: "partition 3: no fetch was answered for 31s"}},
		{
			[]kafkaio.PartitionStatus{silent(0, 40*time.Second, nil), silent(3, 50*time.Second, errors.New("no leader")), silent(4, 0, nil)},
			telemetry.Condition{Name: "kafka", Detail: "partition 3: no fetch was answered for 50s: no leader; 2 of 3 partitions are without answers"},
		},
	} {
		if got := m.fetches(kafkaio.Status{Partitions: c.partitions}); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	for _, c := range []struct {
		lag  int64
		age  time.Duration
		want string
	}{{0, time.Hour, ""}, {5, time.Minute, ""}, {5, 10 * time.Minute, "5 records behind and nothing committed for 10m0s"}, {kafkaio.UnknownLag, time.Hour, ""}} {
		if got := m.commits(c.lag, c.age); got.Detail != c.want || got.OK != (c.want == "") {
			t.Errorf("lag %d, age %s: %+v", c.lag, c.age, got)
		}
	}
}
