package producer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/kafkaio"
)

func consumed(t *testing.T, c kafkaio.Cluster, o ConsumeOptions) map[int32][]string {
	t.Helper()
	out := map[int32][]string{}
	_, err := Consume(t.Context(), c, testTopic, o, func(m *sarama.ConsumerMessage) error {
		out[m.Partition] = append(out[m.Partition], string(m.Value))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func deliver(t *testing.T, c kafkaio.Cluster, src Source) {
	t.Helper()
	if _, err := Deliver(t.Context(), c, testTopic, src, DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestConsumeFromPlaces(t *testing.T) {
	c := cluster(t, 3)
	deliver(t, c, &numbers{n: 8, partitions: 2}) // partition 2 stays empty
	time.Sleep(50 * time.Millisecond)
	between := time.Now().UTC()
	time.Sleep(50 * time.Millisecond)
	deliver(t, c, &fixed{recs: []Record{{Partition: 1, Value: []byte("late")}}})

	all := map[int32][]string{0: {"v0", "v2", "v4", "v6"}, 1: {"v1", "v3", "v5", "v7", "late"}}
	for _, tc := range []struct {
		from       string
		partitions []int32
		want       map[int32][]string
	}{
		{from: "earliest", want: all},
		{from: "", want: all},
		{from: "latest", want: map[int32][]string{}},
		{from: "3", want: map[int32][]string{0: {"v6"}, 1: {"v7", "late"}}},
		{from: "99", want: map[int32][]string{}},
		{from: between.Format(time.RFC3339Nano), want: map[int32][]string{1: {"late"}}},
		{from: "2099-01-01T00:00:00Z", want: map[int32][]string{}},
		{from: "earliest", partitions: []int32{0}, want: map[int32][]string{0: all[0]}},
	} {
		t.Run(tc.from, func(t *testing.T) {
			from, err := ParseStart(tc.from)
			if err != nil {
				t.Fatal(err)
			}
			got := consumed(t, c, ConsumeOptions{From: from, Partitions: tc.partitions, UntilEnd: true})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConsumeEnds(t *testing.T) {
	c := cluster(t, 2)
	deliver(t, c, &numbers{n: 1000, partitions: 2})

	t.Run("after max", func(t *testing.T) {
		n := 0
		stats, err := Consume(t.Context(), c, testTopic, ConsumeOptions{
			Max: 5, Match: func(m *sarama.ConsumerMessage) bool { return m.Offset%10 == 0 },
		}, func(*sarama.ConsumerMessage) error { n++; return nil })
		if err != nil || n != 5 || stats.Matched != 5 {
			t.Errorf("got %d records, %+v, %v, want 5", n, stats, err)
		}
	})
	t.Run("with the context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		stats, err := Consume(ctx, c, testTopic, ConsumeOptions{}, func(m *sarama.ConsumerMessage) error {
			if m.Offset == 499 {
				cancel()
			}
			return nil
		})
		if err != nil || stats.Read < 500 {
			t.Errorf("got %+v, %v", stats, err)
		}
	})
	t.Run("with the callback's error", func(t *testing.T) {
		boom := errors.New("boom")
		_, err := Consume(t.Context(), c, testTopic, ConsumeOptions{}, func(*sarama.ConsumerMessage) error { return boom })
		if !errors.Is(err, boom) {
			t.Errorf("got %v, want %v", err, boom)
		}
	})
}

func TestConsumeErrors(t *testing.T) {
	c := cluster(t, 2)
	for _, tc := range []struct {
		name, topic string
		cluster     kafkaio.Cluster
		opts        ConsumeOptions
		want        string
	}{
		{name: "no broker", topic: testTopic, cluster: kafkaio.Cluster{Brokers: []string{"127.0.0.1:1"}}, want: "no broker answers at 127.0.0.1:1"},
		{name: "no topic", topic: "nowhere", cluster: c, want: `topic "nowhere"`},
		{name: "no partition", topic: testTopic, cluster: c, opts: ConsumeOptions{Partitions: []int32{2}}, want: "no partition 2: it has 2, from 0 on"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.opts.UntilEnd = true
			_, err := Consume(t.Context(), tc.cluster, tc.topic, tc.opts, func(*sarama.ConsumerMessage) error { return nil })
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
	for _, s := range []string{"yesterday", "-3", "2026-03-01"} {
		if _, err := ParseStart(s); err == nil || !strings.Contains(err.Error(), "expected earliest, latest, an offset") {
			t.Errorf("start %q: got %v", s, err)
		}
	}
}

func TestFilter(t *testing.T) {
	m := &sarama.ConsumerMessage{Key: []byte("U1"), Value: []byte(`{"event_type":"order_created","quantity":2,"unit_price":12.50,"user_id":null}`)}
	for _, tc := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true},
		{Filter{Key: "U1"}, true},
		{Filter{Key: "U"}, false},
		{Filter{Fields: map[string]string{"event_type": "order_created", "quantity": "2"}}, true},
		{Filter{Fields: map[string]string{"unit_price": "12.50"}}, true},
		{Filter{Fields: map[string]string{"user_id": "null"}}, true},
		{Filter{Fields: map[string]string{"user_id": ""}}, false},
		{Filter{Fields: map[string]string{"session_id": ""}}, false},
		{Filter{Key: "U1", Fields: map[string]string{"quantity": "3"}}, false},
	} {
		if got := tc.f.Match(m); got != tc.want {
			t.Errorf("%+v: got %t", tc.f, got)
		}
	}
	broken := &sarama.ConsumerMessage{Value: []byte("{")}
	if (Filter{Fields: map[string]string{"a": "b"}}).Match(broken) {
		t.Error("a broken record matches a field")
	}
	if _, err := ParseFields([]string{"a=b=c", "x"}); err == nil || !strings.Contains(err.Error(), `match "x": expected field=value`) {
		t.Errorf("got %v", err)
	}
}

func TestPrinters(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	order := `{"event_type":"order_created","event_time":"2026-03-01T09:59:59.000Z","product_id":"P1","quantity":2,"unit_price":"12.5","currency":"EUR"}`
	for _, tc := range []struct {
		format     string
		key, value []byte
		want       string
	}{
		{"raw", nil, []byte("abc"), "abc\n"},
		{"json", []byte("k"), []byte(`{"a":"<"}`), `{"partition":1,"offset":7,"timestamp":"2026-03-01T10:00:00Z","key":"k","value":{"a":"<"}}` + "\n"},
		{"json", nil, nil, `{"partition":1,"offset":7,"timestamp":"2026-03-01T10:00:00Z","key":null,"value":null}` + "\n"},
		{"json", nil, []byte(`{"a`), `{"partition":1,"offset":7,"timestamp":"2026-03-01T10:00:00Z","key":null,"value_text":"{\"a"}` + "\n"},
		{"json", nil, []byte{0xff}, `{"partition":1,"offset":7,"timestamp":"2026-03-01T10:00:00Z","key":null,"value_base64":"/w=="}` + "\n"},
		{"table", []byte("U1"), []byte(order), "   1          7  2026-03-01T09:59:59.000Z  order_created    P1                  2    12.5 EUR  U1\n"},
		{"table", nil, []byte{0xff}, "   1          7  no event: \"\\xff\"\n"},
		{"table", nil, nil, "   1          7  no event: \"\"\n"},
	} {
		print, err := ParsePrinter(tc.format, false)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := print(&b, &sarama.ConsumerMessage{Partition: 1, Offset: 7, Timestamp: at, Key: tc.key, Value: tc.value}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, b.String()); diff != "" {
			t.Errorf("%s of %q (-want +got):\n%s", tc.format, tc.value, diff)
		}
	}
	if _, err := ParsePrinter("xml", false); err == nil || fmt.Sprint(err) != `format "xml": expected json, raw or table` {
		t.Errorf("got %v", err)
	}
}
