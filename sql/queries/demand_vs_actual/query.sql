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

sold AS (
  SELECT
    date,
    product_id,
    SUM(units) AS units
  FROM daily_sales
  GROUP BY date, product_id
),

pairs AS (
  SELECT
    demand_predictions.model,
    demand_predictions.model_version,
    demand_predictions.horizon,
    demand_predictions.product_id,
    demand_predictions.date,
    demand_predictions.point,
    demand_predictions.mean,
    demand_predictions.lower_80,
    demand_predictions.upper_80,
    COALESCE(sold.units, 0) AS units
  FROM demand_predictions
  CROSS JOIN bounds
  LEFT JOIN sold
    ON demand_predictions.date = sold.date AND demand_predictions.product_id = sold.product_id
  LEFT JOIN days ON demand_predictions.date = days.date
  WHERE
    demand_predictions.date BETWEEN bounds.from_date AND bounds.to_date
    AND demand_predictions.date BETWEEN bounds.first_date AND bounds.last_date
    AND COALESCE(days.complete, TRUE)
    AND demand_predictions.model = COALESCE(CAST(@model AS STRING), demand_predictions.model)
),

levels AS (
  SELECT
    1 AS level_order,
    'model' AS level,
    model,
    model_version,
    CAST(NULL AS INT64) AS horizon,
    CAST(NULL AS STRING) AS product_id,
    date,
    point,
    mean,
    lower_80,
    upper_80,
    units
  FROM pairs
  UNION ALL
  SELECT
    2 AS level_order,
    'horizon' AS level,
    model,
    model_version,
    horizon,
    CAST(NULL AS STRING) AS product_id,
    date,
    point,
    mean,
    lower_80,
    upper_80,
    units
  FROM pairs
  UNION ALL
  SELECT
    3 AS level_order,
    'product' AS level,
    model,
    model_version,
    CAST(NULL AS INT64) AS horizon,
    product_id,
    date,
    point,
    mean,
    lower_80,
    upper_80,
    units
  FROM pairs
),

errors AS (
  SELECT
    level_order,
    level,
    model,
    model_version,
    horizon,
    product_id,
    COUNT(*) AS predictions,
    COUNT(DISTINCT date) AS days,
    SUM(units) AS actual,
    SUM(point) AS point,
    SUM(mean) AS mean,
    SUM(ABS(units - point)) AS absolute_error,
    COUNTIF(units BETWEEN lower_80 AND upper_80) AS inside_80,
    COUNTIF(lower_80 IS NOT NULL AND upper_80 IS NOT NULL) AS intervals
  FROM levels
  GROUP BY level_order, level, model, model_version, horizon, product_id
),

rounded AS (
  SELECT
    level_order,
    level,
    model,
    model_version,
    horizon,
    product_id,
    predictions,
    days,
    actual,
    ROUND(CAST(point AS NUMERIC), 2) AS predicted,
    ROUND(CAST(absolute_error AS NUMERIC), 2) AS absolute_error,
    ROUND(CAST(SAFE_DIVIDE(absolute_error, actual) AS NUMERIC), 4) AS wape,
    ROUND(CAST(SAFE_DIVIDE(mean - actual, actual) AS NUMERIC), 4) AS bias,
    ROUND(CAST(SAFE_DIVIDE(inside_80, intervals) AS NUMERIC), 4) AS coverage_80
  FROM errors
),

ranked AS (
  SELECT
    level_order,
    level,
    model,
    model_version,
    horizon,
    product_id,
    predictions,
    days,
    actual,
    predicted,
    absolute_error,
    wape,
    bias,
    coverage_80,
    ROW_NUMBER() OVER (
      PARTITION BY level_order, model, model_version ORDER BY absolute_error DESC, product_id
    ) AS place
  FROM rounded
)

SELECT
  level,
  model,
  model_version,
  horizon,
  product_id,
  predictions,
  days,
  actual,
  predicted,
  absolute_error,
  wape,
  bias,
  coverage_80
FROM ranked
WHERE level_order < 3 OR place <= @limit
ORDER BY level_order, model, model_version, horizon, absolute_error DESC, product_id
