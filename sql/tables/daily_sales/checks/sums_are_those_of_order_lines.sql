-- A product's sums of a day, each way: rows that are in one table only, too. On a
-- day with a history, order lines that are below it have no row here.
WITH sales AS (
  SELECT
    date,
    product_id,
    category,
    currency,
    SUM(order_lines) AS order_lines,
    SUM(units) AS units,
    SUM(revenue) AS revenue,
    SUM(cancelled_lines) AS cancelled_lines,
    SUM(cancelled_revenue) AS cancelled_revenue
  FROM daily_sales
  WHERE
    date = COALESCE(CAST(@date AS DATE), date)
    AND currency IS NOT NULL
    AND source = 'events'
  GROUP BY date, product_id, category, currency
),

events AS (
  SELECT
    date,
    product_id,
    category,
    currency,
    COUNTIF(NOT cancelled) AS order_lines,
    SUM(CASE WHEN cancelled THEN 0 ELSE quantity END) AS units,
    SUM(CASE WHEN cancelled THEN 0 ELSE amount END) AS revenue,
    COUNTIF(cancelled) AS cancelled_lines,
    SUM(CASE WHEN cancelled THEN amount ELSE 0 END) AS cancelled_revenue
  FROM order_lines
  WHERE date = COALESCE(CAST(@date AS DATE), date)
  GROUP BY date, product_id, category, currency
),

imported AS (
  SELECT DISTINCT date
  FROM daily_sales
  WHERE source != 'events'
)

SELECT
  COALESCE(sales.date, events.date) AS date,
  COALESCE(sales.product_id, events.product_id) AS product_id,
  COALESCE(sales.category, events.category) AS category,
  COALESCE(sales.currency, events.currency) AS currency,
  sales.order_lines,
  events.order_lines AS order_lines_of_events,
  sales.revenue,
  events.revenue AS revenue_of_events,
  sales.cancelled_revenue,
  events.cancelled_revenue AS cancelled_revenue_of_events
FROM sales
FULL OUTER JOIN events
  ON
    sales.date = events.date
    AND sales.product_id = events.product_id
    AND sales.category = events.category
    AND sales.currency = events.currency
LEFT JOIN imported ON events.date = imported.date
WHERE
  (sales.date IS NULL AND imported.date IS NULL)
  OR events.date IS NULL
  OR sales.order_lines != events.order_lines
  OR sales.units != events.units
  OR sales.revenue != events.revenue
  OR sales.cancelled_lines != events.cancelled_lines
  OR sales.cancelled_revenue != events.cancelled_revenue
ORDER BY date, product_id, category, currency
