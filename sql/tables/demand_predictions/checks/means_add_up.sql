-- The means of a model's products are those of its categories and of the shop,
-- but for rounding. Levels that the model does not forecast are passed over.
WITH means AS (
  SELECT
    date,
    origin,
    target,
    COALESCE(currency, '') AS currency,
    model,
    model_version,
    level,
    category,
    mean
  FROM demand_predictions
  WHERE date = COALESCE(CAST(@date AS DATE), date)
),

sums AS (
  SELECT
    date,
    origin,
    target,
    currency,
    model,
    model_version,
    'category' AS level,
    category AS series,
    COUNTIF(level = 'product') AS parts,
    COUNTIF(level = 'category') AS wholes,
    SUM(CASE WHEN level = 'product' THEN mean ELSE 0 END) AS mean_of_products,
    SUM(CASE WHEN level = 'category' THEN mean ELSE 0 END) AS mean
  FROM means
  WHERE level IN ('product', 'category')
  GROUP BY date, origin, target, currency, model, model_version, category
  UNION ALL
  SELECT
    date,
    origin,
    target,
    currency,
    model,
    model_version,
    'shop' AS level,
    'shop' AS series,
    COUNTIF(level = 'product') AS parts,
    COUNTIF(level = 'shop') AS wholes,
    SUM(CASE WHEN level = 'product' THEN mean ELSE 0 END) AS mean_of_products,
    SUM(CASE WHEN level = 'shop' THEN mean ELSE 0 END) AS mean
  FROM means
  WHERE level IN ('product', 'shop')
  GROUP BY date, origin, target, currency, model, model_version
)

SELECT
  date,
  origin,
  level,
  series,
  target,
  currency,
  model,
  model_version,
  ROUND(CAST(mean AS NUMERIC), 4) AS mean,
  ROUND(CAST(mean_of_products AS NUMERIC), 4) AS mean_of_products
FROM sums
WHERE
  parts > 0
  AND wholes > 0
  AND ABS(mean - mean_of_products) > 0.01 + 0.001 * mean
ORDER BY date, origin, level, series, target, currency, model, model_version
