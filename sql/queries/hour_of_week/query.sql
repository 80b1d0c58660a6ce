-- When in the week the shop sells.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM hourly_sales
),

hours AS (
  SELECT
    hourly_sales.date,
    hourly_sales.hour,
    hourly_sales.currency,
    hourly_sales.order_lines,
    hourly_sales.revenue,
    hourly_sales.complete,
    MOD(UNIX_DATE(hourly_sales.date) + 3, 7) + 1 AS weekday
  FROM hourly_sales
  CROSS JOIN bounds
  WHERE
    hourly_sales.date >= COALESCE(CAST(@from AS DATE), hourly_sales.date)
    AND hourly_sales.date <= bounds.to_date
),

days AS (
  SELECT
    weekday,
    COUNT(DISTINCT date) AS days,
    LOGICAL_AND(complete) AS complete
  FROM hours
  GROUP BY weekday
),

sums AS (
  SELECT
    weekday,
    hour,
    currency,
    SUM(order_lines) AS order_lines,
    SUM(revenue) AS revenue
  FROM hours
  WHERE currency = COALESCE(CAST(@currency AS STRING), currency)
  GROUP BY weekday, hour, currency
),

shares AS (
  SELECT
    weekday,
    hour,
    currency,
    order_lines,
    revenue,
    SUM(revenue) OVER (PARTITION BY currency) AS shop_revenue
  FROM sums
)

SELECT
  shares.weekday,
  shares.hour,
  shares.currency,
  days.days,
  shares.order_lines,
  shares.revenue,
  ROUND(CAST(SAFE_DIVIDE(shares.revenue, days.days) AS NUMERIC), 2) AS mean_revenue,
  ROUND(CAST(SAFE_DIVIDE(shares.revenue, shares.shop_revenue) AS NUMERIC), 4) AS share,
  days.complete
FROM shares
INNER JOIN days ON shares.weekday = days.weekday
ORDER BY shares.currency, shares.weekday, shares.hour
