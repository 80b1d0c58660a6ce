package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/IBM/sarama"
	"github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/broker"
	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/producer"
)

const topic = "ecommerce_events"

// shelf is a topic and a data folder that files are replayed into.
type shelf struct {
	t       *testing.T
	cluster kafkaio.Cluster
	set     settings
	told    strings.Builder
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	b, err := broker.Start(broker.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	s := &shelf{t: t, cluster: kafkaio.Cluster{Brokers: b.Addrs()}, set: settings{data: t.TempDir(), kind: producer.Events}}
	if _, err := kafkaio.EnsureTopic(t.Context(), s.cluster, topic, 3); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *shelf) open(text string) (*replay, error) {
	s.t.Helper()
	s.set.source = filepath.Join(s.t.TempDir(), "f.jsonl")
	if err := os.WriteFile(s.set.source, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.told.Reset()
	return newReplay(s.t.Context(), &s.told, s.cluster, topic, 3, s.set, 30*time.Second)
}

func (s *shelf) send(text string) {
	s.t.Helper()
	r, err := s.open(text)
	if err != nil {
		s.t.Fatal(err)
	}
	records, err := r.send(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	ends, err := kafkaio.Ends(s.cluster, topic)
	if err != nil {
		s.t.Fatal(err)
	}
	var have int64
	for _, end := range ends {
		have += end
	}
	if records != have {
		s.t.Errorf("it says the topic has %d records, it has %d", records, have)
	}
}

// cut sends a file up to a record, as if the program was killed there.
func (s *shelf) cut(text string, records int64) {
	s.t.Helper()
	r, err := s.open(text)
	if err != nil {
		s.t.Fatal(err)
	}
	p := r.next.sent
	p.File, p.Format, p.Content, p.End = "f.jsonl", producer.Events, r.next.file.Content, nil
	if !r.next.resumed {
		r.journal.Sent = append(r.journal.Sent, p)
	}
	if err := r.journal.write(); err != nil {
		s.t.Fatal(err)
	}
	src, err := r.next.file.Replay(producer.ReplayOptions{Partitions: 3})
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := producer.Deliver(s.t.Context(), s.cluster, topic, src, producer.DeliverOptions{SkipExisting: true, SkipFrom: p.Start, Limit: records}); err != nil {
		s.t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		s.t.Fatal(err)
	}
}

// topicText is what the topic holds, by partition.
func (s *shelf) topicText() map[int32]string {
	s.t.Helper()
	out := map[int32]string{}
	_, err := producer.Consume(s.t.Context(), s.cluster, topic, producer.ConsumeOptions{UntilEnd: true}, func(m *sarama.ConsumerMessage) error {
		out[m.Partition] += string(m.Value) + "\n"
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

func eventsOf(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		at := time.Date(2026, 3, 1, 10, i, 0, 0, time.UTC)
		fmt.Fprintf(&b, `{"user_id":"u%d","event_time":%q}`+"\n", i%50, at.Format(time.RFC3339))
	}
	return b.String()
}

func reversed(text string) string {
	lines := slices.Collect(strings.Lines(text))
	slices.Reverse(lines)
	return strings.Join(lines, "")
}

// TestReplayIsResumed: whatever was sent when a run was killed, and whether the
// file has grown since, the topic gets what it would have got.
func TestReplayIsResumed(t *testing.T) {
	for name, order := range map[string]func(string) string{"in order": func(s string) string { return s }, "newest first": reversed} {
		t.Run(name, func(t *testing.T) {
			first, second := order(eventsOf(0, 200)), order(eventsOf(200, 400))
			once := newShelf(t)
			once.send(first)
			once.send(first + second)
			want := once.topicText()
			for _, at := range []int64{1, 90, 199, 200} {
				s := newShelf(t)
				s.cut(first, at)
				s.cut(first, at+30)
				s.send(first + second) // first the rest of what it was
				if diff := cmp.Diff(want, s.topicText()); diff != "" {
					t.Errorf("cut at %d (-in one go +got):\n%s", at, diff)
				}
				s = newShelf(t)
				s.send(first)
				s.cut(first+second, at)
				if r, err := s.open(second); err == nil {
					t.Errorf("cut at %d: another file is taken: %+v", at, r.next.sent)
				} else if !strings.Contains(err.Error(), "was not sent to its end") {
					t.Error(err)
				}
				s.send(first + second)
				s.send(first + second)
				if diff := cmp.Diff(want, s.topicText()); diff != "" {
					t.Errorf("grown, cut at %d (-in one go +got):\n%s", at, diff)
				}
				if !strings.Contains(s.told.String(), "there is nothing to add") {
					t.Errorf("the same file once more: %s", s.told.String())
				}
			}
		})
	}
}

// TestFilesAreAdded: several files come one behind the other, each once.
func TestFilesAreAdded(t *testing.T) {
	s := newShelf(t)
	want := map[int32]string{}
	for _, text := range []string{eventsOf(0, 40), eventsOf(40, 60), eventsOf(20, 50), eventsOf(0, 40), "", eventsOf(40, 60)} {
		before := maps.Clone(want)
		s.send(text)
		want = s.topicText()
		for p, was := range before {
			if !strings.HasPrefix(want[p], was) {
				t.Errorf("partition %d has changed", p)
			}
		}
	}
	all := ""
	for _, text := range want {
		all += text
	}
	if diff := cmp.Diff(sorted(eventsOf(0, 60)+eventsOf(20, 50)), sorted(all)); diff != "" {
		t.Errorf("(-files +topic):\n%s", diff)
	}
	deliver(t, s, eventsOf(0, 1))
	if _, err := s.open(eventsOf(60, 61)); err == nil || !strings.Contains(err.Error(), "something else has written to it") {
		t.Errorf("somebody else wrote to the topic: %v", err)
	}
}

func sorted(text string) []string { return slices.Sorted(strings.Lines(text)) }

// deliver sends records without the journal.
func deliver(t *testing.T, s *shelf, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := producer.Open(path, producer.ReplayOptions{Partitions: 3, Format: producer.Events})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(t.Context(), s.cluster, topic, src, producer.DeliverOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestTopicOfAnEarlierVersion has records and no journal: the same file goes on
// with it in its own order, another one is refused.
func TestTopicOfAnEarlierVersion(t *testing.T) {
	text := reversed(eventsOf(0, 100))
	s := newShelf(t)
	path := filepath.Join(t.TempDir(), "old.jsonl")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := producer.Inspect(context.Background(), path, producer.InspectOptions{Format: producer.Events})
	if err != nil {
		t.Fatal(err)
	}
	src, err := f.Replay(producer.ReplayOptions{Partitions: 3, Legacy: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := producer.Deliver(t.Context(), s.cluster, topic, src, producer.DeliverOptions{Limit: 60}); err != nil {
		t.Fatal(err)
	}
	r, err := s.open(eventsOf(0, 100))
	if err == nil {
		_, err = r.send(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "Use another folder with --data") {
		t.Errorf("another file is taken: %v", err)
	}
	s.send(text)
	s.send(text + eventsOf(100, 120))
	all := ""
	for _, part := range s.topicText() {
		all += part
	}
	if diff := cmp.Diff(sorted(eventsOf(0, 120)), sorted(all)); diff != "" {
		t.Errorf("(-files +topic):\n%s", diff)
	}
}
