package bigquery

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestParseURI(t *testing.T) {
	tests := []struct {
		uri  string
		want Options
		err  string
	}{
		{uri: "bigquery://my-project/shop", want: Options{Project: "my-project", Dataset: "shop"}},
		{uri: "bigquery://example.com:my-project/shop_1", want: Options{Project: "example.com:my-project", Dataset: "shop_1"}},
		{uri: "bigquery://my-project/shop?location=EU&max_bytes_billed=10000000000", want: Options{Project: "my-project", Dataset: "shop", Location: "EU", MaxBytesBilled: 1e10}},
		{uri: "", err: "does not start with bigquery://"},
		{uri: "bigquery:my-project/shop", err: "does not start"},
		{uri: "bigquery://my-project", err: `"" is not the name of a dataset`},
		{uri: "bigquery://My_Project/shop", err: "not the id of a project"},
		{uri: "bigquery://my-project/shop/table", err: "not the name of a dataset"},
		{uri: "bigquery://my-project/shop?size=1", err: `no option "size"`},
		{uri: "bigquery://my-project/shop?location=EU&location=US", err: "given twice"},
		{uri: "bigquery://my-project/shop?location=E%55", err: "not a location"},
		{uri: "bigquery://my-project/shop?max_bytes_billed=0", err: "number of bytes above 0"},
		{uri: "bigquery://my-project/shop?max_bytes_billed=1e9", err: "number of bytes above 0"},
	}
	for _, tt := range tests {
		t.Run(tt.uri, func(t *testing.T) {
			got, err := ParseURI(tt.uri)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "expected bigquery://project/dataset") {
					t.Fatalf("error %v, expected one with %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreUnexported(Options{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzParseURI(f *testing.F) {
	f.Add("bigquery://my-project/shop?location=EU&max_bytes_billed=1")
	f.Add("bigquery://example.com:my-project/shop?")
	f.Fuzz(func(t *testing.T, uri string) {
		o, err := ParseURI(uri)
		if err != nil {
			return
		}
		again, err := ParseURI(o.URI())
		if err != nil || again.Project != o.Project || again.Dataset != o.Dataset {
			t.Errorf("%q is read as %+v, its URI %q as %+v, %v", uri, o, o.URI(), again, err)
		}
	})
}
