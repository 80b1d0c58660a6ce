package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/sales"
)

// strangers compares the catalogue with the products of the days that were made.
// It returns what to tell where they have none in common: the catalogue of another
// shop, or ids that are written in another way.
func (p *GoldPlan) strangers(ctx context.Context, st lake.Store) (string, error) {
	kept := p.settings.Catalogue
	if kept == nil || len(p.Jobs) == 0 {
		return "", nil
	}
	catalogue, err := sales.ReadCatalogue(ctx, st, kept)
	if err != nil {
		return "", err
	}
	products := map[string]bool{}
	for _, job := range p.Jobs {
		for day := range job.Plan.Days {
			rows, err := lake.ReadGold[lake.CatalogueRow](ctx, st, "product_catalogue", sales.DateOf(day))
			if errors.Is(err, fs.ErrNotExist) {
				continue // of history alone, or stopped
			}
			if err != nil {
				return "", err
			}
			for i := range rows {
				if _, ok := catalogue[rows[i].ProductID]; ok {
					return "", nil
				}
				products[rows[i].ProductID] = true
			}
		}
	}
	return unlike(slices.Sorted(maps.Keys(catalogue)), slices.Sorted(maps.Keys(products))), nil
}

// unlike words that two sorted lists of products have none in common; "" where one
// of them is empty. An id of each that differs only in its case or in spaces is
// the best example.
func unlike(catalogue, products []string) string {
	if len(catalogue) == 0 || len(products) == 0 {
		return ""
	}
	bare := func(id string) string { return strings.ToLower(strings.Join(strings.Fields(id), "")) }
	of := map[string]string{}
	for _, id := range products {
		of[bare(id)] = id
	}
	for _, id := range catalogue {
		if same, ok := of[bare(id)]; ok {
			return fmt.Sprintf("the catalogue names none of the %d products that were seen: it has %q, and the events %q. Ids have to be equal, letter by letter", len(products), id, same)
		}
	}
	const shown = 3
	list := func(ids []string) string {
		text := ""
		for _, id := range ids[:min(shown, len(ids))] {
			text += fmt.Sprintf("%q, ", id)
		}
		if len(ids) > shown {
			return text + "…"
		}
		return strings.TrimSuffix(text, ", ")
	}
	return fmt.Sprintf("the catalogue names none of the %d products that were seen: it has %s, and the events %s. Is it of this shop?", len(products), list(catalogue), list(products))
}
