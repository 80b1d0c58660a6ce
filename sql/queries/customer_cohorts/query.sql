-- Customers by the month of their first order, and how many of them order again.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM order_lines
),

lines AS (
  SELECT
    order_lines.user_id,
    order_lines.date,
    order_lines.cancelled,
    order_lines.quantity,
    order_lines.complete
  FROM order_lines
  CROSS JOIN bounds
  WHERE order_lines.date <= bounds.to_date
),

-- The day after the last that is over: months that begin before its month are over.
ends AS (
  SELECT
    COALESCE(
      MIN(CASE WHEN NOT lines.complete THEN lines.date END), DATE_ADD(MAX(bounds.to_date), INTERVAL 1 DAY)
    ) AS day_after
  FROM lines
  CROSS JOIN bounds
),

ended AS (
  SELECT DATE_SUB(day_after, INTERVAL (EXTRACT(DAY FROM day_after) - 1) DAY) AS month
  FROM ends
),

-- Who kept something: others cancelled all that they ordered.
buyers AS (
  SELECT user_id
  FROM lines
  WHERE user_id IS NOT NULL
  GROUP BY user_id
  HAVING SUM(CASE WHEN cancelled THEN -quantity ELSE quantity END) > 0
),

activity AS (
  SELECT DISTINCT
    lines.user_id,
    DATE_SUB(lines.date, INTERVAL (EXTRACT(DAY FROM lines.date) - 1) DAY) AS month
  FROM lines
  INNER JOIN buyers ON lines.user_id = buyers.user_id
  WHERE NOT lines.cancelled
),

firsts AS (
  SELECT
    user_id,
    MIN(month) AS cohort
  FROM activity
  GROUP BY user_id
),

sizes AS (
  SELECT
    cohort,
    COUNT(*) AS customers
  FROM firsts
  GROUP BY cohort
),

months AS (
  SELECT
    firsts.cohort,
    activity.month,
    COUNT(*) AS active
  FROM activity
  INNER JOIN firsts ON activity.user_id = firsts.user_id
  GROUP BY firsts.cohort, activity.month
)

SELECT
  months.cohort,
  12 * (EXTRACT(YEAR FROM months.month) - EXTRACT(YEAR FROM months.cohort))
  + EXTRACT(MONTH FROM months.month) - EXTRACT(MONTH FROM months.cohort) AS months_since,
  sizes.customers,
  months.active,
  ROUND(CAST(SAFE_DIVIDE(months.active, sizes.customers) AS NUMERIC), 4) AS retention,
  months.month < ended.month AS complete
FROM months
CROSS JOIN ended
INNER JOIN sizes ON months.cohort = sizes.cohort
WHERE months.cohort >= COALESCE(CAST(@from AS DATE), months.cohort)
ORDER BY months.cohort, months_since
