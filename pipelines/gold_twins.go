package pipelines

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cloud.google.com/go/civil"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/transforms/sales"
)

// addTwins makes the order lines of a day that count on another one inputs of it.
func (d *dayInputs) addTwins(twins []sales.Twin) error {
	if len(twins) == 0 {
		return nil
	}
	data, err := json.Marshal(twins)
	if err != nil {
		return err
	}
	fmt.Fprintln(&d.inputs, "twins", lake.Hash(data))
	return nil
}

// settleTwins returns the plan of the days whose twins have become others by the
// days that were made; nil if there are none. One such round is enough: which ids
// a day has does not hang on its twins.
func (o GoldOptions) settleTwins(ctx context.Context, st lake.Store, made *GoldPlan) (*GoldPlan, error) {
	standing, err := lake.ReadPublications(ctx, st)
	if err != nil {
		return nil, err
	}
	now, _, err := sales.FindTwins(ctx, st, standing)
	if err != nil {
		return nil, err
	}
	again := map[civil.Date]bool{}
	for date := range standing {
		if !slices.Equal(made.twins[date], now[date]) {
			again[date] = true
		}
	}
	if len(again) == 0 {
		return nil, nil
	}
	o.From, o.To, o.Rebuild, o.IncludeOpen = civil.Date{}, civil.Date{}, false, true
	o.History, o.Catalogue, o.DropHistory, o.DropCatalogue = nil, nil, false, false
	o.only = again
	return o.plan(ctx, st)
}

// join takes the days of a second round for those of the first.
func (p *GoldPlan) join(second *GoldPlan) {
	for i := range second.Jobs {
		for day := range second.Jobs[i].Plan.Days {
			for j := range p.Jobs {
				if number, ok := p.Jobs[j].numbers[day]; ok {
					second.Jobs[i].numbers[day] = min(number, second.Jobs[i].numbers[day])
				}
				delete(p.Jobs[j].Plan.Days, day)
			}
		}
	}
	p.Jobs = append(p.Jobs, second.Jobs...)
	days := map[int32]bool{}
	for i := range p.Jobs {
		for day := range maps.Keys(p.Jobs[i].Plan.Days) {
			days[day] = true
		}
	}
	p.Days = len(days)
}
