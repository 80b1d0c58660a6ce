-- Products whose order lines are cancelled most, by value.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM daily_sales
),

sales AS (
  SELECT
    daily_sales.product_id,
    daily_sales.currency,
    daily_sales.units,
    daily_sales.cancelled_units,
    daily_sales.cancelled_lines,
    daily_sales.revenue,
    daily_sales.cancelled_revenue,
    daily_sales.complete
  FROM daily_sales
  CROSS JOIN bounds
  WHERE
    daily_sales.date <= bounds.to_date
    AND daily_sales.date >= COALESCE(CAST(@from AS DATE), daily_sales.date)
),

days AS (
  SELECT LOGICAL_AND(complete) AS complete
  FROM sales
),

sums AS (
  SELECT
    product_id,
    currency,
    SUM(units) AS units,
    SUM(cancelled_units) AS cancelled_units,
    SUM(cancelled_lines) AS cancelled_lines,
    SUM(revenue) AS revenue,
    SUM(cancelled_revenue) AS cancelled_revenue
  FROM sales
  WHERE currency = COALESCE(CAST(@currency AS STRING), currency)
  GROUP BY product_id, currency
),

ranked AS (
  SELECT
    product_id,
    currency,
    units,
    cancelled_units,
    cancelled_lines,
    revenue,
    cancelled_revenue,
    SUM(cancelled_revenue) OVER (PARTITION BY currency) AS shop_cancelled,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY cancelled_revenue DESC, product_id) AS place
  FROM sums
  WHERE cancelled_lines > 0
),

names AS (
  SELECT
    product_id,
    product_name,
    ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY date DESC) AS age
  FROM product_catalogue
  WHERE date <= COALESCE(CAST(@to AS DATE), date)
)

SELECT
  ranked.place,
  ranked.currency,
  ranked.product_id,
  names.product_name,
  ranked.cancelled_lines,
  ranked.cancelled_units,
  ranked.units,
  ROUND(CAST(SAFE_DIVIDE(ranked.cancelled_units, ranked.units) AS NUMERIC), 4) AS unit_rate,
  ranked.cancelled_revenue,
  ranked.revenue,
  ROUND(CAST(SAFE_DIVIDE(ranked.cancelled_revenue, ranked.revenue) AS NUMERIC), 4) AS revenue_rate,
  ROUND(CAST(SAFE_DIVIDE(ranked.cancelled_revenue, ranked.shop_cancelled) AS NUMERIC), 4) AS share,
  days.complete
FROM ranked
CROSS JOIN days
LEFT JOIN names ON ranked.product_id = names.product_id AND names.age = 1
WHERE ranked.place <= @limit
ORDER BY ranked.currency, ranked.place
