//go:build unix

package cmdtest

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/IBM/sarama"

	"example.com/shopstream/internal/kafkaio"
)

// send sends values to the topic.
func send(t *testing.T, c kafkaio.Cluster, values ...string) {
	t.Helper()
	cfg := sarama.NewConfig()
	cfg.Producer.Return.Successes = true
	p, err := sarama.NewSyncProducer(c.Brokers, cfg)
	if err != nil {
		t.Fatal(err)
	}
	var messages []*sarama.ProducerMessage
	for _, v := range values {
		messages = append(messages, &sarama.ProducerMessage{Topic: topic, Value: sarama.StringEncoder(v)})
	}
	if err := errors.Join(p.SendMessages(messages), p.Close()); err != nil {
		t.Fatal(err)
	}
}

func views(n int) (values []string) {
	for i := range n {
		values = append(values, fmt.Sprintf(
			`{"schema_version":1,"event_id":"00000000-0000-4000-8000-%012d","event_type":"product_viewed","event_time":"2026-03-01T10:%02d:00Z","product_id":"p"}`, i, i%60))
	}
	return values
}

func envelopes(n int) (values []string) {
	for i := range n {
		values = append(values, fmt.Sprintf(`{"before":null,"after":{"id":%d},"source":{"connector":"mysql"},"op":"c"}`, i))
	}
	return values
}

// TestDeadLettersAreTold: a bounded run with too many dead letters makes its
// lake, tells why, and ends with exit code 4, unless they are allowed. Another
// run judges what it reads itself.
func TestDeadLettersAreTold(t *testing.T) {
	cluster := startBroker(t, 1)
	lake := filepath.Join(t.TempDir(), "lake")
	bounded := func(args ...string) result {
		t.Helper()
		return run(t, program(t, "streaming", append(args, brokers(cluster), "--lake="+lake, "--bounded", "--log-format=json")...))
	}
	want := func(what string, r result, code int, texts ...string) {
		t.Helper()
		if r.code != code {
			t.Errorf("%s: exit code %d, want %d", what, r.code, code)
		}
		for _, text := range texts {
			if !strings.Contains(r.stderr, text) {
				t.Errorf("%s: expected %s in\n%s", what, text, r.stderr)
			}
		}
	}
	const done = `"msg":"done: the ledger's identity holds"`
	send(t, cluster, envelopes(3)...)
	want("foreign", bounded(), 4, done, "streaming: none of the 3 records is an event of ours; they look like an envelope of Debezium or Kafka Connect: unwrap it",
		"missing_field:schema_version 3", "Such as partition 0, offset 0, missing_field:schema_version: expected a value, found nothing; its value is `{\"before\":null,", "--max-dead-share=1")

	send(t, cluster, views(100)...)
	want("few", bounded(), 0, done, `"dead_letters":3}`)

	send(t, cluster, envelopes(20)...)
	want("some", bounded(), 4, done, "streaming: ", " are dead letters, expected at most 5 % (stream.max_dead_share)")
	want("allowed", bounded("--max-dead-share=0.9"), 0, done, `"dead_letters":23}`)

	again := func(args ...string) result {
		t.Helper()
		return run(t, program(t, "rebuild", append(args, "--lake="+lake)...))
	}
	want("rebuild", again(), 4, "rebuild: 23 of 123 records (18.7 %) are dead letters, expected at most 5 % (stream.max_dead_share)",
		"missing_field:schema_version 23", "Such as partition 0, offset 0, ", "The new generation is the lake", "--max-dead-share=1")
	want("rebuild, allowed", again("--max-dead-share=0.2"), 0)

	// What became of them can be asked.
	r := run(t, program(t, "sql", "run", "dead_letter_reasons", "--lake="+lake, "--format=csv"))
	want("sql", r, 0)
	if !strings.Contains(r.stdout, "1,missing_field:schema_version,23,") || !strings.Contains(r.stdout, ",0,122,") {
		t.Errorf("the reasons of 23 dead letters, the newest at offset 122:\n%s", r.stdout)
	}
}

// TestDeadLettersOfAFile: local makes everything of a file that it can, and
// then says the same.
func TestDeadLettersOfAFile(t *testing.T) {
	file := writeFile(t, "mixed.jsonl", []byte(strings.Join(append(views(30), envelopes(30)...), "\n")+"\n"))
	data := filepath.Join(t.TempDir(), "data")
	r := run(t, program(t, "local", "--source="+file, "--format=events", "--data="+data, "--forecast=false"))
	if r.code != 4 || !strings.Contains(r.stderr, "local: 30 of 60 records (50 %) are dead letters, expected at most 5 %") || !strings.Contains(r.stdout, "The lake is ") {
		t.Errorf("exit code %d, want 4:\n%s%s", r.code, r.stdout, r.stderr)
	}
	r = run(t, program(t, "local", "--source="+file, "--format=events", "--data="+data, "--forecast=false", "--max-dead-share=0.5"))
	if r.code != 0 {
		t.Errorf("allowed: exit code %d, want 0:\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// TestForeignTopicIsTold: a job that runs on a topic which is not ours says so
// while it runs.
func TestForeignTopicIsTold(t *testing.T) {
	cluster := startBroker(t, 2)
	send(t, cluster, envelopes(40)...)
	p := start(t, program(t, "streaming", brokers(cluster), "--lake="+filepath.Join(t.TempDir(), "lake"), "--log-format=json"))
	eventually(t, func() error {
		if !strings.Contains(p.stderr.String(), `"msg":"too many records are no valid event","found":"none of the 40 records is an event of ours; they look like an envelope of Debezium`) {
			return fmt.Errorf("it does not say so:\n%s", p.stderr.String())
		}
		return nil
	})
	if r, _ := p.interrupt(); r.code != 130 {
		t.Errorf("exit code %d, want 130", r.code)
	}
}
