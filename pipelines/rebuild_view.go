package pipelines

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/telemetry"
)

// Write says what the rebuild would do, for people.
func (p *RebuildPlan) Write(w io.Writer) {
	const layout = "2006-01-02 15:04"
	span := ""
	if !p.First.IsZero() {
		span = fmt.Sprintf(" of %s to %s UTC", p.First.Format(layout), p.Last.Format(layout))
	}
	state := "not closed"
	if p.Closed {
		state = "closed"
	}
	fmt.Fprintf(w, "rebuild: %s, generation %d, %s: %s%s in %s of bronze (%.1f MB)\n", p.Lake, p.Generation, state,
		plural(int(p.Totals.Read), "record"), span, plural(p.Files, "file"), float64(p.Bytes)/1e6)
	if p.Tail > 0 {
		fmt.Fprintf(w, "rebuild: and up to %s of topic %s, which are there: final windows have events of them, and bronze has not\n", plural(int(p.Tail), "record"), p.Settings.Topic)
	}
}

// RebuildView writes how far a rebuild has come: one line that changes on a
// terminal, else a line every five seconds.
type RebuildView struct {
	w        io.Writer
	terminal bool

	plan   *RebuildPlan
	before int64  // records that this process had read before
	end    func() // of what is shown now
}

// NewRebuildView returns a view that writes to w from now on, until Stop.
func NewRebuildView(w io.Writer, terminal bool) *RebuildView {
	return &RebuildView{w: w, terminal: terminal, end: phase.Doing(w, terminal, "rebuild: reading what the lake has")}
}

// Planned says what is to be done, and begins to count.
func (v *RebuildView) Planned(p *RebuildPlan) {
	v.end()
	p.Write(v.w)
	v.plan, v.before = p, telemetry.Snapshot().Read
	v.end = phase.Show(v.w, v.terminal, v.line)
}

// line says how many records are read.
func (v *RebuildView) line(took time.Duration) string {
	read := telemetry.Snapshot().Read - v.before
	total := v.plan.Totals.Read + v.plan.Tail
	rate := float64(read) / took.Seconds()
	text := fmt.Sprintf("rebuild: %d of %s (%.0f %%), %.0f a second", read, plural(int(total), "record"), 100*float64(read)/float64(max(total, 1)), rate)
	if left := total - read; left > 0 && read > 0 {
		text += fmt.Sprintf(", about %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
	}
	return text
}

// Stop ends what is shown.
func (v *RebuildView) Stop() { v.end() }

// Write writes the ledger's identity of both generations side by side.
func (r RebuildReport) Write(w io.Writer) error {
	before, after := r.Plan.Totals, r.Totals
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, a, b int64) {
		change := ""
		if a != b {
			change = fmt.Sprintf("%+d", b-a)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t\n", name, a, b, change)
	}
	fmt.Fprintf(t, "\tgeneration %d\tgeneration %d\tchange\t\n", r.Plan.Generation, r.Generation)
	row("read", before.Read, after.Read)
	row("silver", before.Silver, after.Silver)
	row("conflicts in it", before.Conflicts, after.Conflicts)
	row("duplicates", before.Duplicates, after.Duplicates)
	row("late", before.Late, after.Late)
	row("dead letters", before.DeadCount(), after.DeadCount())
	for _, reason := range reasons(before, after) {
		row(reason, before.Dead[reason], after.Dead[reason])
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "The lake is generation %d now: %s\nThe old one stays for who reads it; rebuild --prune removes it. Gold is to be made again.\n", r.Generation, r.Lake)
	return err
}

func reasons(totals ...lake.Totals) []string {
	all := map[string]bool{}
	for _, t := range totals {
		for reason := range t.Dead {
			all[reason] = true
		}
	}
	return slices.SortedFunc(maps.Keys(all), strings.Compare)
}
