package sales

import "testing"

func TestDeadLettersOfADay(t *testing.T) {
	for _, c := range []struct {
		read, dead int64
		passed     bool
	}{{1000, 0, true}, {1000, 50, true}, {1000, 51, false}, {20, 9, true}, {20, 10, false}, {10, 10, false}} {
		r := deadLetters(20_000, PlannedDay{Read: c.read, Dead: c.dead})
		if r.Passed != c.passed || (r.Detail == "") != c.passed || r.RowsFailed != c.dead || *r.Measured != float64(c.dead)/float64(c.read) {
			t.Errorf("%d of %d: %+v", c.dead, c.read, r)
		}
	}
}

func TestLateEventsOfADay(t *testing.T) {
	for _, c := range []struct {
		silver, late int64
		passed       bool
	}{{1000, 0, true}, {950, 50, true}, {949, 51, false}, {11, 9, true}, {10, 10, false}, {0, 10, false}, {0, 1, true}} {
		h := newHeader()
		h.Silver, h.Late = c.silver, c.late
		r := lateEvents(20_000, &h)
		if r.Passed != c.passed || (r.Detail == "") != c.passed || r.RowsFailed != c.late || *r.Measured != float64(c.late)/float64(c.silver+c.late) {
			t.Errorf("%d on time and %d late: %+v", c.silver, c.late, r)
		}
	}
}
