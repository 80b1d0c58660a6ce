-- When in the week the shop sells.
WITH hours AS (
  SELECT
    date,
    hour,
    currency,
    order_lines,
    revenue,
    MOD(UNIX_DATE(date) + 3, 7) + 1 AS weekday
  FROM hourly_sales
  WHERE
    date >= COALESCE(CAST(@from AS DATE), date)
    AND date <= COALESCE(CAST(@to AS DATE), date)
),

days AS (
  SELECT
    weekday,
    COUNT(DISTINCT date) AS days
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
  ROUND(CAST(SAFE_DIVIDE(shares.revenue, shares.shop_revenue) AS NUMERIC), 4) AS share
FROM shares
INNER JOIN days ON shares.weekday = days.weekday
ORDER BY shares.currency, shares.weekday, shares.hour
