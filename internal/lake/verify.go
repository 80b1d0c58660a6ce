package lake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// Verdict is what is wrong with an object.
type Verdict string

// The verdicts. An extra object counts nowhere: a leftover, or a file of somebody else.
const (
	Missing Verdict = "missing"
	Damaged Verdict = "damaged"
	Extra   Verdict = "extra"
)

// Finding is an object that is not as it should be.
type Finding struct {
	Verdict Verdict `json:"verdict"`
	Object  string  `json:"object"` // or a folder of them
	Found   string  `json:"found"`  // what was expected, and what was found
	Do      string  `json:"do"`     // what to do about it
}

// FindingOf is the finding that an error of a reader is; false if it is not one of an
// object, but for example of the network.
func FindingOf(err error) (Finding, bool) {
	var f *Fault
	if !errors.As(err, &f) {
		return Finding{}, false
	}
	verdict := Damaged
	if f.Missing() {
		verdict = Missing
	}
	return Finding{verdict, f.Object, f.Err.Error(), f.Do}, true
}

// Checked counts what was looked at.
type Checked struct {
	Objects     int64 `json:"objects"`
	Bytes       int64 `json:"bytes"`       // of files that were read whole
	Provisional int64 `json:"provisional"` // objects beyond the seal, which do not count yet
	Unsummed    int64 `json:"unsummed"`    // files of format 2, which were decoded for want of a checksum
}

// VerifyOptions say whom Verify tells.
type VerifyOptions struct {
	// Found is told each finding, once, one at a time.
	Found func(Finding)
	// Progress, if not nil, is told how much is done of what the ledger names; the
	// calls come one at a time.
	Progress func(done Checked, ofBytes int64)
}

// Verify holds a lake, of which it changes nothing, to all that it says of itself, by
// what readers check: each object of the ledger, the chain, each file of every lane, of
// metrics and of gold, each whole. A job may write the lake meanwhile: what is beyond
// the seal is provisional and not looked at.
//
// The models are not the lake's own: see registry.Check. The error is one of reading,
// or ErrNoLake; ErrDamaged if there is so little left that the rest cannot be told.
// It holds the ledger in memory, and the names of the files of one date.
func Verify(ctx context.Context, st Store, o VerifyOptions) (Checked, error) {
	v := &verifier{st: st, options: o, told: map[string]bool{}}
	l, err := v.readLedger(ctx)
	if err != nil {
		return v.done, err
	}
	v.ledger = l
	v.visible = l.Visible()
	for _, r := range v.visible {
		for _, f := range r.Files {
			v.total += f.Bytes
		}
	}
	for _, step := range []func(context.Context) error{v.witnesses, v.lanes, v.metrics, v.gold, v.inputs, v.lists, v.journals, v.strangers} {
		if err := step(ctx); err != nil {
			return v.done, err
		}
	}
	return v.done, nil
}

// verifier is one verification.
type verifier struct {
	st      Store
	options VerifyOptions
	ledger  *Ledger
	visible []Row
	total   int64 // bytes of the files of visible rows

	mu   sync.Mutex
	told map[string]bool // objects that are told of
	done Checked
}

// tell hands on a finding, unless its object was told of.
func (v *verifier) tell(f Finding) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.told[f.Object] {
		v.told[f.Object] = true
		v.options.Found(f)
	}
}

// take tells a fault, and returns every other error.
func (v *verifier) take(err error) error {
	if f, ok := FindingOf(err); ok {
		v.tell(f)
		return nil
	}
	return err
}

func (v *verifier) isTold(name string) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.told[name]
}

// leftover tells of an object that counts nowhere.
func (v *verifier) leftover(name, found string) {
	v.tell(Finding{Extra, name, found, "It does not count. Delete it if you like, while no job writes the lake"})
}

func (v *verifier) foreign(name string) {
	v.tell(Finding{Extra, name, "it is not a file of the lake", "It does not count. Move it away if you do not need it there"})
}

// count says that an object was looked at.
func (v *verifier) count(bytes int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done.Objects++
	v.done.Bytes += bytes
	if v.options.Progress != nil {
		v.options.Progress(v.done, v.total)
	}
}

func (v *verifier) countProvisional() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done.Provisional++
}

// readLedger reads what can be read of the ledger, and tells of the rest. As for
// everybody who reads it, a run may go on with the lake meanwhile.
func (v *verifier) readLedger(ctx context.Context) (*Ledger, error) {
	for n := 1; ; n++ {
		var mu sync.Mutex
		var found []*Fault
		again := false
		l, err := readHeld(ctx, v.st, func(f *Fault) error {
			mu.Lock()
			defer mu.Unlock()
			found, again = append(found, f), again || movedOn(f)
			return nil
		})
		if again && n < closedReads && ctx.Err() == nil {
			continue
		}
		if ctx.Err() == nil {
			slices.SortFunc(found, func(a, b *Fault) int { return cmp.Compare(a.Object, b.Object) })
			for _, f := range found {
				if err := v.take(f); err != nil {
					return nil, err
				}
			}
		}
		return l, err
	}
}

// witnessed are the objects that have a witness, of a lake with a ledger of its own.
var witnessed = []string{settingsName, sealName, metricsSealName, closedName, goldSettingsName}

// witnesses holds the copies, by which what is lost is missed, to their checksums.
func (v *verifier) witnesses(ctx context.Context) error {
	for _, name := range witnessed {
		if err := v.witness(ctx, v.st, name); err != nil {
			return err
		}
	}
	return v.witness(ctx, rootOf(v.st), generationName)
}

func (v *verifier) witness(ctx context.Context, st Store, name string) error {
	was := witnessOf(name)
	data, err := st.Get(ctx, was)
	if errors.Is(err, fs.ErrNotExist) {
		_, err := st.Get(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || v.ledger.Settings.Format == formatUnsummed || v.ledger.Settings.Upgraded {
			return nil
		}
		if err != nil {
			return err
		}
		do := fmt.Sprintf("Copy %s to it, or the loss of %[1]s would not be noticed", name)
		if name == sealName || name == metricsSealName {
			do = "The next job that goes on with the lake writes it again; until then the loss of " + name + " would not be noticed"
		}
		return v.take(fault(st, was, fmt.Errorf("%w, but %s is there", ErrMissing, name), do))
	}
	if err != nil {
		return err
	}
	v.count(int64(len(data)))
	of, do := name, fmt.Sprintf("If %s is there, copy it to it", name)
	if name == sealName || name == metricsSealName {
		of, do = was, "Delete it: the next job that goes on with the lake writes it again"
	}
	var any map[string]any
	_, err = decodeObject(of, data, &any)
	if errors.Is(err, errNoSum) {
		if old, oldErr := hasOldObjects(ctx, v.st); oldErr == nil && old {
			return nil
		}
	}
	if err != nil {
		return v.take(fault(st, was, err, do))
	}
	return nil
}

// known are the objects of the ledger that are alone in their kind.
func known(name string) bool {
	return name == leaseName || name == goldLeaseName || slices.Contains(witnessed, strings.TrimSuffix(name, witnessSuffix))
}

// strangers tells of what nobody gave its name: in the ledger, and beside the folders
// of the lake.
func (v *verifier) strangers(ctx context.Context) error {
	for info, err := range v.st.List(ctx, "ledger/") {
		if err != nil {
			return err
		}
		name := info.Name
		switch dir, _, _ := strings.Cut(name, "/date="); dir {
		case incrementsDir:
			continue // looked at with the lanes
		case rowsDir, metricsRowsDir:
			window, ok := windowFiled(name)
			if !ok {
				v.foreign(name)
				continue
			}
			if v.beyond(dir, window) {
				v.countProvisional()
				continue
			}
		case compactionsDir, publicationsDir, predictionsDir:
			if date, ok := dateFiled(dir, name); !ok || name != dir+"/date="+date.String()+".json" {
				v.foreign(name)
				continue
			}
		default:
			if strings.HasPrefix(name, journalsDir) {
				continue
			}
			if !known(name) {
				v.foreign(name)
				continue
			}
		}
		v.count(info.Size)
	}
	return v.besides(ctx)
}

// beyond reports whether a row is after what readers see.
func (v *verifier) beyond(dir string, window int64) bool {
	if v.ledger.Closed != nil {
		return false
	}
	if dir == metricsRowsDir {
		last, ok := v.ledger.metricsFinal()
		return !ok || window > last.Window
	}
	last, ok := v.ledger.Sealed()
	return !ok || window > last.Window
}

// besides tells of what is in the root of the lake and is not its own: files, folders,
// and generations that are not the lake.
func (v *verifier) besides(ctx context.Context) error {
	root := rootOf(v.st)
	current := Generation(v.st)
	children, err := childrenOf(ctx, root)
	if err != nil {
		return err
	}
	for _, name := range children {
		folder, isFolder := strings.CutSuffix(name, "/")
		own := slices.Contains(ofTheLake, folder) && isFolder || slices.Contains([]string{settingsName, witnessOf(settingsName)}, name)
		switch {
		case own && current == 0, name == "models/", name == generationName, name == witnessOf(generationName):
		case own && (name == "ledger/" || strings.HasPrefix(name, settingsName)):
			// Of generation 0, or the lease.
		case own:
			v.tell(Finding{Extra, name, fmt.Sprintf("it is of generation 0, and the lake is generation %d", current), "rebuild --prune removes it"})
		case name == generationsDir+"/":
			all, err := listGenerations(ctx, root)
			if err != nil {
				return err
			}
			for _, n := range all {
				v.generation(n, current)
			}
		default:
			v.foreign(name)
		}
	}
	return nil
}

func (v *verifier) generation(n, current int) {
	name := generationPath(n) + "/"
	switch {
	case n < current:
		v.tell(Finding{Extra, name, fmt.Sprintf("the lake is generation %d", current), "rebuild --prune removes it"})
	case n > current:
		v.tell(Finding{Extra, name, "it was begun and is not the lake", "If no rebuild is under way, rebuild --prune removes it"})
	}
}

// childrenOf returns what is at the top of a store: files, and folders with a slash
// at the end.
func childrenOf(ctx context.Context, st Store) (names []string, err error) {
	for from := ""; ; {
		next := ""
		for info, err := range st.ListFrom(ctx, "", from) {
			if err != nil {
				return nil, err
			}
			next = info.Name
			break
		}
		if next == "" {
			return names, nil
		}
		child, _, deeper := strings.Cut(next, "/")
		if deeper {
			names, from = append(names, child+"/"), child+"0" // '0' comes after '/': behind all of the folder
		} else {
			names, from = append(names, child), child+"\x20"
		}
	}
}
