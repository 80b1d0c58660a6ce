package sql

import (
	"context"

	"example.com/shopstream/internal/warehouse"
)

// Main are the four queries that answer for the shop as a whole.
var Main = []string{"daily_revenue", "category_growth", "top_selling_products", "demand_vs_actual"}

// Run answers the query of that name. Parameters that are not given have their
// defaults; a wrong name or value is a *Usage (Query.Answer).
func Run(ctx context.Context, w warehouse.Warehouse, name string, params map[string]string) (*warehouse.Rows, error) {
	q, err := Lookup(name)
	if err != nil {
		return nil, err
	}
	values, err := q.Bind(params)
	if err != nil {
		return nil, err
	}
	return q.Answer(ctx, w, values)
}
