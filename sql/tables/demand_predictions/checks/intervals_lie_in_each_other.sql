SELECT
  date,
  origin,
  level,
  series,
  target,
  currency,
  model,
  model_version,
  lower_95,
  lower_80,
  upper_80,
  upper_95
FROM demand_predictions
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND (lower_80 > upper_80 OR lower_95 > lower_80 OR upper_95 < upper_80)
ORDER BY date, origin, level, series, target, currency, model, model_version
