package pipelines

import (
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
)

func TestTooManyDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		read, dead int64
		bound      float64
		want       bool
	}{
		"none":                        {1000, 0, 0.05, false},
		"nothing read":                {0, 0, 0.05, false},
		"at the bound":                {1000, 50, 0.05, false},
		"above it":                    {1000, 51, 0.05, true},
		"above it, but few":           {100, 9, 0.05, false},
		"above it, ten":               {100, 10, 0.05, true},
		"all, however few":            {3, 3, 0.05, true},
		"all, and all are allowed":    {30, 30, 1, false},
		"none is allowed, one":        {100, 1, 0, false},
		"none is allowed, ten":        {1_000_000, 10, 0, true},
		"Online Retail":               {541_909, 2_517, 0.05, false},
		"a bounded run of the issue":  {28, 25, 0.05, true},
		"simulated shops' 1 per cent": {100_000, 1_000, 0.05, false},
	} {
		d := &DeadLetters{Read: tc.read, Reasons: map[string]int64{}, Bound: tc.bound}
		if tc.dead > 0 {
			d.Reasons["bad_price"] = tc.dead
		}
		if got := d.TooMany(); got != tc.want {
			t.Errorf("%s: %d of %d with a bound of %g: %t, want %t", name, tc.dead, tc.read, tc.bound, got, tc.want)
		}
	}
}

func TestDeadLettersError(t *testing.T) {
	row := func(offset int64, reason, detail, value string) lake.DeadRow {
		r := lake.DeadRow{Reason: reason, Detail: detail}
		r.KafkaPartition, r.KafkaOffset, r.Value = 2, offset, []byte(value)
		return r
	}
	d := &DeadLetters{Read: 400, Bound: 0.05, Reasons: map[string]int64{
		"bad_price": 30, "missing_field:currency": 40, "bad_utf8": 1, "a": 1, "b": 1, "c": 1, "d": 1, "e": 1,
	}}
	d.show([]lake.DeadRow{
		row(5, "bad_price", "expected a decimal", `{}`),
		row(7, "missing_field:currency", "expected a value, found nothing", "{\"a\":\"\x1b[31m"+strings.Repeat("x", 500)),
		row(8, "missing_field:currency", "expected a value, found null", `{}`),
	})
	const want = `76 of 400 records (19 %) are dead letters, expected at most 5 % (stream.max_dead_share). ` +
		`Reasons: missing_field:currency 40, bad_price 30, a 1, b 1, bad_utf8 1, c 1, and 2 more. ` +
		`Such as partition 2, offset 7, missing_field:currency: expected a value, found nothing; its value is "{\"a\":\"\x1b[31m`
	if got := d.Error(); !strings.HasPrefix(got, want) || len(got) > len(want)+120 {
		t.Errorf("found\n%s\nwant\n%s…", got, want)
	}

	foreign := &DeadLetters{Read: 3, Bound: 0.05, Reasons: map[string]int64{"missing_field:schema_version": 2, "malformed_json": 1}}
	const debezium = `{"before":null,"after":{},"op":"c"}`
	foreign.show([]lake.DeadRow{row(0, "malformed_json", "m", "x"), row(1, "missing_field:schema_version", "s", debezium), row(2, "missing_field:schema_version", "s", debezium)})
	const says = `none of the 3 records is an event of ours; they look like an envelope of Debezium or Kafka Connect: unwrap it: `
	if got := foreign.Error(); !strings.HasPrefix(got, says) || !strings.Contains(got, "partition 2, offset 1") {
		t.Errorf("found\n%s\nwant\n%s…", got, says)
	}
}

// TestDeadWatch: a job tells at the first look after there are too many, and
// not again for a minute, however many there are; then of what came meanwhile.
func TestDeadWatch(t *testing.T) {
	start := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	w := watch[*DeadLetters]{between: deadBetween(0.05), period: time.Minute, since: start}
	var p telemetry.Progress
	step := func(second int, read, dead int64) *DeadLetters {
		p.Read += read
		p.Refused = map[string]int64{"bad_price": p.Refused["bad_price"] + dead}
		p.LastRefused = telemetry.DeadLetter{Reason: "bad_price", Value: []byte("[1]")}
		if d, tell, _ := w.observe(start.Add(time.Duration(second)*time.Second), p); tell {
			return d
		}
		return nil
	}
	for i, s := range []struct {
		second     int
		read, dead int64
		want       int64 // dead letters told; 0: nothing
	}{
		{5, 1000, 9, 0},
		{10, 0, 5, 0},      // 14 of 1000
		{15, 100, 90, 104}, // of 1100
		{20, 100, 100, 0},  // told already
		{70, 100, 100, 0},
		{75, 100, 0, 200}, // of 300 since
		{80, 1000, 0, 0},
		{136, 1000, 0, 0},
		{140, 5, 5, 0}, // few
		{145, 20, 20, 25},
	} {
		d := step(s.second, s.read, s.dead)
		switch {
		case d == nil && s.want != 0, d != nil && d.Count() != s.want:
			t.Errorf("step %d, second %d: told %v, want %d", i, s.second, d, s.want)
		case d != nil && d.Look != shop.LooksLike([]byte("[1]")):
			t.Errorf("step %d: look %v", i, d.Look)
		}
	}
}
