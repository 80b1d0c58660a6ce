package pipelines

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/shopstream/internal/telemetry"
)

// LateEvents is how many of the valid events that were read in a while are late.
// They are in the lake and in gold, but missing from the live metrics.
type LateEvents struct {
	Partitions     map[int32]telemetry.Valid
	Bound          float64       // stream.max_late_share
	OutOfOrderness time.Duration // stream.out_of_orderness
	Example        telemetry.LateEvent
}

// lateBetween finds the late events of what was read in between.
func lateBetween(bound float64, outOfOrderness time.Duration) func(before, now telemetry.Progress) *LateEvents {
	return func(before, now telemetry.Progress) *LateEvents {
		l := &LateEvents{Partitions: map[int32]telemetry.Valid{}, Bound: bound, OutOfOrderness: outOfOrderness, Example: now.LastLate}
		for p, n := range now.Valid {
			was := before.Valid[p]
			if n.Events -= was.Events; n.Events > 0 {
				n.Late, n.Producer = n.Late-was.Late, n.Producer-was.Producer
				l.Partitions[p] = n
			}
		}
		return l
	}
}

// Count is the sum over partitions.
func (l *LateEvents) Count() (sum telemetry.Valid) {
	for _, n := range l.Partitions {
		sum.Events, sum.Late, sum.Producer = sum.Events+n.Events, sum.Late+n.Late, sum.Producer+n.Producer
	}
	return sum
}

// TooMany reports whether the share is above the bound.
func (l *LateEvents) TooMany() bool {
	n := l.Count()
	return n.Late >= leastTold && float64(n.Late) > l.Bound*float64(n.Events)
}

func (l *LateEvents) tell() bool { return l.TooMany() }

// note shows what was found to who asks for metrics, readiness or the view.
func (l *LateEvents) note(tooMany bool) {
	n, text := l.Count(), ""
	if tooMany {
		text = l.Short()
	}
	telemetry.ObserveLateShare(float64(n.Late)/float64(max(n.Events, 1)), text)
}

// Short says how many there are, where, and what it means.
func (l *LateEvents) Short() string {
	n := l.Count()
	return fmt.Sprintf("%d of %d valid events (%s) are late, expected at most %s (stream.max_late_share): %s. They count in gold, but not in the live metrics",
		n.Late, n.Events, percent(n.Late, n.Events), percentOf(l.Bound), l.where())
}

// Error says more: one of them, and what to do.
func (l *LateEvents) Error() string {
	var b strings.Builder
	e := l.Example
	fmt.Fprintf(&b, "%s. Such as partition %d, offset %d: its event time %s is %s behind the partition's clock, and stream.out_of_orderness is %s",
		l.Short(), e.Partition, e.Offset, time.UnixMilli(e.Time).UTC().Format(time.RFC3339), time.Duration(e.Clock-e.Time)*time.Millisecond, l.OutOfOrderness)
	if n := l.Count(); n.Producer > 0 {
		fmt.Fprintf(&b, ". %d of them have time stamps of their producers (message.timestamp.type=CreateTime): many fast clocks among these would make all others late, which LogAppendTime rules out", n.Producer)
	}
	b.WriteString(". If events are on their way for so long, read the topic into a new lake with a larger --out-of-orderness; " +
		"else look for senders whose clocks are slow, or who send old events again. See \"Late events\" in docs/kafka.md; --max-late-share=1 ends this warning")
	return b.String()
}

// shownPartitions is how many partitions are told, those with the most first.
const shownPartitions = 4

func (l *LateEvents) where() string {
	var ids []int32
	for p, n := range l.Partitions {
		if n.Late > 0 {
			ids = append(ids, p)
		}
	}
	slices.SortFunc(ids, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.Partitions[b].Late, l.Partitions[a].Late), cmp.Compare(a, b))
	})
	var parts []string
	for i, p := range ids {
		if i == shownPartitions {
			parts = append(parts, fmt.Sprintf("and %d more", len(ids)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%d of %d in partition %d", l.Partitions[p].Late, l.Partitions[p].Events, p))
	}
	return strings.Join(parts, ", ")
}
