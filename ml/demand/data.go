package demand

import (
	"context"

	"example.com/shopstream/internal/lake"
	"example.com/shopstream/ml/forecast"
)

// Source says what to forecast from.
type Source struct {
	URI      string         // a lake with gold, or a Parquet file of daily_sales
	Store    lake.Store     // the lake, if it is open; then URI is not used
	Currency string         // of revenue; "" is that with the largest revenue
	Country  string         // whose public holidays count, ISO 3166; "" is none
	Closed   []forecast.Day // days on which the shop says it is closed
}

// data is what a source gives.
type data struct {
	sales    *forecast.Sales
	calendar forecast.Calendar
}

func (s Source) read(ctx context.Context) (*data, error) {
	calendar, err := forecast.NewCalendar(s.Country, s.Closed)
	if err != nil {
		return nil, err
	}
	var sales *forecast.Sales
	if s.Store != nil {
		sales, err = forecast.ReadLakeSales(ctx, s.Store, s.Currency)
	} else {
		sales, err = forecast.ReadSales(ctx, s.URI, s.Currency)
	}
	if err != nil {
		return nil, err
	}
	return &data{sales, calendar}, nil
}
