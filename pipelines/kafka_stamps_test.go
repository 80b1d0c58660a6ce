//go:build integration

package pipelines

import (
	"strings"
	"testing"
	"time"

	"example.com/shopstream/producer"
)

// testWhoStamps: a program says at its start who stamps the records of its topic,
// as the topic is set now.
func testWhoStamps(t *testing.T, _ *realKafka, j kafkaJob) {
	for stamps, says := range map[string]string{
		"":              `level=WARN msg="producers stamp the records of topic`, // Kafka's default
		"CreateTime":    `level=WARN msg="producers stamp the records of topic`,
		"LogAppendTime": `level=INFO msg="the broker stamps the records of topic`,
	} {
		j := j
		settings := map[string]string{"message.timestamp.type": stamps}
		if stamps == "" {
			settings = nil
		}
		j.topic += "-" + strings.ToLower(stamps)
		j.make(t, 4, settings)
		j.deliver(t, producer.SimulateOptions{Seed: 1, Density: 50, Count: 100}, 0)
		p := j.start(t, t.TempDir(), "--bounded")
		if code := p.end(t, 2*time.Minute); code != 0 || strings.Count(p.out.String(), says) != 1 {
			t.Errorf("%q: exit code %d, expected once %s in\n%s", stamps, code, says, p.out.String())
		}
	}
}
