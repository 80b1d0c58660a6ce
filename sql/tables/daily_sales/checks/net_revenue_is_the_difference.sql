SELECT
  date,
  product_id,
  category,
  currency,
  revenue,
  cancelled_revenue,
  net_revenue
FROM daily_sales
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND net_revenue != revenue - cancelled_revenue
ORDER BY date, product_id, category, currency
