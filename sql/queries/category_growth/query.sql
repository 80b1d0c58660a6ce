-- Net revenue of each category on a day, in its week and in its 28 days, each
-- beside the same time before it, and its share of the shop's.
WITH days AS (
  SELECT
    date,
    LOGICAL_AND(complete) AS complete
  FROM category_revenue
  GROUP BY date
),

bounds AS (
  SELECT
    MIN(date) AS first_date,
    MAX(date) AS last_date,
    COALESCE(CAST(@date AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM days
),

-- How many days up to the last are not over: what they are a part of is not compared.
gaps AS (
  SELECT
    bounds.to_date AS date,
    COUNTIF(NOT days.complete AND days.date >= bounds.to_date) AS open_1d,
    COUNTIF(NOT days.complete AND days.date >= DATE_SUB(bounds.to_date, INTERVAL 1 DAY)) AS open_2d,
    COUNTIF(NOT days.complete AND days.date > DATE_SUB(bounds.to_date, INTERVAL 7 DAY)) AS open_7d,
    COUNTIF(NOT days.complete AND days.date > DATE_SUB(bounds.to_date, INTERVAL 14 DAY)) AS open_14d,
    COUNTIF(NOT days.complete AND days.date > DATE_SUB(bounds.to_date, INTERVAL 28 DAY)) AS open_28d,
    COUNTIF(NOT days.complete AND days.date > DATE_SUB(bounds.to_date, INTERVAL 56 DAY)) AS open_56d
  FROM days
  CROSS JOIN bounds
  WHERE days.date <= bounds.to_date AND bounds.to_date <= bounds.last_date
  GROUP BY bounds.to_date
),

aged AS (
  SELECT
    bounds.to_date AS date,
    category_revenue.category,
    category_revenue.currency,
    category_revenue.net_revenue,
    UNIX_DATE(bounds.to_date) - UNIX_DATE(category_revenue.date) AS age,
    UNIX_DATE(bounds.to_date) - UNIX_DATE(bounds.first_date) AS known
  FROM category_revenue
  CROSS JOIN bounds
  WHERE
    category_revenue.currency = COALESCE(CAST(@currency AS STRING), category_revenue.currency)
    AND category_revenue.date <= bounds.to_date
    AND category_revenue.date > DATE_SUB(bounds.to_date, INTERVAL 56 DAY)
),

sums AS (
  SELECT
    date,
    category,
    currency,
    known,
    SUM(CASE WHEN age = 0 THEN net_revenue ELSE 0 END) AS net_1d,
    SUM(CASE WHEN age = 1 THEN net_revenue ELSE 0 END) AS before_1d,
    SUM(CASE WHEN age < 7 THEN net_revenue ELSE 0 END) AS net_7d,
    SUM(CASE WHEN age BETWEEN 7 AND 13 THEN net_revenue ELSE 0 END) AS before_7d,
    SUM(CASE WHEN age < 28 THEN net_revenue ELSE 0 END) AS net_28d,
    SUM(CASE WHEN age >= 28 THEN net_revenue ELSE 0 END) AS before_28d
  FROM aged
  GROUP BY date, category, currency, known
),

shares AS (
  SELECT
    date,
    category,
    currency,
    known,
    net_1d,
    before_1d,
    net_7d,
    before_7d,
    net_28d,
    before_28d,
    SUM(net_1d) OVER (PARTITION BY currency) AS shop_1d,
    SUM(net_7d) OVER (PARTITION BY currency) AS shop_7d,
    SUM(net_28d) OVER (PARTITION BY currency) AS shop_28d
  FROM sums
)

SELECT
  shares.date,
  shares.category,
  shares.currency,
  shares.net_1d,
  CASE
    WHEN shares.before_1d > 0 AND shares.known >= 1 AND gaps.open_2d = 0
      THEN ROUND(CAST((shares.net_1d - shares.before_1d) / shares.before_1d AS NUMERIC), 4)
  END AS growth_1d,
  CASE
    WHEN shares.shop_1d > 0 AND gaps.open_1d = 0 THEN ROUND(CAST(shares.net_1d / shares.shop_1d AS NUMERIC), 4)
  END AS share_1d,
  shares.net_7d,
  CASE
    WHEN shares.before_7d > 0 AND shares.known >= 13 AND gaps.open_14d = 0
      THEN ROUND(CAST((shares.net_7d - shares.before_7d) / shares.before_7d AS NUMERIC), 4)
  END AS growth_7d,
  CASE
    WHEN shares.shop_7d > 0 AND gaps.open_7d = 0 THEN ROUND(CAST(shares.net_7d / shares.shop_7d AS NUMERIC), 4)
  END AS share_7d,
  shares.net_28d,
  CASE
    WHEN shares.before_28d > 0 AND shares.known >= 55 AND gaps.open_56d = 0
      THEN ROUND(CAST((shares.net_28d - shares.before_28d) / shares.before_28d AS NUMERIC), 4)
  END AS growth_28d,
  CASE
    WHEN shares.shop_28d > 0 AND gaps.open_28d = 0 THEN ROUND(CAST(shares.net_28d / shares.shop_28d AS NUMERIC), 4)
  END AS share_28d,
  COALESCE(gaps.open_1d = 0, FALSE) AS complete
FROM shares
LEFT JOIN gaps ON shares.date = gaps.date
ORDER BY shares.currency, shares.net_28d DESC, shares.category
