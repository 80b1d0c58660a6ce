package bigquery

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bq "google.golang.org/api/bigquery/v2"
	"pgregory.net/rapid"

	"example.com/shopstream/internal/warehouse"
)

// exact compares NUMERICs by their value.
var exact = cmp.Comparer(func(a, b *big.Rat) bool { return a.Cmp(b) == 0 })

// answered sets what queries answer: a column of each type, one row of values
// and one of NULLs.
func answered(f *fakeService) {
	f.answer = &bq.QueryResponse{
		JobComplete: true, TotalRows: 2,
		Schema: &bq.TableSchema{Fields: []*bq.TableFieldSchema{
			{Name: "b", Type: "BOOLEAN"},
			{Name: "i", Type: "INTEGER"},
			{Name: "f", Type: "FLOAT"},
			{Name: "n", Type: "NUMERIC"},
			{Name: "s", Type: "STRING"},
			{Name: "d", Type: "DATE"},
			{Name: "t", Type: "TIMESTAMP"},
		}},
	}
	one, none := &bq.TableRow{}, &bq.TableRow{}
	for _, v := range []string{"true", "-4611686018427387904", "0.1", "1234567890123.123456", "Ünï", "2026-03-01", "1772368215123456"} {
		one.F = append(one.F, &bq.TableCell{V: v})
		none.F = append(none.F, &bq.TableCell{V: nil})
	}
	f.answer.Rows = []*bq.TableRow{one, none}
}

var answer = [][]any{
	{true, int64(-1 << 62), 0.1, big.NewRat(1234567890123123456, 1_000_000), "Ünï", day, time.Date(2026, 3, 1, 12, 30, 15, 123456000, time.UTC)},
	{nil, nil, nil, nil, nil, nil, nil},
}

func TestQuery(t *testing.T) {
	for _, faults := range [][]fault{
		nil,
		{{"POST jobs", unavailable}, {"POST jobs", resetAfter}, {"GET queries/", cutAnswer}, {"GET queries/", rateLimit}, {"GET jobs/", reset}, {"GET queries/", tooMany}},
		{{"POST jobs", lostAnswer}, {"GET jobs/", internal}, {"GET queries/", hang}},
	} {
		f := startFake(t)
		answered(f)
		f.faults = faults
		w := f.open(t)
		w.o.MaxBytesBilled = 1 << 30
		got, err := w.Query(t.Context(), "SELECT …", warehouse.Params{"from": day, "least": big.NewRat(1, 8), "none": nil, "at": time.UnixMicro(1).In(time.FixedZone("", 3600)), "no_count": (*int64)(nil)})
		if err != nil {
			t.Fatal(err)
		}
		want := &warehouse.Rows{
			Columns: []warehouse.ResultColumn{
				{Name: "b", Type: warehouse.Bool},
				{Name: "i", Type: warehouse.Int64},
				{Name: "f", Type: warehouse.Float64},
				{Name: "n", Type: warehouse.Numeric},
				{Name: "s", Type: warehouse.String},
				{Name: "d", Type: warehouse.Date},
				{Name: "t", Type: warehouse.Timestamp},
			},
			Rows: answer, Bytes: 10485760,
		}
		if diff := cmp.Diff(want, got, exact); diff != "" {
			t.Error(diff)
		}
		config := f.jobs[f.order[0]].Configuration
		if config.Query.MaximumBytesBilled != 1<<30 || config.Query.DefaultDataset.DatasetId != "shop" || config.Labels["app"] != "shopstream" || *config.Query.UseLegacySql {
			t.Errorf("query %+v, labels %v", config.Query, config.Labels)
		}
		bound := map[string]string{}
		for _, p := range config.Query.QueryParameters {
			bound[p.Name] = p.ParameterType.Type + " " + p.ParameterValue.Value
		}
		if diff := cmp.Diff(map[string]string{
			"from": "DATE 2026-03-01", "least": "NUMERIC 0.125000000", "none": "STRING ", "at": "TIMESTAMP 1970-01-01 00:00:00.000001+00:00", "no_count": "INT64 ",
		}, bound); diff != "" {
			t.Error(diff)
		}
	}
}

func TestQueryErrors(t *testing.T) {
	f := startFake(t)
	answered(f)
	w := f.open(t)
	for name, tt := range map[string]struct {
		faults []string
		params warehouse.Params
		want   string
	}{
		"the service stays away": {faults: []string{unavailable, unavailable, unavailable, unavailable, unavailable}, want: "given up after 5 attempts"},
		"a wrong text":           {faults: []string{invalid}, want: "not like this"},
		"a third":                {params: warehouse.Params{"x": big.NewRat(1, 3)}, want: "parameter @x: expected a NUMERIC"},
		"too large":              {params: warehouse.Params{"x": new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(29), nil))}, want: "29 digits"},
		"another type":           {params: warehouse.Params{"x": int32(1)}, want: "found int32"},
	} {
		t.Run(name, func(t *testing.T) {
			before := f.requests("POST jobs")
			f.fail("POST jobs", tt.faults...)
			if _, err := w.Query(t.Context(), "SELECT 1", tt.params); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, expected one with %q", err, tt.want)
			}
			if n := f.requests("POST jobs") - before; n != len(tt.faults) {
				t.Errorf("%d requests, expected %d", n, len(tt.faults))
			}
		})
	}
	f.answer.Schema.Fields[0].Type = "DATETIME"
	f.answer.Rows[0].F[0].V = "2026-03-01T00:00:00"
	if _, err := w.Query(t.Context(), "SELECT 1", nil); err == nil || !strings.Contains(err.Error(), "column b") || !strings.Contains(err.Error(), "cast it") {
		t.Errorf("error %v", err)
	}
}

func TestExplain(t *testing.T) {
	f := startFake(t)
	f.fail("POST jobs", unavailable)
	bytes, err := f.open(t).Explain(t.Context(), "SELECT 1", nil)
	if err != nil || bytes != 4242 || f.jobCount() != 0 {
		t.Errorf("%d bytes, %v, %d jobs; expected 4242, no error and no job", bytes, err, f.jobCount())
	}
}

// TestNumeric: what is bound is what was meant, or refused.
func TestNumeric(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := big.NewRat(rapid.Int64().Draw(t, "a"), rapid.SampledFrom([]int64{1, 2, 3, 7, 8, 1000, 1_000_000_000, 10_000_000_000}).Draw(t, "b"))
		bound, err := parameter(v)
		text := v.FloatString(numericDigits)
		same, _ := new(big.Rat).SetString(text)
		if (err == nil) != (same.Cmp(v) == 0) {
			t.Fatalf("%s with %d decimals is %s, and binding it gives %v, %v", v, numericDigits, text, bound, err)
		}
	})
}
