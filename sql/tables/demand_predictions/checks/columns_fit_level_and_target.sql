-- A currency goes with revenue only, a category with everything but the shop.
SELECT
  date,
  origin,
  level,
  series,
  category,
  target,
  currency,
  model,
  model_version
FROM demand_predictions
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND (
    (target = 'revenue') != (currency IS NOT NULL)
    OR (level = 'shop') != (category IS NULL)
    OR (level = 'shop' AND series != 'shop')
    OR (level = 'category' AND series != category)
  )
ORDER BY date, origin, level, series, target, currency, model, model_version
