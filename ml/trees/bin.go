package trees

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
)

// MaxBins is the largest number of bins of a column, the one for missing
// values not counted.
const MaxBins = 255

// featuresPerWord bins of one row share a 64-bit word.
const featuresPerWord = 8

// Binned is a Matrix cut into bins, one byte a value. It is immutable: many
// models can be trained on it at the same time.
type Binned struct {
	*layout
	rows int
	// words holds a row's bins side by side, so that one cache line or two
	// bring all features of a row: word w of row r is words[r*width+w].
	words []uint64
	// foreign tells that a category occurs that the layout does not know.
	foreign bool
}

// layout is how values map to bins; training and validation share it.
type layout struct {
	names    []string
	features []feature
	width    int // words a row
	cells    int // cells of one histogram
}

// feature is the map of one column.
type feature struct {
	categorical bool
	// cuts are ascending: the bin of a value is the number of cuts not above
	// it. So a value is below cuts[k] just when its bin is at most k.
	cuts   []float32
	ladder ladder // the cuts
	// codes are the category of each bin, ascending.
	codes []int32
	// bins is the number of bins for values; the next one is for missing.
	bins int
	// cell is where the feature's part of a histogram starts.
	cell int
}

// Rows is the number of rows.
func (b *Binned) Rows() int { return b.rows }

// Features is the number of columns.
func (b *Binned) Features() int { return len(b.features) }

// Bin cuts each column at quantiles into at most bins bins (2 to MaxBins). A
// boundary lies half-way between two values that occur, and a value that
// holds more than its share of the rows has a bin of its own. A column with
// few distinct values has one bin for each. The result depends on the values
// only.
//
// It fails on an empty or ragged matrix, an infinite value, a category code
// that is no small integer, and a categorical column with more codes than bins.
func Bin(m Matrix, bins int) (*Binned, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	if bins < 2 || bins > MaxBins {
		return nil, fmt.Errorf("trees: %d bins asked for, 2 to %d are possible", bins, MaxBins)
	}
	l := &layout{
		names:    slices.Clone(m.Names),
		features: make([]feature, len(m.Columns)),
		width:    (len(m.Columns) + featuresPerWord - 1) / featuresPerWord,
	}
	errs := make([]error, len(m.Columns))
	scratch := sync.Pool{New: func() any { return new(sortScratch) }}
	parallel(len(m.Columns), 0, func(f int) {
		s := scratch.Get().(*sortScratch)
		defer scratch.Put(s)
		l.features[f], errs[f] = newFeature(m.Columns[f], m.categorical(f), bins, s)
		if errs[f] != nil {
			errs[f] = fmt.Errorf("trees: %s: %w", m.name(f), errs[f])
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for f := range l.features {
		l.features[f].cell = l.cells
		l.cells += l.features[f].bins + 1
	}
	return l.apply(m)
}

// Like cuts another matrix, such as a validation set, at the same boundaries.
// A category that b does not hold goes left at every split of its column, as
// in XGBoost; the result can then validate but not train.
func (b *Binned) Like(m Matrix) (*Binned, error) {
	if err := m.validate(); err != nil {
		return nil, err
	}
	if len(m.Columns) != len(b.features) {
		return nil, fmt.Errorf("trees: the matrix has %d columns, the bins were cut for %d", len(m.Columns), len(b.features))
	}
	if m.Names != nil && b.names != nil && !slices.Equal(m.Names, b.names) {
		return nil, fmt.Errorf("trees: the matrix has columns %q, the bins were cut for %q", m.Names, b.names)
	}
	for f := range b.features {
		if m.categorical(f) != b.features[f].categorical {
			return nil, fmt.Errorf("trees: %s is categorical in one matrix and not in the other", m.name(f))
		}
	}
	return b.apply(m)
}

// blockRows are binned together, so that their words stay in the cache while
// one column after the other is written.
const blockRows = 2048

func (l *layout) apply(m Matrix) (*Binned, error) {
	rows := m.Rows()
	b := &Binned{layout: l, rows: rows, words: make([]uint64, rows*l.width)}
	blocks := (rows + blockRows - 1) / blockRows
	errs := make([]error, blocks)
	var foreign atomic.Bool
	parallel(blocks, 0, func(block int) {
		from := block * blockRows
		to := min(from+blockRows, rows)
		for f := range l.features {
			shift := 8 * (f % featuresPerWord)
			at := from*l.width + f/featuresPerWord
			feature := &l.features[f]
			for i, v := range m.Columns[f][from:to] {
				bin, err := feature.bin(v)
				if err != nil {
					errs[block] = fmt.Errorf("trees: %s, row %d: %w", m.name(f), from+i, err)
					return
				}
				if bin == unseen && feature.categorical {
					foreign.Store(true)
				}
				b.words[at] |= uint64(bin) << shift
				at += l.width
			}
		}
	})
	b.foreign = foreign.Load()
	return b, errors.Join(errs...)
}

// bin finds a value's bin.
func (f *feature) bin(v float32) (uint8, error) {
	if v != v {
		return uint8(f.bins), nil
	}
	if err := checkValue(v, f.categorical); err != nil {
		return 0, err
	}
	if f.categorical {
		k, found := slices.BinarySearch(f.codes, int32(v))
		if !found {
			return unseen, nil
		}
		return uint8(k), nil
	}
	return uint8(f.ladder.rank(v)), nil
}

// at is the bin of a row.
func (b *Binned) at(row, f int) uint8 {
	return uint8(b.words[row*b.width+f/featuresPerWord] >> (8 * (f % featuresPerWord)))
}

// unseen is the bin of a category that the layout does not know. No split
// lists it, so that it goes left, as in XGBoost. A categorical column has at
// most maxCategoricalBins bins, so that it collides with no other.
const (
	unseen             = 255
	maxCategoricalBins = 254
)

// newFeature derives the map of one column.
func newFeature(column []float32, categorical bool, bins int, s *sortScratch) (feature, error) {
	for row, v := range column {
		if err := checkValue(v, categorical); err != nil {
			return feature{}, fmt.Errorf("row %d: %w", row, err)
		}
	}
	values, counts := s.distinct(column)
	if categorical {
		if limit := min(bins, maxCategoricalBins); len(values) > limit {
			return feature{}, fmt.Errorf("%d categories, at most %d are possible: group the rare ones", len(values), limit)
		}
		f := feature{categorical: true, bins: max(1, len(values))}
		for _, v := range values {
			f.codes = append(f.codes, int32(fromSortKey(v)))
		}
		return f, nil
	}
	cuts := quantileCuts(values, counts, bins)
	return feature{cuts: cuts, ladder: newLadder(cuts), bins: len(cuts) + 1}, nil
}

// quantileCuts walks the distinct values and closes a bin when it holds its
// share of the rows that are left, so that a value with many rows does not
// starve the rest.
func quantileCuts(values, counts []uint32, bins int) []float32 {
	if len(values) < 2 {
		return nil
	}
	if len(values) <= bins {
		cuts := make([]float32, len(values)-1)
		for i := range cuts {
			cuts[i] = between(fromSortKey(values[i]), fromSortKey(values[i+1]))
		}
		return cuts
	}
	total := 0
	for _, n := range counts {
		total += int(n)
	}
	// A value above an even share is a bin of its own; the others share what
	// is left.
	share := float64(total) / float64(bins)
	restRows, restBins := total, bins
	for _, n := range counts {
		if float64(n) >= share {
			restRows -= int(n)
			restBins--
		}
	}
	big := func(i int) bool { return float64(counts[i]) >= share }
	cuts := make([]float32, 0, bins-1)
	inBin := 0
	target := float64(restRows) / float64(max(1, restBins))
	for i := 0; i < len(values)-1 && len(cuts) < bins-1; i++ {
		inBin += int(counts[i])
		if !big(i) {
			restRows -= int(counts[i])
		}
		full := float64(inBin) >= target
		alone := big(i+1) && float64(inBin) >= max(1, target/2)
		if !big(i) && !full && !alone {
			continue
		}
		cuts = append(cuts, between(fromSortKey(values[i]), fromSortKey(values[i+1])))
		inBin = 0
		if !big(i) {
			restBins--
			target = float64(restRows) / float64(max(1, restBins))
		}
	}
	return cuts
}

// between is a float32 c with a < c ≤ b, half-way where the format allows.
func between(a, b float32) float32 {
	c := float32((float64(a) + float64(b)) / 2)
	if c <= a || c > b {
		return b
	}
	return c
}

// sortScratch is the memory for sorting a column, of which each worker has one.
type sortScratch struct{ keys, spare []uint32 }

// distinct returns the distinct values of a column without NaN, ascending, as
// sort keys, and how often each occurs. −0 and 0 are one value. The results
// are parts of the scratch.
func (s *sortScratch) distinct(column []float32) (values, counts []uint32) {
	s.keys = slices.Grow(s.keys[:0], len(column))
	s.spare = slices.Grow(s.spare[:0], len(column))
	for _, v := range column {
		if v == v {
			s.keys = append(s.keys, sortKey(v))
		}
	}
	s.sort()
	values, counts = s.keys[:0], s.spare[:0]
	for i := 0; i < len(s.keys); {
		key, j := s.keys[i], i+1
		for j < len(s.keys) && s.keys[j] == key {
			j++
		}
		values = append(values, key)
		counts = append(counts, uint32(j-i))
		i = j
	}
	return values, counts
}

// sort orders the keys by radix: three passes of 11 bits.
func (s *sortScratch) sort() {
	if len(s.keys) < 4096 {
		slices.Sort(s.keys)
		return
	}
	const digits = 11
	s.spare = s.spare[:len(s.keys)]
	for shift := 0; shift < 32; shift += digits {
		var start [1 << digits]int
		for _, k := range s.keys {
			start[k>>shift&(1<<digits-1)]++
		}
		sum := 0
		for d, n := range start {
			start[d] = sum
			sum += n
		}
		for _, k := range s.keys {
			d := k >> shift & (1<<digits - 1)
			s.spare[start[d]] = k
			start[d]++
		}
		s.keys, s.spare = s.spare, s.keys
	}
}
