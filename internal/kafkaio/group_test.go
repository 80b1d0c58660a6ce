package kafkaio

import (
	"maps"
	"testing"
	"time"
)

// TestGroupOffsets checks what lag tools see after a bounded read.
func TestGroupOffsets(t *testing.T) {
	c := startBroker(t, 2)
	produce(t, c, events(0, steps(1_000_000, 10, 300)...)...)
	produce(t, c, events(1, steps(1_000_000, 10, 200)...)...)
	j := startJob(t, Options{Cluster: c, Bounded: true, Group: "lag", OutOfOrderness: 2 * time.Second})
	j.wait(t)
	offsets, err := admin(t, c).ListConsumerGroupOffsets("lag", nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[int32]int64{}
	for _, partitions := range offsets.Blocks {
		for p, b := range partitions {
			got[p] = b.Offset
		}
	}
	if want := map[int32]int64{0: 300, 1: 200}; !maps.Equal(got, want) {
		t.Errorf("the group has offsets %v, want %v", got, want)
	}
}
