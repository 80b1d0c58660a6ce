-- Order lines that are there more than once, over all days.
SELECT
  event_id,
  COUNT(*) AS times,
  MIN(date) AS first_date,
  MAX(date) AS last_date,
  MIN(amount) AS lowest_amount,
  MAX(amount) AS highest_amount
FROM order_lines
GROUP BY event_id
HAVING
  COUNT(*) > 1
  AND COUNTIF(date = COALESCE(CAST(@date AS DATE), date)) > 0
ORDER BY event_id
