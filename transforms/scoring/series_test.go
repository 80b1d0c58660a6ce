package scoring

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"example.com/shopstream/ml/forecast"
)

// small is a series of six days, the third of which is closed.
func small() forecast.Series {
	nan := math.NaN()
	return forecast.Series{
		ID: "ü", Category: "tea", First: 1,
		Y: []float64{0, 3, 0, 0, 0.5, 0}, Orders: []float64{0, 1, 0, 0, 1, 0}, Price: []float64{nan, 2.55, nan, nan, 0, nan},
	}
}

var smallOpen = []bool{true, true, false, true, true, true}

func mustEncode(t testing.TB, s forecast.Series) []byte {
	t.Helper()
	b, err := EncodeSeries(&s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealed sets the checksum.
func sealed(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func TestSeriesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "days")
		s := forecast.Series{ID: rapid.String().Draw(t, "id"), Category: rapid.String().Draw(t, "category"), First: rapid.IntRange(0, n-1).Draw(t, "first")}
		open := make([]bool, n)
		number := rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(0, maxValue), rapid.Map(rapid.IntRange(0, 5000), func(i int) float64 { return float64(i) }))
		for day := range n {
			open[day] = rapid.Bool().Draw(t, "open")
			y, orders, price := 0.0, 0.0, math.NaN()
			if open[day] && day >= s.First {
				y, orders = number.Draw(t, "y"), number.Draw(t, "orders")
				if rapid.Bool().Draw(t, "priced") {
					price = number.Draw(t, "price")
				}
			}
			s.Y, s.Orders, s.Price = append(s.Y, y), append(s.Orders, orders), append(s.Price, price)
		}
		b, err := EncodeSeries(&s)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeSeries(b, open)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, got, cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(forecast.Series{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestEncodeRefusesUnequalLengths(t *testing.T) {
	s := small()
	s.Orders = s.Orders[1:]
	if _, err := EncodeSeries(&s); err == nil {
		t.Error("a series without an order count of each day is packed")
	}
}

// badElements are elements that are no series of a shop of smallOpen, and why.
func badElements(t testing.TB) map[string]struct {
	element []byte
	reason  Reason
} {
	t.Helper()
	good := mustEncode(t, small())
	body := good[:len(good)-checksumBytes]
	with := func(change func(s *forecast.Series)) []byte {
		s := small()
		change(&s)
		return mustEncode(t, s)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 4
	long := small()
	long.Y, long.Orders, long.Price = append(long.Y, 0), append(long.Orders, 0), append(long.Price, math.NaN())
	return map[string]struct {
		element []byte
		reason  Reason
	}{
		"empty":             {nil, Damaged},
		"four bytes":        {[]byte{1, 2, 3, 4}, Damaged},
		"a text":            {[]byte("85123A,6,2.55"), Damaged},
		"a bit":             {flipped, Damaged},
		"cut":               {good[:len(good)-1], Damaged},
		"cut, and sealed":   {sealed(append([]byte(nil), body[:len(body)-1]...)), Damaged},
		"only a format":     {sealed([]byte{seriesFormat}), Damaged},
		"a day twice":       {sealed(append(append([]byte(nil), body...), 0, 0, 0, 0)), Damaged},
		"a day far away":    {sealed(binary.AppendUvarint(append([]byte(nil), body...), math.MaxUint64)), Damaged},
		"later format":      {sealed(append([]byte{seriesFormat + 1}, body[1:]...)), NewFormat},
		"a day more":        {mustEncode(t, long), OtherDays},
		"beyond its days":   {sealed(append(append([]byte(nil), body...), 9, 0, 0, 0)), OtherDays},
		"below 0":           {with(func(s *forecast.Series) { s.Y[1] = -1 }), BadNumber},
		"no number":         {with(func(s *forecast.Series) { s.Y[1] = math.NaN() }), BadNumber},
		"no number either":  {with(func(s *forecast.Series) { s.Y[3] = math.NaN() }), BadNumber},
		"infinite":          {with(func(s *forecast.Series) { s.Orders[1] = math.Inf(1) }), BadNumber},
		"too large":         {with(func(s *forecast.Series) { s.Price[1] = 2e15 }), BadNumber},
		"never sold":        {with(func(s *forecast.Series) { s.First = 6 }), NoSale},
		"before first sale": {with(func(s *forecast.Series) { s.First = 3 }), NoSale},
		"closed":            {with(func(s *forecast.Series) { s.Y[2] = 1 }), ClosedSale},
	}
}

func TestBadElementsHaveAReason(t *testing.T) {
	for name, c := range badElements(t) {
		_, err := decodeSeries(c.element, smallOpen)
		bad, ok := asInvalid(err)
		if !ok || bad.Reason != c.reason || bad.Detail == "" {
			t.Errorf("%s: got %v, expected the reason %s", name, err, c.reason)
		}
	}
}

// TestEveryBitCounts: a bit that is changed anywhere is noticed.
func TestEveryBitCounts(t *testing.T) {
	good := mustEncode(t, small())
	for i := range 8 * len(good) {
		b := append([]byte(nil), good...)
		b[i/8] ^= 1 << (i % 8)
		if _, err := decodeSeries(b, smallOpen); err == nil {
			t.Errorf("bit %d is changed, and nothing is said", i)
		}
	}
}

func FuzzDecodeSeries(f *testing.F) {
	f.Add(mustEncode(f, small()), true)
	for _, c := range badElements(f) {
		f.Add(c.element, false)
		f.Add(c.element, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, seal bool) {
		if seal {
			b = sealed(b)
		}
		s, err := decodeSeries(b, smallOpen)
		if err != nil {
			if _, ok := asInvalid(err); !ok {
				t.Fatalf("an error without a reason: %v", err)
			}
			return
		}
		again, err := decodeSeries(mustEncode(t, s), smallOpen)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(s, again, cmpopts.EquateNaNs(), cmpopts.IgnoreUnexported(forecast.Series{})); diff != "" {
			t.Fatal(diff)
		}
	})
}
