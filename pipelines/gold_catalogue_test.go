package pipelines

import (
	"strings"
	"testing"

	"cloud.google.com/go/civil"

	"example.com/shopstream/transforms/sales"
)

// TestCatalogueOfStrangers: a catalogue of which no row matches is told, with
// both sides; one row that does is enough.
func TestCatalogueOfStrangers(t *testing.T) {
	l := newSmallLake(t, t.TempDir())
	l.day(civil.DateOf(firstDay))
	products := func(ids ...string) map[string]sales.CatalogueProduct {
		c := map[string]sales.CatalogueProduct{}
		for _, id := range ids {
			c[id] = sales.CatalogueProduct{Name: "name of " + id}
		}
		return c
	}
	for _, tc := range []struct {
		ids  []string
		want string
	}{
		{[]string{"P1 ", "z"}, `it has "P1 ", and the events "p1". Ids have to be equal`},
		{[]string{"x", "y"}, `it has "x", "y", and the events "p`},
		{[]string{"x", "p1"}, ""},
	} {
		var text strings.Builder
		r := l.gold(GoldOptions{Catalogue: products(tc.ids...), IncludeOpen: true, Rebuild: true})
		r.Write(&text)
		if found := strings.Contains(text.String(), "WARNING the catalogue names none of the "); found != (tc.want != "") || !strings.Contains(text.String(), tc.want) {
			t.Errorf("%q: expected %q in\n%s", tc.ids, tc.want, text.String())
		}
	}
}
