package sales

import (
	"fmt"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
)

// TestVisitsMerge: partials that were packed and merged, in any order and any
// number of times cut, count each session and user once.
func TestVisitsMerge(t *testing.T) {
	t.Parallel()
	hour := Hour{}
	events := []event{
		{ID: "1", Type: viewed, Category: "toys", SessionID: "s1", UserID: "u1"},
		{ID: "2", Type: viewed, Category: "toys", SessionID: "s2"},
		{ID: "3", Type: carted, Category: "toys", SessionID: "s1", UserID: "u1"},
		{ID: "4", Type: carted, Category: "books", SessionID: "s2", UserID: "u2"},
		{ID: "5", Type: viewed, Category: "toys", SessionID: "s1", UserID: "u1"},
		{ID: "6", Type: viewed, Category: "toys", UserID: "u3"},
		{ID: "7", Type: viewed, Category: "toys"}, // nobody
	}
	lines := []lake.OrderLineRow{
		{Category: "toys", SessionID: "s1", UserID: "u1"},
		{Category: "toys", SessionID: "s1", UserID: "u1"},
		{Category: "books", SessionID: "s3"},
		{Category: "books", SessionID: "s2", UserID: "u2", Cancelled: true},
	}
	want := []lake.FunnelRow{
		{
			Date: 9, SessionsViewed: 2, SessionsCarted: 2, SessionsOrdered: 2, SessionsViewedCarted: 2, SessionsCartedOrdered: 1, SessionsViewedOrdered: 1,
			UsersViewed: 2, UsersCarted: 2, UsersOrdered: 1, UsersViewedCarted: 1, UsersCartedOrdered: 1, UsersViewedOrdered: 1, Complete: true,
		},
		{Date: 9, Category: "books", SessionsCarted: 1, SessionsOrdered: 1, UsersCarted: 1, Complete: true},
		{
			Date: 9, Category: "toys", SessionsViewed: 2, SessionsCarted: 1, SessionsOrdered: 1, SessionsViewedCarted: 1, SessionsCartedOrdered: 1, SessionsViewedOrdered: 1,
			UsersViewed: 2, UsersCarted: 1, UsersOrdered: 1, UsersViewedCarted: 1, UsersCartedOrdered: 1, UsersViewedOrdered: 1, Complete: true,
		},
	}
	for size := 1; size <= len(events); size++ {
		sum := newPartial()
		for end := len(events); end > 0; end -= size { // the last first
			p := newPartial()
			for i := max(0, end-size); i < end; i++ {
				p.add(&events[i], uint64(i), hour)
			}
			if err := sum.merge(p.pack()); err != nil {
				t.Fatal(err)
			}
		}
		if diff := gocmp.Diff(want, sum.funnelRows(9, true, lines)); diff != "" {
			t.Errorf("in parts of %d (-want +got):\n%s", size, diff)
		}
	}
	if rows := newPartial().funnelRows(9, true, nil); len(rows) > 0 {
		t.Errorf("nobody makes %v", rows)
	}
}

// BenchmarkPartial sums and packs views and carts, with sessions and users and
// without: the difference is what the funnel costs.
func BenchmarkPartial(b *testing.B) {
	for _, c := range []struct {
		name     string
		sessions int
	}{{"nobody", 0}, {"sessions of 5 events", 4000}} {
		b.Run(c.name, func(b *testing.B) {
			const n = 20_000 // a bundle
			events := make([]event, n)
			for i := range events {
				events[i] = event{
					ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Type: viewed, Category: fmt.Sprint("category ", i%20), ProductID: fmt.Sprintf("P%05d", i%2000), Time: int64(i),
				}
				if i%5 == 4 {
					events[i].Type = carted
				}
				if c.sessions > 0 {
					events[i].SessionID, events[i].UserID = fmt.Sprintf("11111111-0000-4000-8000-%012d", i%c.sessions), fmt.Sprintf("u-%08d", i%c.sessions/2)
				}
			}
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				p := newPartial()
				for i := range events {
					p.add(&events[i], uint64(i), Hour{})
				}
				bytes = len(p.pack())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
			b.ReportMetric(float64(bytes)/n, "packed-bytes/event")
		})
	}
}
