-- Models whose forecasts of products, over the last 14 complete days up to
-- @date, were worse than last week's sales would have been (seasonal naive), or
-- too high or too low by more than a quarter. Of each day the newest forecast
-- that was made at most a week ahead counts, so both knew the same; of several
-- versions, the oldest (a challenger is newer), and that without a model last. A
-- model with fewer than 10 such days is not judged.
WITH days AS (
  SELECT
    date,
    LOGICAL_AND(complete) AS complete
  FROM daily_sales
  WHERE date <= COALESCE(CAST(@date AS DATE), date)
  GROUP BY date
),

bounds AS (
  SELECT
    MIN(date) AS first_date,
    MAX(date) AS last_date
  FROM days
  WHERE complete
),

sales AS (
  SELECT
    daily_sales.date,
    daily_sales.product_id,
    'units' AS target,
    '' AS currency,
    CAST(SUM(daily_sales.units) AS FLOAT64) AS amount
  FROM daily_sales
  CROSS JOIN bounds
  WHERE UNIX_DATE(daily_sales.date) > UNIX_DATE(bounds.last_date) - 21
  GROUP BY daily_sales.date, daily_sales.product_id
  UNION ALL
  SELECT
    daily_sales.date,
    daily_sales.product_id,
    'revenue' AS target,
    daily_sales.currency,
    CAST(SUM(daily_sales.revenue) AS FLOAT64) AS amount
  FROM daily_sales
  CROSS JOIN bounds
  WHERE
    UNIX_DATE(daily_sales.date) > UNIX_DATE(bounds.last_date) - 21
    AND daily_sales.currency IS NOT NULL
  GROUP BY daily_sales.date, daily_sales.product_id, daily_sales.currency
),

candidates AS (
  SELECT
    demand_predictions.date,
    DATE_SUB(demand_predictions.date, INTERVAL 7 DAY) AS week_before,
    demand_predictions.series,
    demand_predictions.target,
    COALESCE(demand_predictions.currency, '') AS currency,
    demand_predictions.model,
    demand_predictions.point,
    demand_predictions.mean,
    ROW_NUMBER() OVER (
      PARTITION BY
        demand_predictions.date,
        demand_predictions.series,
        demand_predictions.target,
        demand_predictions.currency,
        demand_predictions.model
      ORDER BY
        demand_predictions.origin DESC,
        CASE WHEN demand_predictions.model_version = 'none' THEN 1 ELSE 0 END,
        demand_predictions.model_version
    ) AS place
  FROM demand_predictions
  CROSS JOIN bounds
  LEFT JOIN days ON demand_predictions.date = days.date
  LEFT JOIN days AS days_before ON DATE_SUB(demand_predictions.date, INTERVAL 7 DAY) = days_before.date
  WHERE
    demand_predictions.level = 'product'
    AND demand_predictions.horizon <= 7
    AND demand_predictions.date <= bounds.last_date
    AND UNIX_DATE(demand_predictions.date) > UNIX_DATE(bounds.last_date) - 14
    AND UNIX_DATE(demand_predictions.date) - 7 >= UNIX_DATE(bounds.first_date)
    -- A day without any row, between complete ones, was closed: nothing was sold.
    AND COALESCE(days.complete, TRUE)
    AND COALESCE(days_before.complete, TRUE)
),

sums AS (
  SELECT
    candidates.target,
    candidates.currency,
    candidates.model,
    COUNT(DISTINCT candidates.date) AS days,
    COUNT(DISTINCT candidates.series) AS products,
    SUM(COALESCE(sold.amount, 0)) AS actual,
    SUM(candidates.mean) AS mean,
    SUM(ABS(candidates.point - COALESCE(sold.amount, 0))) AS absolute_error,
    SUM(ABS(COALESCE(naive.amount, 0) - COALESCE(sold.amount, 0))) AS naive_error
  FROM candidates
  LEFT JOIN sales AS sold
    ON
      candidates.date = sold.date
      AND candidates.series = sold.product_id
      AND candidates.target = sold.target
      AND candidates.currency = sold.currency
  LEFT JOIN sales AS naive
    ON
      candidates.week_before = naive.date
      AND candidates.series = naive.product_id
      AND candidates.target = naive.target
      AND candidates.currency = naive.currency
  WHERE candidates.place = 1
  GROUP BY candidates.target, candidates.currency, candidates.model
)

SELECT
  target,
  currency,
  model,
  days,
  products,
  ROUND(CAST(SAFE_DIVIDE(absolute_error, actual) AS NUMERIC), 4) AS wape,
  ROUND(CAST(SAFE_DIVIDE(naive_error, actual) AS NUMERIC), 4) AS wape_of_seasonal_naive,
  ROUND(CAST(SAFE_DIVIDE(mean - actual, actual) AS NUMERIC), 4) AS bias
FROM sums
WHERE
  days >= 10
  AND (absolute_error > naive_error OR ABS(mean - actual) > 0.25 * actual)
ORDER BY target, currency, model
