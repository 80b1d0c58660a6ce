SELECT
  date,
  origin,
  horizon,
  level,
  series,
  target,
  currency,
  model,
  model_version
FROM demand_predictions
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND UNIX_DATE(date) - UNIX_DATE(origin) + 1 != horizon
ORDER BY date, origin, level, series, target, currency, model, model_version
