package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// A pointer of format 1, of older programs, has no checksum.
	pointerFormat   = 2
	pointerUnsummed = 1
	// A change names those before it, so that one read tells all. These bounds keep
	// it below maxManifestBytes.
	maxHistory = 100
	maxEarlier = 20
	maxReason  = 500 // bytes
	maxRemoved = 200 // versions a change
	maxNumber  = 999_999
)

// Pointer says which version of a model answers, as of its newest change.
type Pointer struct {
	// Number counts the changes; 0 before the first. PromoteIf takes it.
	Number     int     `json:"number"`
	Champion   string  `json:"champion,omitempty"`   // version; empty: none yet
	Challenger string  `json:"challenger,omitempty"` // version; empty: none
	Share      float64 `json:"share,omitempty"`      // of requests that the challenger answers, above 0 and below 1; 0 without one
	// Earlier are the champions that Rollback goes back to, the newest last.
	Earlier []string `json:"earlier,omitempty"`
	// History has the newest changes, at most 100, the newest last.
	History []Entry `json:"history,omitempty"`
}

// Action is what a change did.
type Action string

// The actions.
const (
	Promoted   Action = "promote"
	RolledBack Action = "rollback"
	Challenged Action = "challenger"
	Pruned     Action = "prune"
)

// Entry is one change, and what held after it.
type Entry struct {
	Number     int       `json:"number"`
	Action     Action    `json:"action"`
	Champion   string    `json:"champion,omitempty"`
	Challenger string    `json:"challenger,omitempty"`
	Share      float64   `json:"share,omitempty"`
	Changed    time.Time `json:"changed"` // UTC, whole seconds
	Reason     string    `json:"reason"`
	// Removed are the versions that a Prune was about to delete.
	Removed []string `json:"removed,omitempty"`
}

// Since returns the change that made the champion what it is; false if it is no
// longer in the history.
func (p Pointer) Since() (Entry, bool) {
	for _, e := range slices.Backward(p.History) {
		if e.Champion == p.Champion && (e.Action == Promoted || e.Action == RolledBack) {
			return e, true
		}
	}
	return Entry{}, false
}

// removed reports whether a Prune has given a version up.
func (p Pointer) removed(version string) bool {
	return slices.ContainsFunc(p.History, func(e Entry) bool { return slices.Contains(e.Removed, version) })
}

// then returns the pointer after a change, whose Number, Champion, Challenger and
// Share are filled in.
func (p Pointer) then(e Entry) Pointer {
	p.Number++
	e.Number, e.Champion, e.Challenger, e.Share = p.Number, p.Champion, p.Challenger, p.Share
	history := append(slices.Clone(p.History), e)
	p.History = history[max(0, len(history)-maxHistory):]
	p.Earlier = p.Earlier[max(0, len(p.Earlier)-maxEarlier):]
	return p
}

// storedPointer is a pointer as it is written.
type storedPointer struct {
	Format int    `json:"format"`
	Sum    string `json:"sum,omitempty"`
	Pointer
}

// sum is a pointer's checksum under its object's name: the start of a SHA-256.
func (p Pointer) sum(at string) (string, error) {
	text, err := json.Marshal(p)
	return hash(append([]byte(at+"\x00"), text...))[:16], err
}

// encodePointer is the content of the object at.
func encodePointer(at string, p Pointer) ([]byte, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	sum, err := p.sum(at)
	if err != nil {
		return nil, fmt.Errorf("pointer: %w", err)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(storedPointer{pointerFormat, sum, p}); err != nil {
		return nil, fmt.Errorf("pointer: %w", err)
	}
	return b.Bytes(), nil
}

// parsePointer reads the text of a pointer, strictly.
func parsePointer(at string, text []byte) (Pointer, error) {
	var s storedPointer
	if err := decode(text, &s, pointerUnsummed, pointerFormat); err != nil {
		return Pointer{}, fmt.Errorf("pointer: %w", err)
	}
	want := ""
	if s.Format != pointerUnsummed {
		var err error
		if want, err = s.sum(at); err != nil {
			return Pointer{}, fmt.Errorf("pointer: %w", err)
		}
	}
	if s.Sum != want {
		return Pointer{}, fmt.Errorf("pointer: its checksum is %q, but that of its content under this name is %q", s.Sum, want)
	}
	return s.Pointer, s.validate()
}

func (p Pointer) validate() error {
	if err := p.check(); err != nil {
		return fmt.Errorf("pointer: %w", err)
	}
	return nil
}

func (p Pointer) check() error {
	if p.Number < 1 || p.Number > maxNumber {
		return fmt.Errorf("expected a number from 1 to %d, found %d", maxNumber, p.Number)
	}
	if len(p.History) == 0 || len(p.History) > maxHistory || len(p.Earlier) > maxEarlier {
		return fmt.Errorf("expected 1 to %d changes and at most %d earlier champions, found %d and %d", maxHistory, maxEarlier, len(p.History), len(p.Earlier))
	}
	for _, version := range p.Earlier {
		if err := checkVersion(version); err != nil {
			return err
		}
	}
	for i, e := range p.History {
		if err := e.check(); err != nil {
			return fmt.Errorf("change %d: %w", e.Number, err)
		}
		if want := p.Number - len(p.History) + 1 + i; e.Number != want {
			return fmt.Errorf("expected change %d, found %d", want, e.Number)
		}
	}
	if e := p.History[len(p.History)-1]; e.Champion != p.Champion || e.Challenger != p.Challenger || e.Share != p.Share {
		return errors.New("expected what the newest change says, found another champion, challenger or share")
	}
	return nil
}

func (e Entry) check() error {
	for _, version := range append([]string{e.Champion, e.Challenger}, e.Removed...) {
		if version == "" {
			continue
		}
		if err := checkVersion(version); err != nil {
			return err
		}
	}
	if e.Challenger == "" && e.Share != 0 || e.Challenger != "" && checkShare(e.Share) != nil {
		return fmt.Errorf("challenger %q has a share of %g", e.Challenger, e.Share)
	}
	if !slices.Contains([]Action{Promoted, RolledBack, Challenged, Pruned}, e.Action) {
		return fmt.Errorf("the action %q is not known", e.Action)
	}
	if len(e.Removed) > maxRemoved {
		return fmt.Errorf("expected at most %d removed versions, found %d", maxRemoved, len(e.Removed))
	}
	return checkReason(e.Reason)
}

func checkShare(share float64) error {
	if !(share > 0 && share < 1) {
		return fmt.Errorf("share of requests: expected a number between 0 and 1, found %g", share)
	}
	return nil
}

func checkReason(reason string) error {
	control := func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }
	if strings.TrimSpace(reason) == "" || len(reason) > maxReason || strings.ContainsFunc(reason, control) {
		return fmt.Errorf("reason: expected a line of text of at most %d bytes that says why, found %.50q", maxReason, reason)
	}
	return nil
}
