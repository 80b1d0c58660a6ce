package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"example.com/shopstream/internal/kafkaio"
	"example.com/shopstream/internal/phase"
	"example.com/shopstream/internal/shop"
	"example.com/shopstream/internal/telemetry"
	"example.com/shopstream/pipelines"
	"example.com/shopstream/producer"
)

// view shows a running job: a block that is redrawn on a terminal, a line
// every few seconds elsewhere.
type view struct {
	w        io.Writer
	terminal bool
	o        pipelines.StreamingOptions
	e        *events
	started  time.Time
	done     chan struct{}
	ended    chan struct{}

	mu      sync.Mutex
	sending producer.Progress
	note    string
	lines   int // on the screen now
	before  telemetry.Progress
	at      time.Time
}

// firstAnswer is how long a start may take until Kafka has said what there is.
const firstAnswer = 5 * time.Second

func startView(w io.Writer, o pipelines.StreamingOptions, e *events) *view {
	v := &view{
		w: w, terminal: phase.Terminal(w), o: o, e: e, started: time.Now(), at: time.Now(), before: telemetry.Snapshot(),
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	every := 5 * time.Second
	if v.terminal {
		every = 500 * time.Millisecond
	}
	go func() {
		defer close(v.ended)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				v.draw()
			case <-v.done:
				return
			}
		}
	}()
	return v
}

// stop draws once more and ends.
func (v *view) stop() {
	close(v.done)
	<-v.ended
	v.draw()
}

// sent notes the progress of the shop.
func (v *view) sent(p producer.Progress) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.sending = p
}

// say adds a note.
func (v *view) say(note string) {
	v.mu.Lock()
	v.note = note
	v.mu.Unlock()
	v.draw()
}

// waiting notes that the job failed and is started again.
func (v *view) waiting(time.Duration) {
	v.say("the lake or Kafka was away: going on from the ledger")
}

func (v *view) draw() {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := time.Now()
	p := telemetry.Snapshot()
	rate := float64(p.Read-v.before.Read) / max(now.Sub(v.at).Seconds(), 0.001)
	v.before, v.at = p, now
	status := kafkaio.StatusOf(v.o.Source.ID)
	lag := "unknown: no answer from Kafka"
	switch n := status.Lag(); {
	case n != kafkaio.UnknownLag:
		lag = number(n)
	case now.Sub(v.started) < firstAnswer:
		lag = "not known yet"
	}
	running := now.Sub(v.started).Round(time.Second)
	clock := running.String()
	switch {
	case v.e.replay != nil || v.e.total == 0:
	case running > v.e.total:
		clock += fmt.Sprintf(", the shop closed after %s", v.e.total)
	default:
		clock += " of " + v.e.total.String()
	}
	open := status.OpenTransaction(v.o.Source.Topic, now)
	if open != "" {
		open = "  " + open
	}
	final := "nothing yet"
	if p.Committed > 0 {
		final = fmt.Sprintf("%s, of windows up to %s", amounts(p.Final), clockTime(p.Committed))
	}
	late := ""
	if p.TooLate != "" {
		late = "  late: " + p.TooLate
	}
	dead := int64(0)
	for _, n := range p.Dead {
		dead += n
	}
	if !v.terminal {
		fmt.Fprintf(v.w, "%s  read %s (%s/s, lag %s)  silver %s  duplicates %s  late %s  dead letters %s  revenue as read %s, final without late events %s%s\n",
			clock, number(p.Read), number(int64(rate)), lag, number(p.Silver), number(p.Duplicates), number(p.Late), number(dead), amounts(p.Provisional), final, open+late)
		return
	}
	var b strings.Builder
	if v.lines > 0 {
		fmt.Fprintf(&b, "\x1b[%dA\x1b[J", v.lines)
	}
	lines := []string{
		fmt.Sprintf("  %-12s %s", "running", clock),
		fmt.Sprintf("  %-12s %s records, %s/s, lag %s", "read", number(p.Read), number(int64(rate)), lag),
		fmt.Sprintf("  %-12s %s silver, %s duplicates, %s late, %s dead letters", "in the lake", number(p.Silver), number(p.Duplicates), number(p.Late), number(dead)),
		fmt.Sprintf("  %-12s %s (as read, provisional)", "revenue", amounts(p.Provisional)),
		fmt.Sprintf("  %-12s %s (final, without late events)", "", final),
		fmt.Sprintf("  %-12s %s", "watermark", clockTime(status.Watermark)),
	}
	if v.sending.Records > 0 {
		lines = slices.Insert(lines, 1, fmt.Sprintf("  %-12s %s events, %s/s", "shop", number(v.sending.Records), number(int64(v.sending.Rate))))
	}
	if open != "" {
		lines = append(lines, open)
	}
	if late != "" {
		lines = append(lines, late)
	}
	if v.note != "" {
		lines = append(lines, "  "+v.note)
	}
	for _, l := range lines {
		b.WriteString(fit(l, v.width()) + "\n")
	}
	v.lines = len(lines)
	fmt.Fprint(v.w, b.String())
}

// width is that of the terminal; 0: unknown.
func (v *view) width() int {
	f, ok := v.w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd())) //nolint:gosec // a file descriptor is small
	if err != nil {
		return 0
	}
	return width
}

// fit cuts a line to a width: one that wraps would not be drawn over.
func fit(line string, width int) string {
	if r := []rune(line); width > 0 && len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return line
}

// progress shows how far the delivery of a file has come.
type progress struct {
	w        io.Writer
	terminal bool
	what     string
	began    time.Time
	last     time.Time
}

func newProgress(w io.Writer, what string) *progress {
	return &progress{w: w, terminal: phase.Terminal(w), what: what, began: time.Now(), last: time.Now()}
}

func (p *progress) update(d producer.Progress) {
	every := 5 * time.Second
	if p.terminal {
		every = 200 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%s: %s records, %s/s", p.what, number(d.Records), number(int64(d.Rate)))
	if d.Total > 0 {
		text = fmt.Sprintf("%s: %s of %s records (%d %%), %s/s", p.what, number(d.Records), number(d.Total), 100*d.Records/d.Total, number(int64(d.Rate)))
	}
	if d.Left > 0 {
		text += ", " + d.Left.Round(time.Second).String() + " left"
	}
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", text)
	} else {
		fmt.Fprintln(p.w, text)
	}
}

func (p *progress) end() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func amounts(byCurrency map[string]int64) string {
	if len(byCurrency) == 0 {
		return "0"
	}
	var parts []string
	for _, c := range slices.Sorted(maps.Keys(byCurrency)) {
		parts = append(parts, money(c, shop.Money(byCurrency[c])))
	}
	return strings.Join(parts, " + ")
}

// money writes an amount with its currency and thousands separated, exactly.
func money(currency string, m shop.Money) string {
	whole, fraction, _ := strings.Cut(m.String(), ".")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return currency + " " + group(whole) + "." + fraction
}

func number(n int64) string { return group(fmt.Sprint(n)) }

func group(digits string) string {
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return sign + digits
}

func clockTime(ms int64) string {
	if ms == kafkaio.NoTime || ms == 0 {
		return "none yet"
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05") + " UTC"
}
