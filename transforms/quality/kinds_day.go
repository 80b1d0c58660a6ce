package quality

import (
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rules about a day as a whole.

// volume: a sum is like those of the same weekday before.
type volume struct {
	Columns []string  `yaml:"columns"`
	By      []string  `yaml:"by"`
	Factor  []float64 `yaml:"factor"`   // the least and the most, times the median
	Last    int       `yaml:"last"`     // weeks to look back
	AtLeast int       `yaml:"at_least"` // of them have to be known
}

func (k *volume) needs() []string { return measures{k.Columns, k.By}.needs() }

// mostWeeks is how far back a rule may look.
const mostWeeks = 8

func (k *volume) validate(s *schemas) error {
	f := k.Factor
	// Written so that a NaN is refused.
	if len(f) != 2 || !(f[0] >= 0 && f[0] < f[1] && f[1] <= math.MaxFloat64) {
		return fmt.Errorf("factor: expected two numbers, the least of 0 or more and the most above it, found %v", f)
	}
	if k.AtLeast < 1 || k.Last < k.AtLeast || k.Last > mostWeeks {
		return fmt.Errorf("expected at_least of 1 or more and last from there to %d, found at_least %d and last %d", mostWeeks, k.AtLeast, k.Last)
	}
	return measures{k.Columns, k.By}.check(s, 1)
}

func (k *volume) evaluate(e *evaluation) []finding {
	number := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	threshold := fmt.Sprintf("%s to %s times the median of the last %d same weekdays", number(k.Factor[0]), number(k.Factor[1]), k.Last)
	out := make([]finding, len(k.Columns))
	for i, name := range k.Columns {
		switch {
		case !e.context.Complete:
			out[i] = unknown(columnName(name), threshold, "the date is not complete")
			continue
		case e.context.History == nil:
			out[i] = unknown(columnName(name), threshold, "there is no history")
			continue
		}
		t := e.typeOf(name)
		have, _ := sum(e.rows, e.match, name, t, k.By)
		f := finding{column: columnName(name), threshold: threshold}
		var wrong []string
		known := 0
		for _, g := range sortedGroups(have) {
			measure := name
			if len(k.By) > 0 {
				if g == (group{}) {
					continue
				}
				measure += "/" + g.label(1)
			}
			before := e.context.History(e.table.Name, measure, k.Last)
			before = before[:min(len(before), k.Last)]
			known = max(known, len(before))
			middle := median(before)
			if len(before) < k.AtLeast || !(middle > 0) {
				continue
			}
			value := have[g].float(t)
			ratio := value / middle
			if f.measured == nil || unlike(ratio) > unlike(*f.measured) {
				f.measured = &ratio
			}
			if ratio < k.Factor[0] || ratio > k.Factor[1] {
				wrong = append(wrong, fmt.Sprintf("%s is %s, the median of %d is %s", measure, number(value), len(before), number(middle)))
			}
		}
		if f.measured == nil {
			out[i] = unknown(f.column, threshold, fmt.Sprintf("%d same weekdays known, needed %d with something in most of them", known, k.AtLeast))
			continue
		}
		f.failed, f.detail = len(wrong) > 0, strings.Join(wrong, "; ")
		out[i] = f
	}
	return out
}

// unlike is how far a ratio is from 1, in either direction.
func unlike(ratio float64) float64 { return math.Abs(math.Log(ratio)) }

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return sorted[half-1]/2 + sorted[half]/2
}

// freshness: the newest event is not older than a limit.
type freshness struct {
	Limit time.Duration `yaml:"limit"`
}

func (k *freshness) needs() []string { return nil }

func (k *freshness) validate(*schemas) error {
	if k.Limit <= 0 {
		return fmt.Errorf("limit: expected a duration such as 18h, found %v", k.Limit)
	}
	return nil
}

func (k *freshness) evaluate(e *evaluation) []finding {
	c := e.context
	threshold := "newest event at most " + k.Limit.String() + " before the end"
	switch {
	case !c.Complete:
		return []finding{unknown("", threshold, "the date is not complete")}
	case c.NewestEvent.IsZero() || c.Now.IsZero():
		return []finding{unknown("", threshold, "the newest event is not known")}
	}
	age := c.Now.Sub(c.NewestEvent)
	seconds := age.Seconds()
	f := finding{threshold: threshold, measured: &seconds}
	if age > k.Limit {
		f.failed = true
		f.detail = fmt.Sprintf("the newest event is of %s, %s before %s", c.NewestEvent.UTC().Format(time.RFC3339), age.Round(time.Second), c.Now.UTC().Format(time.RFC3339))
	}
	return []finding{f}
}

// ledgerIdentity: read = silver + duplicates + dead + late, over all of a closed
// ledger.
type ledgerIdentity struct{}

func (k *ledgerIdentity) needs() []string { return nil }

func (k *ledgerIdentity) validate(*schemas) error { return nil }

func (k *ledgerIdentity) evaluate(e *evaluation) []finding {
	const threshold = "read = silver + duplicates + dead + late"
	t := e.context.Ledger
	if t == nil || !e.context.LedgerClosed {
		return []finding{unknown("", threshold, "the ledger is not closed")}
	}
	difference := float64(t.Read - t.Silver - t.Duplicates - t.DeadCount() - t.Late)
	f := finding{threshold: threshold, measured: &difference}
	if err := t.Check(); err != nil {
		f.failed, f.detail = true, err.Error()
	}
	return []finding{f}
}

// sqlFile: a SELECT returns no rows. It is run by "sql check".
type sqlFile struct {
	File string `yaml:"file"`
}

func (k *sqlFile) needs() []string { return nil }

func (k *sqlFile) validate(s *schemas) error {
	if k.File == "" || strings.Trim(k.File, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fmt.Errorf("file: expected the name of a file in checks without .sql, of lower-case letters, digits and _, found %q", k.File)
	}
	name := s.table.Name + "/checks/" + k.File + ".sql"
	if _, err := fs.Stat(s.files, name); err != nil {
		return fmt.Errorf("file: expected %s: %w", name, err)
	}
	return nil
}

func (k *sqlFile) evaluate(*evaluation) []finding { return nil }
