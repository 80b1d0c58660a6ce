package lake

import (
	"cmp"
	"strings"

	"example.com/shopstream/internal/shop"
)

// The rows of gold's tables, whose columns sql/tables describes. Dates are days
// since the epoch (DATE), times microseconds since the epoch, UTC. nil, or the
// zero value in a column that is optional, is NULL.

// DailySalesRow is one row of daily_sales.
type DailySalesRow struct {
	Date             int32       `parquet:"date,date"`
	ProductID        string      `parquet:"product_id"`
	Category         string      `parquet:"category,dict"`
	Currency         string      `parquet:"currency,optional,dict"`
	OrderLines       int64       `parquet:"order_lines"`
	Orders           *int64      `parquet:"orders"`
	Customers        *int64      `parquet:"customers"`
	Units            int64       `parquet:"units"`
	Revenue          shop.Money  `parquet:"revenue,decimal(6:18)"`
	AveragePrice     *shop.Money `parquet:"average_price,decimal(6:18)"`
	CancelledLines   int64       `parquet:"cancelled_lines"`
	CancelledUnits   int64       `parquet:"cancelled_units"`
	CancelledRevenue shop.Money  `parquet:"cancelled_revenue,decimal(6:18)"`
	NetRevenue       shop.Money  `parquet:"net_revenue,decimal(6:18)"`
	Views            int64       `parquet:"views"`
	Carts            int64       `parquet:"carts"`
	Conversion       *float64    `parquet:"conversion"`
	Complete         bool        `parquet:"complete"`
	Source           string      `parquet:"source,dict"`
}

// CategoryRevenueRow is one row of category_revenue.
type CategoryRevenueRow struct {
	Date             int32       `parquet:"date,date"`
	Category         string      `parquet:"category,dict"`
	Currency         string      `parquet:"currency,optional,dict"`
	OrderLines       int64       `parquet:"order_lines"`
	Orders           *int64      `parquet:"orders"`
	Customers        *int64      `parquet:"customers"`
	Units            int64       `parquet:"units"`
	Revenue          shop.Money  `parquet:"revenue,decimal(6:18)"`
	Products         int64       `parquet:"products"`
	AveragePrice     *shop.Money `parquet:"average_price,decimal(6:18)"`
	CancelledLines   int64       `parquet:"cancelled_lines"`
	CancelledUnits   int64       `parquet:"cancelled_units"`
	CancelledRevenue shop.Money  `parquet:"cancelled_revenue,decimal(6:18)"`
	NetRevenue       shop.Money  `parquet:"net_revenue,decimal(6:18)"`
	Views            int64       `parquet:"views"`
	Carts            int64       `parquet:"carts"`
	Conversion       *float64    `parquet:"conversion"`
	Complete         bool        `parquet:"complete"`
	Source           string      `parquet:"source,dict"`
}

// HourlySalesRow is one row of hourly_sales.
type HourlySalesRow struct {
	Date             int32      `parquet:"date,date"`
	Hour             int64      `parquet:"hour"`
	HourStart        int64      `parquet:"hour_start,timestamp(microsecond)"`
	Category         string     `parquet:"category,dict"`
	Currency         string     `parquet:"currency,optional,dict"`
	OrderLines       int64      `parquet:"order_lines"`
	Orders           int64      `parquet:"orders"`
	Customers        int64      `parquet:"customers"`
	Units            int64      `parquet:"units"`
	Revenue          shop.Money `parquet:"revenue,decimal(6:18)"`
	CancelledLines   int64      `parquet:"cancelled_lines"`
	CancelledUnits   int64      `parquet:"cancelled_units"`
	CancelledRevenue shop.Money `parquet:"cancelled_revenue,decimal(6:18)"`
	NetRevenue       shop.Money `parquet:"net_revenue,decimal(6:18)"`
	Views            int64      `parquet:"views"`
	Carts            int64      `parquet:"carts"`
	Complete         bool       `parquet:"complete"`
	Source           string     `parquet:"source,dict"`
}

// OrderLineRow is one row of order_lines.
type OrderLineRow struct {
	Date      int32      `parquet:"date,date"`
	EventID   string     `parquet:"event_id"`
	EventTime int64      `parquet:"event_time,timestamp(microsecond)"`
	Cancelled bool       `parquet:"cancelled"`
	OrderID   string     `parquet:"order_id"`
	Line      int64      `parquet:"line,optional"`
	ProductID string     `parquet:"product_id"`
	Category  string     `parquet:"category,dict"`
	UserID    string     `parquet:"user_id,optional"`
	SessionID string     `parquet:"session_id,optional"`
	Country   string     `parquet:"country,optional,dict"`
	Quantity  int64      `parquet:"quantity"`
	UnitPrice shop.Money `parquet:"unit_price,decimal(6:18)"`
	Currency  string     `parquet:"currency,dict"`
	Amount    shop.Money `parquet:"amount,decimal(6:18)"`
	Complete  bool       `parquet:"complete"`
}

// FunnelRow is one row of funnel_daily.
type FunnelRow struct {
	Date                  int32  `parquet:"date,date"`
	Category              string `parquet:"category,optional,dict"` // NULL for the shop
	SessionsViewed        int64  `parquet:"sessions_viewed"`
	SessionsCarted        int64  `parquet:"sessions_carted"`
	SessionsOrdered       int64  `parquet:"sessions_ordered"`
	SessionsViewedCarted  int64  `parquet:"sessions_viewed_carted"`
	SessionsCartedOrdered int64  `parquet:"sessions_carted_ordered"`
	SessionsViewedOrdered int64  `parquet:"sessions_viewed_ordered"`
	UsersViewed           int64  `parquet:"users_viewed"`
	UsersCarted           int64  `parquet:"users_carted"`
	UsersOrdered          int64  `parquet:"users_ordered"`
	UsersViewedCarted     int64  `parquet:"users_viewed_carted"`
	UsersCartedOrdered    int64  `parquet:"users_carted_ordered"`
	UsersViewedOrdered    int64  `parquet:"users_viewed_ordered"`
	Complete              bool   `parquet:"complete"`
}

// CatalogueRow is one row of product_catalogue.
type CatalogueRow struct {
	Date         int32       `parquet:"date,date"`
	ProductID    string      `parquet:"product_id"`
	ProductName  string      `parquet:"product_name,optional"`
	Category     string      `parquet:"category,dict"`
	Currency     string      `parquet:"currency,optional,dict"`
	Price        *shop.Money `parquet:"price,decimal(6:18)"`
	LowestPrice  *shop.Money `parquet:"lowest_price,decimal(6:18)"`
	HighestPrice *shop.Money `parquet:"highest_price,decimal(6:18)"`
	Source       string      `parquet:"source,dict"`
}

// AttemptsTable has the results of days that a rule has stopped. Its rows are those
// of quality_results, which has them of what stands.
const AttemptsTable = "quality_attempts"

// QualityRow is one row of quality_results or quality_attempts.
type QualityRow struct {
	Date       int32    `parquet:"date,date"`
	TableName  string   `parquet:"table_name,dict"`
	Rule       string   `parquet:"rule"`
	ColumnName string   `parquet:"column_name,optional"`
	Severity   string   `parquet:"severity,dict"`
	Passed     bool     `parquet:"passed"`
	Measured   *float64 `parquet:"measured"`
	Threshold  string   `parquet:"threshold"`
	RowsFailed int64    `parquet:"rows_failed"`
	Detail     string   `parquet:"detail,optional"`
}

// What a row of demand_predictions forecasts. Its level is LevelProduct,
// LevelCategory or LevelShop.
const (
	TargetUnits   = "units"
	TargetRevenue = "revenue"
	// SeriesShop is the one series of LevelShop.
	SeriesShop = "shop"
)

// DemandPredictionRow is one row of demand_predictions: the forecast of one
// series for one day. Point, mean and bounds are units, or amounts of Currency.
type DemandPredictionRow struct {
	Date         int32    `parquet:"date,date"`   // the day that is forecast
	Origin       int32    `parquet:"origin,date"` // only data before it was used
	Horizon      int64    `parquet:"horizon"`     // calendar days, 1 at the origin
	Level        string   `parquet:"level,dict"`
	Series       string   `parquet:"series"`                 // product_id, category or SeriesShop
	Category     string   `parquet:"category,optional,dict"` // NULL for the shop
	Target       string   `parquet:"target,dict"`            // TargetUnits or TargetRevenue
	Currency     string   `parquet:"currency,optional,dict"` // NULL for units
	Model        string   `parquet:"model,dict"`
	ModelVersion string   `parquet:"model_version,dict"`
	Point        float64  `parquet:"point"` // minimises the absolute error
	Mean         float64  `parquet:"mean"`  // adds up over series and days
	Lower80      *float64 `parquet:"lower_80"`
	Upper80      *float64 `parquet:"upper_80"`
	Lower95      *float64 `parquet:"lower_95"`
	Upper95      *float64 `parquet:"upper_95"`
	// Fallback is why a simpler forecast stands in; NULL where none does.
	Fallback string `parquet:"fallback,optional,dict"`
}

// ComparePredictions orders rows by the table's grain, the order of its files:
// day, level, series, target, currency, model, version, origin. No two rows of a
// table are equal in it.
func ComparePredictions(a, b DemandPredictionRow) int {
	return cmp.Or(
		cmp.Compare(a.Date, b.Date),
		strings.Compare(a.Level, b.Level),
		strings.Compare(a.Series, b.Series),
		strings.Compare(a.Target, b.Target),
		strings.Compare(a.Currency, b.Currency),
		strings.Compare(a.Model, b.Model),
		strings.Compare(a.ModelVersion, b.ModelVersion),
		cmp.Compare(a.Origin, b.Origin),
	)
}
