-- Customers by the month of their first order, and how many of them order again.
WITH activity AS (
  SELECT DISTINCT
    user_id,
    DATE_SUB(date, INTERVAL (EXTRACT(DAY FROM date) - 1) DAY) AS month
  FROM order_lines
  WHERE
    NOT cancelled
    AND user_id IS NOT NULL
    AND date <= COALESCE(CAST(@to AS DATE), date)
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
  ROUND(CAST(SAFE_DIVIDE(months.active, sizes.customers) AS NUMERIC), 4) AS retention
FROM months
INNER JOIN sizes ON months.cohort = sizes.cohort
WHERE months.cohort >= COALESCE(CAST(@from AS DATE), months.cohort)
ORDER BY months.cohort, months_since
