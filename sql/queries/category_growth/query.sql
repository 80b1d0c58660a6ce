-- Net revenue of each category on a day, in its week and in its 28 days, each
-- beside the same time before it, and its share of the shop's.
WITH bounds AS (
  SELECT
    MIN(date) AS first_date,
    COALESCE(CAST(@date AS DATE), MAX(date)) AS to_date
  FROM category_revenue
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
  date,
  category,
  currency,
  net_1d,
  CASE
    WHEN before_1d > 0 AND known >= 1 THEN ROUND(CAST((net_1d - before_1d) / before_1d AS NUMERIC), 4)
  END AS growth_1d,
  CASE WHEN shop_1d > 0 THEN ROUND(CAST(net_1d / shop_1d AS NUMERIC), 4) END AS share_1d,
  net_7d,
  CASE
    WHEN before_7d > 0 AND known >= 13 THEN ROUND(CAST((net_7d - before_7d) / before_7d AS NUMERIC), 4)
  END AS growth_7d,
  CASE WHEN shop_7d > 0 THEN ROUND(CAST(net_7d / shop_7d AS NUMERIC), 4) END AS share_7d,
  net_28d,
  CASE
    WHEN before_28d > 0 AND known >= 55 THEN ROUND(CAST((net_28d - before_28d) / before_28d AS NUMERIC), 4)
  END AS growth_28d,
  CASE WHEN shop_28d > 0 THEN ROUND(CAST(net_28d / shop_28d AS NUMERIC), 4) END AS share_28d
FROM shares
ORDER BY currency, net_28d DESC, category
