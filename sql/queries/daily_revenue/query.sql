-- Revenue of the shop by day and currency, and how it develops.
WITH bounds AS (
  SELECT
    MIN(date) AS first_date,
    COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM daily_sales
),

-- Days that are not over are compared with none, and none with them.
known AS (
  SELECT
    date,
    LOGICAL_AND(complete) AS complete
  FROM daily_sales
  GROUP BY date
),

calendar AS (
  SELECT
    date,
    complete,
    SUM(CASE WHEN complete THEN 0 ELSE 1 END) OVER (
      ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 1 PRECEDING AND CURRENT ROW
    ) AS open_2_days,
    SUM(CASE WHEN complete THEN 0 ELSE 1 END) OVER (
      ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 6 PRECEDING AND CURRENT ROW
    ) AS open_7_days,
    SUM(CASE WHEN complete THEN 0 ELSE 1 END) OVER (
      ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 7 PRECEDING AND 7 PRECEDING
    ) AS open_week_before
  FROM known
),

days AS (
  SELECT
    date,
    currency,
    SUM(units) AS units,
    SUM(revenue) AS revenue,
    SUM(net_revenue) AS net_revenue
  FROM daily_sales
  WHERE currency = COALESCE(CAST(@currency AS STRING), currency)
  GROUP BY date, currency
),

buyers AS (
  SELECT
    date,
    currency,
    COUNT(DISTINCT CASE WHEN NOT cancelled THEN order_id END) AS orders,
    COUNT(DISTINCT CASE WHEN NOT cancelled THEN user_id END) AS customers
  FROM order_lines
  GROUP BY date, currency
),

-- By calendar: a day without a row is a day without revenue.
trend AS (
  SELECT
    date,
    currency,
    units,
    revenue,
    net_revenue,
    SUM(net_revenue) OVER (
      PARTITION BY currency ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
    ) AS day_before,
    SUM(net_revenue) OVER (
      PARTITION BY currency ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 7 PRECEDING AND 7 PRECEDING
    ) AS week_before,
    SUM(net_revenue) OVER (
      PARTITION BY currency ORDER BY UNIX_DATE(date)
      RANGE BETWEEN 6 PRECEDING AND CURRENT ROW
    ) AS last_7_days
  FROM days
)

SELECT
  trend.date,
  trend.currency,
  buyers.orders,
  buyers.customers,
  trend.units,
  trend.revenue,
  trend.net_revenue,
  CASE
    WHEN trend.day_before > 0 AND calendar.open_2_days = 0
      THEN ROUND(CAST((trend.net_revenue - trend.day_before) / trend.day_before AS NUMERIC), 4)
  END AS growth,
  CASE
    WHEN UNIX_DATE(trend.date) - UNIX_DATE(bounds.first_date) >= 6 AND calendar.open_7_days = 0
      THEN ROUND(CAST(trend.last_7_days / 7 AS NUMERIC), 2)
  END AS mean_7_days,
  CASE WHEN COALESCE(calendar.open_week_before, 0) = 0 THEN trend.week_before END AS same_weekday_last_week,
  CASE
    WHEN trend.week_before > 0 AND calendar.complete AND COALESCE(calendar.open_week_before, 0) = 0
      THEN ROUND(CAST((trend.net_revenue - trend.week_before) / trend.week_before AS NUMERIC), 4)
  END AS growth_week,
  calendar.complete
FROM trend
CROSS JOIN bounds
INNER JOIN calendar ON trend.date = calendar.date
LEFT JOIN buyers ON trend.date = buyers.date AND trend.currency = buyers.currency
WHERE
  trend.date <= bounds.to_date
  AND trend.date >= COALESCE(CAST(@from AS DATE), DATE_SUB(bounds.to_date, INTERVAL 27 DAY))
ORDER BY trend.date, trend.currency
