package pipelines

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/telemetry"
	"example.com/shopstream/transforms/quality"
)

// GoldView writes what a run of gold is about to do, and how far it has come:
// one line that changes on a terminal, else a line every five seconds. The
// workers must be in this process to be counted.
type GoldView struct {
	w        io.Writer
	terminal bool

	before int64 // days that this process had made before
	days   int
	end    func() // of what is shown now; nil: nothing is
}

// NewGoldView returns a view that writes to w.
func NewGoldView(w io.Writer, terminal bool) *GoldView { return &GoldView{w: w, terminal: terminal} }

// Planned says what is to be made, and begins to count.
func (v *GoldView) Planned(p *GoldPlan) {
	v.Doing("")
	for _, note := range p.Notes {
		fmt.Fprintln(v.w, "gold:", note)
	}
	if n := len(p.Unkept); n > 0 {
		fmt.Fprintf(v.w, "gold: WARNING: %s from %s to %s were made of a history that the lake does not keep: they stay as they are, and late events of them are not taken; give the history once more with --history=FILE, or let go of it with --drop-history\n",
			plural(n, "business day"), p.Unkept[0], p.Unkept[n-1])
	}
	fmt.Fprintf(v.w, "gold: %s to make", plural(p.Days, "business day"))
	for _, part := range []struct {
		n    int
		what string
	}{
		{p.Dirty, "of them changed"},
		{p.Fresh, "stand as they should"},
		{p.Open, "still open"},
		{p.Overlap, "of the history with events of the lake too"},
		{len(p.Gone), "removed, there are no such days any more"},
	} {
		if part.n > 0 {
			fmt.Fprintf(v.w, ", %d %s", part.n, part.what)
		}
	}
	fmt.Fprintln(v.w)
	if p.Days == 0 {
		return
	}
	v.before, v.days = telemetry.Snapshot().GoldDays, p.Days
	v.end = phase.Show(v.w, v.terminal, v.line)
}

// line says how many days are made.
func (v *GoldView) line(took time.Duration) string {
	made := int(telemetry.Snapshot().GoldDays - v.before)
	text := fmt.Sprintf("gold: %d of %s", made, plural(v.days, "business day"))
	if 10*made > v.days && made < v.days {
		left := time.Duration(float64(took) / float64(made) * float64(v.days-made))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}

// Again says that days are made once more for the order lines of others.
func (v *GoldView) Again(days int) {
	v.Doing("")
	fmt.Fprintf(v.w, "gold: %s to make without order lines whose ids are on an earlier record of another day\n", plural(days, "business day"))
	v.Doing("making " + plural(days, "business day") + " again")
}

// Doing says what is done from now on, beside the making of days; "": nothing.
func (v *GoldView) Doing(what string) {
	if v.end != nil {
		v.end()
		v.end = nil
	}
	if what != "" {
		v.end = phase.Doing(v.w, v.terminal, "gold: "+what)
	}
}

// Stop ends what is shown.
func (v *GoldView) Stop() { v.Doing("") }

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Write writes the report for people.
func (r *GoldReport) Write(w io.Writer) {
	if c := r.Compacted; c.Replaced+c.Removed > 0 {
		fmt.Fprintf(w, "gold: %d silver files rewritten into %d, %d that were replaced before removed\n", c.Replaced, c.Files, c.Removed)
	}
	if r.Days == 0 {
		return
	}
	fmt.Fprintf(w, "gold: %s published, %d the same as before", plural(r.Published, "business day"), r.Unchanged)
	if len(r.Failed) > 0 {
		fmt.Fprintf(w, ", %d stopped by a quality rule", len(r.Failed))
	}
	c := r.Counts
	fmt.Fprintf(w, ". %d silver + %d late = %d events + %d duplicates + %d conflicts", c.Silver, c.Late, c.Events, c.Duplicates, c.Conflicts)
	if c.Overflow > 0 {
		fmt.Fprintf(w, " + %d amounts that do not fit", c.Overflow)
	}
	fmt.Fprintln(w, ".")
	for _, date := range slices.SortedFunc(maps.Keys(r.Failed), civil.Date.Compare) {
		fmt.Fprintf(w, "STOPPED %s: %s. What stood before stands.\n", date, strings.Join(r.Failed[date], ", "))
		quality.Report(w, r.Checks[date])
	}
	if r.Strangers != "" {
		fmt.Fprintln(w, "WARNING", r.Strangers)
	}
	r.writeWarnings(w)
	for _, b := range r.Broken {
		fmt.Fprintln(w, "SET ASIDE", b)
	}
}

// writeWarnings writes a line for each rule that does not hold on some days
// which were published all the same.
func (r *GoldReport) writeWarnings(w io.Writer) {
	dates := map[string][]string{} // by rule
	details := map[string]string{}
	for _, date := range slices.SortedFunc(maps.Keys(r.Checks), civil.Date.Compare) {
		if r.Failed[date] != nil {
			continue
		}
		for _, q := range r.Checks[date] {
			if q.Passed {
				continue
			}
			rule := q.Severity + " " + q.TableName + "." + q.Rule
			if d := dates[rule]; len(d) == 0 || d[len(d)-1] != date.String() {
				dates[rule] = append(d, date.String())
			}
			details[rule] = q.Detail
		}
	}
	for _, rule := range slices.Sorted(maps.Keys(dates)) {
		on := dates[rule]
		text := strings.Join(on, ", ")
		if len(on) > 4 {
			text = fmt.Sprintf("%s, %s, … %s (%d days)", on[0], on[1], on[len(on)-1], len(on))
		}
		fmt.Fprintf(w, "quality: %s on %s", rule, text)
		if details[rule] != "" {
			fmt.Fprintf(w, ", the last time: %s", details[rule])
		}
		fmt.Fprintln(w)
	}
	if len(dates) > 0 {
		fmt.Fprintln(w, "quality: all results are in the table quality_results, those of days that were stopped in quality_attempts")
	}
}
