-- Products by what they bring of the revenue: A the most important ones.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM daily_sales
),

sales AS (
  SELECT
    daily_sales.product_id,
    daily_sales.currency,
    daily_sales.units,
    daily_sales.revenue,
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
    SUM(revenue) AS revenue
  FROM sales
  WHERE currency = COALESCE(CAST(@currency AS STRING), currency)
  GROUP BY product_id, currency
),

ranked AS (
  SELECT
    product_id,
    currency,
    units,
    revenue,
    ROW_NUMBER() OVER (PARTITION BY currency ORDER BY revenue DESC, product_id) AS place,
    SUM(revenue) OVER (PARTITION BY currency) AS shop_revenue,
    SUM(revenue) OVER (
      PARTITION BY currency ORDER BY revenue DESC, product_id
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS running
  FROM sums
  WHERE revenue > 0
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
  CASE
    WHEN (ranked.running - ranked.revenue) * 100 < ranked.shop_revenue * @a_percent THEN 'A'
    WHEN (ranked.running - ranked.revenue) * 100 < ranked.shop_revenue * @b_percent THEN 'B'
    ELSE 'C'
  END AS class,
  ranked.currency,
  ranked.place,
  ranked.product_id,
  names.product_name,
  ranked.units,
  ranked.revenue,
  -- Rounded once, half up: the quotient of two NUMERICs would be rounded at the
  -- ninth decimal before. 1e-13 is more than the error of a FLOAT64 of at most 1.
  CAST(
    ROUND(SAFE_DIVIDE(CAST(ranked.revenue AS FLOAT64), CAST(ranked.shop_revenue AS FLOAT64)) + 1e-13, 6) AS NUMERIC
  ) AS share,
  CAST(
    ROUND(SAFE_DIVIDE(CAST(ranked.running AS FLOAT64), CAST(ranked.shop_revenue AS FLOAT64)) + 1e-13, 6) AS NUMERIC
  ) AS running_share,
  days.complete
FROM ranked
CROSS JOIN days
LEFT JOIN names ON ranked.product_id = names.product_id AND names.age = 1
ORDER BY ranked.currency, ranked.place
