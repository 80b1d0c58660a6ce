SELECT
  date,
  product_id,
  currency,
  lowest_price,
  price,
  highest_price
FROM product_catalogue
WHERE
  date = COALESCE(CAST(@date AS DATE), date)
  AND source = 'events'
  AND (price < lowest_price OR price > highest_price OR price <= 0)
ORDER BY date, product_id
