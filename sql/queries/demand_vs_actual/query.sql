-- Forecasts beside what was sold, on complete days only.
WITH days AS (
  SELECT
    date,
    LOGICAL_AND(complete) AS complete
  FROM daily_sales
  GROUP BY date
),

bounds AS (
  SELECT
    COALESCE(CAST(@from AS DATE), MIN(date)) AS from_date,
    COALESCE(CAST(@to AS DATE), MAX(date)) AS to_date,
    MIN(date) AS first_date,
    MAX(date) AS last_date
  FROM days
  WHERE complete
),

sales AS (
  SELECT
    date,
    CASE CAST(@level AS STRING)
      WHEN 'product' THEN product_id
      WHEN 'category' THEN category
      ELSE 'shop'
    END AS series,
    currency,
    units,
    revenue
  FROM daily_sales
),

sold AS (
  SELECT
    date,
    series,
    'units' AS target,
    '' AS currency,
    CAST(SUM(units) AS NUMERIC) AS amount
  FROM sales
  GROUP BY date, series
  UNION ALL
  SELECT
    date,
    series,
    'revenue' AS target,
    currency,
    CAST(SUM(revenue) AS NUMERIC) AS amount
  FROM sales
  WHERE currency IS NOT NULL
  GROUP BY date, series, currency
),

pairs AS (
  SELECT
    demand_predictions.currency,
    demand_predictions.model,
    demand_predictions.model_version,
    demand_predictions.horizon,
    demand_predictions.series,
    demand_predictions.date,
    demand_predictions.point,
    demand_predictions.mean,
    demand_predictions.lower_80,
    demand_predictions.upper_80,
    demand_predictions.lower_95,
    demand_predictions.upper_95,
    demand_predictions.fallback,
    COALESCE(sold.amount, 0) AS amount,
    CAST(COALESCE(sold.amount, 0) AS FLOAT64) AS actual
  FROM demand_predictions
  CROSS JOIN bounds
  LEFT JOIN sold
    ON
      demand_predictions.date = sold.date
      AND demand_predictions.series = sold.series
      AND demand_predictions.target = sold.target
      AND COALESCE(demand_predictions.currency, '') = sold.currency
  LEFT JOIN days ON demand_predictions.date = days.date
  WHERE
    demand_predictions.level = CAST(@level AS STRING)
    AND demand_predictions.target = CAST(@target AS STRING)
    AND demand_predictions.date BETWEEN bounds.from_date AND bounds.to_date
    AND demand_predictions.date BETWEEN bounds.first_date AND bounds.last_date
    AND COALESCE(days.complete, TRUE)
    AND demand_predictions.model = COALESCE(CAST(@model AS STRING), demand_predictions.model)
),

parts AS (
  SELECT
    1 AS part_order,
    'model' AS part
  UNION ALL
  SELECT
    2 AS part_order,
    'horizon' AS part
  UNION ALL
  SELECT
    3 AS part_order,
    'series' AS part
),

cut AS (
  SELECT
    parts.part_order,
    parts.part,
    pairs.currency,
    pairs.model,
    pairs.model_version,
    CASE WHEN parts.part = 'horizon' THEN pairs.horizon END AS horizon,
    CASE WHEN parts.part = 'series' THEN pairs.series END AS series,
    pairs.date,
    pairs.point,
    pairs.mean,
    pairs.lower_80,
    pairs.upper_80,
    pairs.lower_95,
    pairs.upper_95,
    pairs.fallback,
    pairs.amount,
    pairs.actual
  FROM pairs
  CROSS JOIN parts
),

errors AS (
  SELECT
    part_order,
    part,
    currency,
    model,
    model_version,
    horizon,
    series,
    COUNT(*) AS predictions,
    COUNT(DISTINCT date) AS days,
    COUNTIF(fallback IS NOT NULL) AS fallbacks,
    SUM(amount) AS amount,
    SUM(actual) AS actual,
    SUM(mean) AS mean,
    ROUND(CAST(SUM(ABS(actual - point)) AS NUMERIC), 2) AS absolute_error,
    SUM(ABS(actual - point)) AS exact_error,
    COUNTIF(actual BETWEEN lower_80 AND upper_80) AS inside_80,
    COUNTIF(lower_80 IS NOT NULL AND upper_80 IS NOT NULL) AS intervals_80,
    COUNTIF(actual BETWEEN lower_95 AND upper_95) AS inside_95,
    COUNTIF(lower_95 IS NOT NULL AND upper_95 IS NOT NULL) AS intervals_95
  FROM cut
  GROUP BY part_order, part, currency, model, model_version, horizon, series
),

ranked AS (
  SELECT
    part_order,
    part,
    currency,
    model,
    model_version,
    horizon,
    series,
    predictions,
    days,
    fallbacks,
    amount AS actual,
    ROUND(CAST(mean AS NUMERIC), 2) AS predicted,
    absolute_error,
    ROUND(CAST(SAFE_DIVIDE(exact_error, actual) AS NUMERIC), 4) AS wape,
    ROUND(CAST(SAFE_DIVIDE(mean - actual, actual) AS NUMERIC), 4) AS bias,
    ROUND(CAST(SAFE_DIVIDE(inside_80, intervals_80) AS NUMERIC), 4) AS coverage_80,
    ROUND(CAST(SAFE_DIVIDE(inside_95, intervals_95) AS NUMERIC), 4) AS coverage_95,
    ROW_NUMBER() OVER (
      PARTITION BY part_order, currency, model, model_version ORDER BY absolute_error DESC, series
    ) AS place
  FROM errors
)

SELECT
  part,
  currency,
  model,
  model_version,
  horizon,
  series,
  predictions,
  days,
  fallbacks,
  actual,
  predicted,
  absolute_error,
  wape,
  bias,
  coverage_80,
  coverage_95
FROM ranked
WHERE part_order < 3 OR place <= @limit
ORDER BY part_order, currency, model, model_version, horizon, absolute_error DESC, series
