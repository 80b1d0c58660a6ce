package lake

import (
	"slices"

	"github.com/parquet-go/parquet-go"

	"example.com/shopstream/internal/shop"
)

// EncodeGold appends a Parquet file of rows of one of gold's tables to dst.
// Equal rows make equal bytes. Rows of demand_predictions are put in the order of
// ComparePredictions; the others stay in theirs.
func EncodeGold[T GoldRow](dst []byte, rows []T) ([]byte, error) {
	switch rows := any(rows).(type) {
	case []DailySalesRow:
		return dailySalesEncoder.encode(dst, rows)
	case []CategoryRevenueRow:
		return categoryRevenueEncoder.encode(dst, rows)
	case []HourlySalesRow:
		return hourlySalesEncoder.encode(dst, rows)
	case []OrderLineRow:
		return orderLinesEncoder.encode(dst, rows)
	case []FunnelRow:
		return funnelEncoder.encode(dst, rows)
	case []CatalogueRow:
		return catalogueEncoder.encode(dst, rows)
	case []QualityRow:
		return qualityEncoder.encode(dst, rows)
	case []DemandPredictionRow:
		return predictionsEncoder.encode(dst, slices.SortedStableFunc(slices.Values(rows), ComparePredictions))
	}
	panic("every GoldRow has an encoder")
}

// GoldRow is a row of one of gold's tables.
type GoldRow interface {
	DailySalesRow | CategoryRevenueRow | HourlySalesRow | OrderLineRow | FunnelRow | CatalogueRow | QualityRow | DemandPredictionRow
}

var (
	dailySalesEncoder      = &encoder[DailySalesRow]{add: (*columns).dailySales}
	categoryRevenueEncoder = &encoder[CategoryRevenueRow]{add: (*columns).categoryRevenue}
	hourlySalesEncoder     = &encoder[HourlySalesRow]{add: (*columns).hourlySales}
	orderLinesEncoder      = &encoder[OrderLineRow]{add: (*columns).orderLine}
	funnelEncoder          = &encoder[FunnelRow]{add: (*columns).funnel}
	catalogueEncoder       = &encoder[CatalogueRow]{add: (*columns).catalogue}
	qualityEncoder         = &encoder[QualityRow]{add: (*columns).quality}
	predictionsEncoder     = &encoder[DemandPredictionRow]{add: (*columns).prediction}
)

func (c *columns) dailySales(r *DailySalesRow) {
	c.integer32(0, r.Date)
	c.text(1, r.ProductID)
	c.text(2, r.Category)
	c.optionalText(3, r.Currency)
	c.integer(4, r.OrderLines)
	c.optionalCount(5, r.Orders)
	c.optionalCount(6, r.Customers)
	c.integer(7, r.Units)
	c.integer(8, int64(r.Revenue))
	c.optionalMoney(9, r.AveragePrice)
	c.integer(10, r.CancelledLines)
	c.integer(11, r.CancelledUnits)
	c.integer(12, int64(r.CancelledRevenue))
	c.integer(13, int64(r.NetRevenue))
	c.integer(14, r.Views)
	c.integer(15, r.Carts)
	c.optionalNumber(16, r.Conversion)
	c.boolean(17, r.Complete)
	c.text(18, r.Source)
}

func (c *columns) categoryRevenue(r *CategoryRevenueRow) {
	c.integer32(0, r.Date)
	c.text(1, r.Category)
	c.optionalText(2, r.Currency)
	c.integer(3, r.OrderLines)
	c.optionalCount(4, r.Orders)
	c.optionalCount(5, r.Customers)
	c.integer(6, r.Units)
	c.integer(7, int64(r.Revenue))
	c.integer(8, r.Products)
	c.optionalMoney(9, r.AveragePrice)
	c.integer(10, r.CancelledLines)
	c.integer(11, r.CancelledUnits)
	c.integer(12, int64(r.CancelledRevenue))
	c.integer(13, int64(r.NetRevenue))
	c.integer(14, r.Views)
	c.integer(15, r.Carts)
	c.optionalNumber(16, r.Conversion)
	c.boolean(17, r.Complete)
	c.text(18, r.Source)
}

func (c *columns) hourlySales(r *HourlySalesRow) {
	c.integer32(0, r.Date)
	c.integer(1, r.Hour)
	c.integer(2, r.HourStart)
	c.text(3, r.Category)
	c.optionalText(4, r.Currency)
	c.integer(5, r.OrderLines)
	c.integer(6, r.Orders)
	c.integer(7, r.Customers)
	c.integer(8, r.Units)
	c.integer(9, int64(r.Revenue))
	c.integer(10, r.CancelledLines)
	c.integer(11, r.CancelledUnits)
	c.integer(12, int64(r.CancelledRevenue))
	c.integer(13, int64(r.NetRevenue))
	c.integer(14, r.Views)
	c.integer(15, r.Carts)
	c.boolean(16, r.Complete)
	c.text(17, r.Source)
}

func (c *columns) orderLine(r *OrderLineRow) {
	c.integer32(0, r.Date)
	c.text(1, r.EventID)
	c.integer(2, r.EventTime)
	c.boolean(3, r.Cancelled)
	c.text(4, r.OrderID)
	c.optionalInteger(5, r.Line)
	c.text(6, r.ProductID)
	c.text(7, r.Category)
	c.optionalText(8, r.UserID)
	c.optionalText(9, r.SessionID)
	c.optionalText(10, r.Country)
	c.integer(11, r.Quantity)
	c.integer(12, int64(r.UnitPrice))
	c.text(13, r.Currency)
	c.integer(14, int64(r.Amount))
	c.boolean(15, r.Complete)
}

func (c *columns) funnel(r *FunnelRow) {
	c.integer32(0, r.Date)
	c.optionalText(1, r.Category)
	c.integer(2, r.SessionsViewed)
	c.integer(3, r.SessionsCarted)
	c.integer(4, r.SessionsOrdered)
	c.integer(5, r.SessionsViewedCarted)
	c.integer(6, r.SessionsCartedOrdered)
	c.integer(7, r.SessionsViewedOrdered)
	c.integer(8, r.UsersViewed)
	c.integer(9, r.UsersCarted)
	c.integer(10, r.UsersOrdered)
	c.integer(11, r.UsersViewedCarted)
	c.integer(12, r.UsersCartedOrdered)
	c.integer(13, r.UsersViewedOrdered)
	c.boolean(14, r.Complete)
}

func (c *columns) catalogue(r *CatalogueRow) {
	c.integer32(0, r.Date)
	c.text(1, r.ProductID)
	c.optionalText(2, r.ProductName)
	c.text(3, r.Category)
	c.optionalText(4, r.Currency)
	c.optionalMoney(5, r.Price)
	c.optionalMoney(6, r.LowestPrice)
	c.optionalMoney(7, r.HighestPrice)
	c.text(8, r.Source)
}

func (c *columns) quality(r *QualityRow) {
	c.integer32(0, r.Date)
	c.text(1, r.TableName)
	c.text(2, r.Rule)
	c.optionalText(3, r.ColumnName)
	c.text(4, r.Severity)
	c.boolean(5, r.Passed)
	c.optionalNumber(6, r.Measured)
	c.text(7, r.Threshold)
	c.integer(8, r.RowsFailed)
	c.optionalText(9, r.Detail)
}

func (c *columns) prediction(r *DemandPredictionRow) {
	c.integer32(0, r.Date)
	c.integer32(1, r.Origin)
	c.integer(2, r.Horizon)
	c.text(3, r.Level)
	c.text(4, r.Series)
	c.optionalText(5, r.Category)
	c.text(6, r.Target)
	c.optionalText(7, r.Currency)
	c.text(8, r.Model)
	c.text(9, r.ModelVersion)
	c.number(10, r.Point)
	c.number(11, r.Mean)
	c.optionalNumber(12, r.Lower80)
	c.optionalNumber(13, r.Upper80)
	c.optionalNumber(14, r.Lower95)
	c.optionalNumber(15, r.Upper95)
	c.optionalText(16, r.Fallback)
}

func (c *columns) number(i int, v float64) { c.add(i, parquet.DoubleValue(v)) }

func (c *columns) boolean(i int, v bool) { c.add(i, parquet.BooleanValue(v)) }

// optionalCount keeps nil and zero apart.
func (c *columns) optionalCount(i int, n *int64) { c.optionalMoney(i, (*shop.Money)(n)) }

// optionalNumber keeps nil and zero apart.
func (c *columns) optionalNumber(i int, v *float64) {
	if v == nil {
		c.add(i, parquet.NullValue())
	} else {
		c.add(i, present(parquet.DoubleValue(*v)))
	}
}
