package trees

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func mustBin(t *rapid.T, m Matrix) *Binned {
	b, err := Bin(m, MaxBins)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Bins are monotone, a cut separates just the
// values below it, equal values share a bin, and missing has its own.
func TestBinsFollowTheOrderOfValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(
			rapid.Float32Range(-math.MaxFloat32, math.MaxFloat32),
			rapid.Map(rapid.IntRange(-3, 3), func(i int) float32 { return float32(i) }),
			rapid.SampledFrom([]float32{0, float32(math.Copysign(0, -1)), float32(math.NaN()), math.SmallestNonzeroFloat32, math.MaxFloat32}),
		), 1, 300).Draw(t, "values")
		bins := rapid.IntRange(2, MaxBins).Draw(t, "bins")
		b, err := Bin(Matrix{Columns: [][]float32{values}}, bins)
		if err != nil {
			t.Fatal(err)
		}
		f := &b.features[0]
		if f.bins > bins || f.bins != len(f.cuts)+1 {
			t.Fatalf("%d bins and %d cuts, %d bins asked for", f.bins, len(f.cuts), bins)
		}
		if !slices.IsSorted(f.cuts) || len(slices.Compact(slices.Clone(f.cuts))) != len(f.cuts) {
			t.Fatalf("cuts %v do not ascend", f.cuts)
		}
		for row, v := range values {
			bin := int(b.at(row, 0))
			if v != v {
				if bin != f.bins {
					t.Fatalf("a missing value is in bin %d of %d", bin, f.bins)
				}
				continue
			}
			for k, cut := range f.cuts {
				if (v < cut) != (bin <= k) {
					t.Fatalf("value %v is in bin %d, cut %d is %v", v, bin, k, cut)
				}
			}
		}
	})
}

// Few distinct values keep their own bin, with the cut half-way.
func TestDistinctValuesHaveTheirOwnBin(t *testing.T) {
	b, err := Bin(Matrix{Columns: [][]float32{{3, 1, 1, 7, float32(math.NaN()), 3}}}, 16)
	if err != nil {
		t.Fatal(err)
	}
	if want := []float32{2, 5}; !slices.Equal(b.features[0].cuts, want) {
		t.Errorf("cuts %v, want %v", b.features[0].cuts, want)
	}
}

// A value with most rows has a bin of its own and leaves the other bins to the
// other values, each with a fair share, wherever it lies.
func TestFrequentValueDoesNotStarveTheRest(t *testing.T) {
	for _, frequent := range []float32{-1, 4990.5, 20000} {
		var column []float32
		for i := range 10000 {
			v := frequent
			if i%10 == 0 {
				v = float32(i)
			}
			column = append(column, v)
		}
		b, err := Bin(Matrix{Columns: [][]float32{column}}, 51)
		if err != nil {
			t.Fatal(err)
		}
		counts := make([]int, b.features[0].bins)
		for row := range column {
			counts[b.at(row, 0)]++
		}
		own, err := b.features[0].bin(frequent)
		if err != nil {
			t.Fatal(err)
		}
		for bin, n := range counts {
			switch {
			case bin == int(own) && n != 9000:
				t.Errorf("the bin of %v holds %d rows, want 9000", frequent, n)
			case bin != int(own) && (n < 5 || n > 30):
				t.Errorf("frequent value %v: bin %d holds %d rows, 20 are its share", frequent, bin, n)
			}
		}
		if len(counts) < 45 {
			t.Errorf("frequent value %v: only %d bins of 51", frequent, len(counts))
		}
	}
}

func TestRadixSortOrdersKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keys := rapid.SliceOfN(rapid.Uint32(), 1, 50).Draw(t, "keys")
		for len(keys) < 5000 {
			keys = append(keys, keys[len(keys)/2]*2654435761+uint32(len(keys)))
		}
		s := sortScratch{keys: slices.Clone(keys), spare: make([]uint32, len(keys))}
		s.sort()
		slices.Sort(keys)
		if !slices.Equal(s.keys, keys) {
			t.Fatal("the keys are not in order")
		}
	})
}

func TestBinRefuses(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	many := make([]float32, 300)
	for i := range many {
		many[i] = float32(i)
	}
	for _, test := range []struct {
		name string
		m    Matrix
		bins int
		want string
	}{
		{"no columns", Matrix{}, 8, "no columns"},
		{"no rows", Matrix{Columns: [][]float32{{}}}, 8, "no rows"},
		{"ragged", Matrix{Columns: [][]float32{{1, 2}, {1}}}, 8, "column 1 has 1 rows"},
		{"names", Matrix{Columns: [][]float32{{1}}, Names: []string{"a", "b"}}, 8, "1 columns but 2 names"},
		{"flags", Matrix{Columns: [][]float32{{1}}, Categorical: []bool{true, false}}, 8, "2 categorical flags"},
		{"infinite", Matrix{Columns: [][]float32{{1, inf}}}, 8, "row 1: value is infinite"},
		{"one bin", Matrix{Columns: [][]float32{{1}}}, 1, "2 to 255 are possible"},
		{"256 bins", Matrix{Columns: [][]float32{{1}}}, 256, "2 to 255 are possible"},
		{"negative category", Matrix{Columns: [][]float32{{-1}}, Categorical: []bool{true}}, 8, "category code -1"},
		{"fractional category", Matrix{Columns: [][]float32{{nan, 1.5}}, Categorical: []bool{true}}, 8, "row 1: category code 1.5"},
		{"too many categories", Matrix{Columns: [][]float32{many}, Categorical: []bool{true}, Names: []string{"sku"}}, 255, `column 0 ("sku"): 300 categories`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := Bin(test.m, test.bins); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestLikeRefusesOtherColumns(t *testing.T) {
	e := newExample(50, 1)
	b := e.bin(t, 32)
	other := e.m
	other.Names = []string{"normal", "small", "category", "skew", "other"}
	if _, err := b.Like(other); err == nil {
		t.Error("other names are accepted")
	}
	other = e.m
	other.Categorical = nil
	if _, err := b.Like(other); err == nil {
		t.Error("another kind of column is accepted")
	}
	other = Matrix{Columns: e.m.Columns[:3]}
	if _, err := b.Like(other); err == nil {
		t.Error("fewer columns are accepted")
	}
}
