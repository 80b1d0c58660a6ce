package sales

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/civil"
	gocmp "github.com/google/go-cmp/cmp"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/internal/shop"
)

func someIDs(r *rand.Rand, n int) []lineID {
	ids := make([]lineID, n)
	for i := range ids {
		binary.LittleEndian.PutUint64(ids[i].digest[:], r.Uint64())
		binary.LittleEndian.PutUint64(ids[i].digest[8:], r.Uint64())
		ids[i].record = position{int32(r.IntN(9)), r.Int64()}
		ids[i].time, ids[i].amount, ids[i].currency, ids[i].cancelled = r.Int64N(4e15), shop.Money(r.Int64()), "GBP", r.IntN(2) == 0
	}
	return ids
}

// A file of ids is read as it was written, and no other.
func TestIDsAreReadAsWritten(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 500} {
		want := someIDs(r, n)
		data := encodeIDs(want) // sorts them
		got, err := decodeIDs(data)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%d ids: %v, %v", n, err, got)
		}
		for range 200 {
			if len(data) == 0 {
				break
			}
			part := idHead + n*idShort
			at := r.IntN(part)
			bad := slices.Clone(data)
			bad[at] ^= 1 << r.IntN(8)
			if _, err := decodeShort(bad[:part], int64(len(bad))); err == nil {
				t.Fatalf("%d ids: a bit of byte %d was another, and nothing said so", n, at)
			}
			if cut := r.IntN(len(data)-1) + 1; cut < len(data) {
				if _, err := decodeIDs(data[:cut]); err == nil {
					t.Fatalf("%d ids: cut after %d of %d bytes, and nothing said so", n, cut, len(data))
				}
			}
		}
	}
}

func FuzzDecodeIDs(f *testing.F) {
	f.Add(encodeIDs(someIDs(rand.New(rand.NewPCG(1, 2)), 3)))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		ids, err := decodeIDs(data)
		if err == nil && len(ids)*(idShort+idRest)+idHead != len(data) && len(data) > 0 {
			t.Fatalf("%d ids of %d bytes", len(ids), len(data))
		}
	})
}

// Of random days, FindTwins finds what a plain search does.
func TestFindTwinsEqualsPlainSearch(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		st, err := lake.OpenStore(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		standing := map[civil.Date]lake.Publication{}
		type at struct {
			date civil.Date
			lineID
		}
		byID := map[digest][]at{}
		for d := range 6 {
			date := DateOf(int32(20_000 + d))
			ids := someIDs(r, r.IntN(30))
			for i := range ids {
				ids[i].digest = digestOf(fmt.Sprint(d, i))
				if r.IntN(3) == 0 {
					ids[i].digest = digestOf(fmt.Sprint("shared", i))
				}
				byID[ids[i].digest] = append(byID[ids[i].digest], at{date, ids[i]})
			}
			file, err := putIDs(t.Context(), st, date, ids, lake.Publication{})
			if err != nil {
				t.Fatal(err)
			}
			standing[date] = lake.Publication{Date: date, IDs: file}
		}
		want := map[civil.Date]map[string]int64{}
		for d, all := range byID {
			first := slices.MinFunc(all, func(a, b at) int { return a.record.compare(b.record) })
			for _, a := range all {
				if a.date == first.date {
					continue
				}
				if want[a.date] == nil {
					want[a.date] = map[string]int64{}
				}
				want[a.date][fmt.Sprintf("%x", d[:])] = first.record.Offset
			}
		}
		for range 2 { // the second time from what the first has kept
			twins, damaged, err := FindTwins(t.Context(), st, standing)
			if err != nil || len(damaged) > 0 {
				t.Fatal(damaged, err)
			}
			got := map[civil.Date]map[string]int64{}
			for date, of := range twins {
				got[date] = map[string]int64{}
				for _, w := range of {
					got[date][w.ID] = w.Kept.Offset
				}
				if !slices.IsSortedFunc(of, func(a, b Twin) int { return strings.Compare(a.ID, b.ID) }) {
					t.Error("twins in no order")
				}
			}
			if diff := gocmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d (-plain +found):\n%s", seed, diff)
			}
		}
	}
}

// BenchmarkFindTwins looks for twins among 2 million order lines of a year.
func BenchmarkFindTwins(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	st, err := lake.OpenStore(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	standing := map[civil.Date]lake.Publication{}
	for d := range 365 {
		date := DateOf(int32(20_000 + d))
		file, err := putIDs(b.Context(), st, date, someIDs(r, 5480), lake.Publication{})
		if err != nil {
			b.Fatal(err)
		}
		standing[date] = lake.Publication{Date: date, IDs: file}
	}
	for b.Loop() {
		if err := st.Delete(b.Context(), TwinsName); err != nil {
			b.Fatal(err)
		}
		if _, _, err := FindTwins(b.Context(), st, standing); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkLineIDs is what a day's file of ids costs: an op is an order line.
func BenchmarkLineIDs(b *testing.B) {
	p := newPartial()
	for i := range 10_000 {
		p.add(&event{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", i), Type: ordered, ProductID: "p", Category: "c", OrderID: "o", Currency: "GBP", Quantity: 1, UnitPrice: 5}, uint64(i), Hour{})
	}
	b.ReportAllocs()
	for i := 0; i < b.N; i += 10_000 {
		ids, err := p.lineIDs()
		if err != nil || len(encodeIDs(ids)) == 0 {
			b.Fatal(err)
		}
	}
}
