-- The products with the highest revenue, in each currency.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM daily_sales
),

sales AS (
  SELECT
    daily_sales.date,
    daily_sales.product_id,
    daily_sales.category,
    daily_sales.currency,
    daily_sales.order_lines,
    daily_sales.units,
    daily_sales.revenue,
    daily_sales.net_revenue,
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
    SUM(order_lines) AS order_lines,
    SUM(units) AS units,
    SUM(revenue) AS revenue,
    SUM(net_revenue) AS net_revenue
  FROM sales
  WHERE currency = COALESCE(CAST(@currency AS STRING), currency)
  GROUP BY product_id, currency
),

ranked AS (
  SELECT
    product_id,
    currency,
    order_lines,
    units,
    revenue,
    net_revenue,
    SUM(revenue) OVER (PARTITION BY currency) AS shop_revenue,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY revenue DESC, product_id) AS place
  FROM sums
  WHERE order_lines > 0
),

-- Of products that no catalogue knows, such as those of an imported history.
filed AS (
  SELECT
    product_id,
    category,
    ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY date DESC, category) AS age
  FROM sales
),

names AS (
  SELECT
    product_id,
    product_name,
    category,
    ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY date DESC) AS age
  FROM product_catalogue
  WHERE date <= COALESCE(CAST(@to AS DATE), date)
)

SELECT
  ranked.place,
  ranked.currency,
  ranked.product_id,
  names.product_name,
  COALESCE(names.category, filed.category) AS category,
  ranked.order_lines,
  ranked.units,
  ranked.revenue,
  ranked.net_revenue,
  ROUND(CAST(SAFE_DIVIDE(ranked.revenue, ranked.shop_revenue) AS NUMERIC), 4) AS share,
  days.complete
FROM ranked
CROSS JOIN days
LEFT JOIN filed ON ranked.product_id = filed.product_id AND filed.age = 1
LEFT JOIN names ON ranked.product_id = names.product_id AND names.age = 1
WHERE ranked.place <= @limit
ORDER BY ranked.currency, ranked.place
