//go:build integration

package pipelines

import (
	"strings"
	"testing"
)

// TestKafka runs the streaming program against real Kafka nodes, in every case
// that docs/kafka.md lists. SHOPSTREAM_ABSENCE says for how long a broker is
// away (20s; 3m is the long form).
func TestKafka(t *testing.T) {
	path := build(t, "./cmd/streaming")
	one := startKafka(t, 1)
	for name, test := range map[string]func(*testing.T, *realKafka, kafkaJob){
		"TLS and SASL":              testSecurity,
		"partition added":           testPartitionAdded,
		"idle partition comes back": testIdlePartition,
		"transactions":              testTransactions,
		"compacted topic":           testCompacted,
		"retention":                 testRetention,
		"topic made again":          testTopicMadeAgain,
		"codecs":                    testCodecs,
		"who stamps":                testWhoStamps,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, one, kafkaJob{path: path, cluster: one.cluster(), topic: strings.ReplaceAll(name, " ", "-")})
		})
	}
	for name, test := range map[string]struct {
		nodes int
		test  func(*testing.T, *realKafka, kafkaJob)
	}{
		"broker killed":  {1, testBrokerKilled},
		"leader changes": {3, testLeaderChanges},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k := startKafka(t, test.nodes)
			test.test(t, k, kafkaJob{path: path, cluster: k.cluster(), topic: topic})
		})
	}
}
