SELECT
  date,
  event_id,
  quantity,
  unit_price,
  amount
FROM order_lines
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND amount != quantity * unit_price
ORDER BY date, event_id
