package pipelines

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/shopstream/internal/lake"
)

// damages are what storage does to an object; other is one of the same kind.
var damages = []struct {
	name string
	do   func(rnd *rand.Rand, path, other string) error
}{
	{"deleted", func(_ *rand.Rand, path, _ string) error { return os.Remove(path) }},
	{"truncated", func(_ *rand.Rand, path, _ string) error {
		return edit(path, func(b []byte) []byte { return b[:len(b)/2] })
	}},
	{"one bit", func(rnd *rand.Rand, path, _ string) error {
		return edit(path, func(b []byte) []byte {
			if len(b) > 0 {
				b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
			}
			return b
		})
	}},
	{"another of its kind", func(_ *rand.Rand, path, other string) error {
		b, err := os.ReadFile(other)
		return errors.Join(err, edit(path, func([]byte) []byte { return b }))
	}},
	{"renamed", func(_ *rand.Rand, path, _ string) error { return os.Rename(path, path[:len(path)-1]+"~") }},
}

// edit replaces a file by what change makes of its content. The file is another one
// then: its content may be shared with other lakes.
func edit(path string, change func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return errors.Join(os.Remove(path), os.WriteFile(path, change(b), 0o600))
}

// said is an answer of a program: one of several it can be asked for.
type said struct {
	answer string
	err    error
}

// reads is a program that reads a lake.
type reads struct {
	name   string
	writes bool // it gets a lake of its own
	long   bool // it takes long: for the whole form
	ask    func(t testing.TB, dir string) map[string]said
}

// campaign counts how programs answer of damaged lakes.
type campaign struct {
	t       *testing.T
	lake    string // closed or open
	whole   string // its folder
	objects []string
	ledger  *lake.Ledger
	readers []reads
	want    map[string]map[string]said
	counts  map[string]map[string]int // by program and class
	cases   int
}

const (
	right    = "right"
	refused  = "error naming the object"
	repaired = "repaired"
)

// TestDamageCampaign damages one object of each kind of a lake in every way that
// storage does, and asks all programs that read it: each answers as before, or repairs
// it, or says which object it is. None is silently wrong, and verify names each that
// counts.
//
// By itself it takes one of the five damages of each kind in one of the lakes, in turn,
// and the programs that only read. With SHOPSTREAM_DAMAGE=all (make damage) it is all of it.
func TestDamageCampaign(t *testing.T) {
	whole := os.Getenv("SHOPSTREAM_DAMAGE") == "all"
	if testing.Short() && !whole {
		t.Skip("it asks every program of some 40 lakes")
	}
	dir := filepath.Join(t.TempDir(), "lake")
	cluster := campaignLake(t, dir)
	var chosen []reads
	for _, r := range campaignReaders(cluster) {
		if whole || !r.long {
			chosen = append(chosen, r)
		}
	}
	counts := map[string]map[string]int{}
	cases := 0
	for _, state := range []string{"closed", "open"} {
		c := campaign{t: t, lake: state, whole: dir, readers: chosen, counts: counts}
		if state == "open" { // as a killed run leaves it
			c.whole = filepath.Join(t.TempDir(), "lake")
			if err := errors.Join(linkLake(dir, c.whole), lake.Reopen(t.Context(), mustStore(t, c.whole))); err != nil {
				t.Fatal(err)
			}
		}
		c.run(whole)
		cases += c.cases
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%-14s %v", name, counts[name])
	}
	t.Logf("%d damaged lakes, %d programs each", cases, len(counts))
}

func (c *campaign) run(whole bool) {
	t := c.t
	c.objects = objectsOf(t, c.whole)
	var err error
	if c.ledger, err = lake.ReadLedger(t.Context(), mustStore(t, c.whole)); err != nil {
		t.Fatal(err)
	}
	if len(c.ledger.Visible()) == 0 || c.ledger.Closed == nil && len(c.ledger.Visible()) == len(c.ledger.Rows) {
		t.Fatalf("expected rows that are final in the %s lake, and in an open one others that are not; found %d of %d", c.lake, len(c.ledger.Visible()), len(c.ledger.Rows))
	}
	c.want = map[string]map[string]said{}
	for _, r := range c.readers {
		c.want[r.name] = r.ask(t, c.copy())
		for what, s := range c.want[r.name] {
			if s.err != nil {
				t.Fatalf("%s of the whole lake, %s: %v", r.name, what, s.err)
			}
		}
	}
	if found, err := verified(t.Context(), c.whole); err != nil || len(faults(found)) > 0 {
		t.Fatalf("verify of the whole lake: %v %v", found, err)
	}
	kinds := map[string][]string{}
	for _, name := range c.objects {
		kinds[kindOf(name)] = append(kinds[kindOf(name)], name)
	}
	rnd := rand.New(rand.NewPCG(12, uint64(len(c.lake))))
	for k, kind := range slices.Sorted(maps.Keys(kinds)) {
		name := kinds[kind][rnd.IntN(len(kinds[kind]))]
		for i, d := range damages {
			if closed := c.lake == "closed"; !whole && ((k%2 == 0) != closed || k/2%len(damages) != i) {
				continue
			}
			dir := c.copy()
			at := filepath.Join(dir, filepath.FromSlash(name))
			if err := d.do(rnd, at, filepath.Join(c.whole, c.other(kinds[kind], name))); err != nil {
				t.Fatal(err)
			}
			if c.same(dir, name) {
				continue // a file of no rows is as another
			}
			c.cases++
			c.judge(dir, name, fmt.Sprintf("%s lake, %s, %s", c.lake, name, d.name))
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (c *campaign) copy() string {
	dir := filepath.Join(c.t.TempDir(), "lake")
	if err := linkLake(c.whole, dir); err != nil {
		c.t.Fatal(err)
	}
	return dir
}

// other is another object of a kind, or one that is alike.
func (c *campaign) other(kind []string, name string) string {
	for _, o := range append(slices.Clone(kind), c.objects...) {
		if o != name && path.Ext(o) == path.Ext(name) {
			return o
		}
	}
	return c.objects[0]
}

// judge asks every program of a damaged lake.
func (c *campaign) judge(dir, object, what string) {
	for _, r := range c.readers {
		at := dir
		if r.writes {
			at = filepath.Join(c.t.TempDir(), "lake")
			if err := linkLake(dir, at); err != nil {
				c.t.Fatal(err)
			}
		}
		class := right
		for question, s := range r.ask(c.t, at) {
			switch {
			case s.err != nil && names(s.err.Error(), object):
				class = refused
			case s.err != nil:
				c.t.Errorf("%s: %s, %s: the error does not name it: %v", what, r.name, question, s.err)
			case s.answer != c.want[r.name][question].answer:
				c.t.Errorf("%s: %s, %s: SILENTLY WRONG:\n%s", what, r.name, question, difference(c.want[r.name][question].answer, s.answer))
			}
		}
		if class == right && r.writes && c.same(at, object) && !c.same(dir, object) {
			class = repaired
		}
		if c.counts[r.name] == nil {
			c.counts[r.name] = map[string]int{}
		}
		c.counts[r.name][class]++
	}
	c.judgeVerify(dir, object, what)
}

// judgeVerify: verify names each damaged object that counts.
func (c *campaign) judgeVerify(dir, object, what string) {
	found, err := verified(c.t.Context(), dir)
	if err != nil {
		c.t.Errorf("%s: verify: %v", what, err)
	}
	named := slices.ContainsFunc(faults(found), func(f lake.Finding) bool {
		return f.Object == object || strings.HasPrefix(object, f.Object+"/")
	})
	class := refused
	switch {
	case named:
	case c.counted(object):
		c.t.Errorf("%s: verify does not name it: %v", what, found)
	default:
		class = right
	}
	if c.counts["verify"] == nil {
		c.counts["verify"] = map[string]int{}
	}
	c.counts["verify"][class]++
}

var inName = regexp.MustCompile(`[0-9]{8}T[0-9]{6}Z`)

// counted reports whether readers count on an object: it is neither beyond the seal
// nor a note that is made again.
func (c *campaign) counted(object string) bool {
	// A note that gold makes again; and without the record of a compaction, the files
	// that it replaced are read.
	if object == "inputs/twins.json" || strings.HasPrefix(object, "ledger/compactions/") {
		return false
	}
	if strings.HasPrefix(object, "models/") || c.ledger.Closed != nil {
		return true
	}
	at, err := time.Parse("20060102T150405Z", inName.FindString(path.Base(object)))
	if err != nil {
		return true
	}
	if strings.HasPrefix(object, "metrics/") || strings.HasPrefix(object, "ledger/metrics/") {
		rows := c.ledger.VisibleMetrics()
		return len(rows) > 0 && at.UnixMilli() <= rows[len(rows)-1].Window
	}
	rows := c.ledger.Visible()
	return len(rows) > 0 && at.UnixMilli() <= rows[len(rows)-1].Window
}

func (c *campaign) same(dir, object string) bool {
	was, err := os.ReadFile(filepath.Join(c.whole, object))
	now, nowErr := os.ReadFile(filepath.Join(dir, object))
	return err == nil && nowErr == nil && string(was) == string(now)
}

// faults are the findings that are not merely extra.
func faults(found []lake.Finding) (out []lake.Finding) {
	for _, f := range found {
		if f.Verdict != lake.Extra {
			out = append(out, f)
		}
	}
	return out
}

// names reports whether a message names an object, or the folder it is in.
func names(message, object string) bool {
	return strings.Contains(message, strings.TrimSuffix(object, ".was")) || strings.Contains(message, path.Dir(object)+" in ")
}

// difference is where two answers begin to differ.
func difference(want, have string) string {
	i := 0
	for i < min(len(want), len(have)) && want[i] == have[i] {
		i++
	}
	from := max(0, i-60)
	return fmt.Sprintf("want …%.200q\nhave …%.200q", want[from:], have[min(from, len(have)):])
}
