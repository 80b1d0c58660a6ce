-- From views to carts to order lines, of the shop and of each category.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(date)) AS to_date
  FROM category_revenue
),

-- Views and carts stand in the row without a currency, order lines in the others.
sums AS (
  SELECT
    category_revenue.category,
    SUM(category_revenue.views) AS views,
    SUM(category_revenue.carts) AS carts,
    SUM(category_revenue.order_lines) AS order_lines
  FROM category_revenue
  CROSS JOIN bounds
  WHERE
    category_revenue.date <= bounds.to_date
    AND category_revenue.date >= COALESCE(CAST(@from AS DATE), DATE_SUB(bounds.to_date, INTERVAL 27 DAY))
  GROUP BY category_revenue.category
),

levels AS (
  SELECT
    'shop' AS level,
    CAST(NULL AS STRING) AS category,
    SUM(views) AS views,
    SUM(carts) AS carts,
    SUM(order_lines) AS order_lines
  FROM sums
  HAVING COUNT(*) > 0
  UNION ALL
  SELECT
    'category' AS level,
    category,
    views,
    carts,
    order_lines
  FROM sums
)

SELECT
  level,
  category,
  views,
  carts,
  order_lines,
  ROUND(CAST(SAFE_DIVIDE(carts, views) AS NUMERIC), 4) AS carts_by_view,
  ROUND(CAST(SAFE_DIVIDE(order_lines, carts) AS NUMERIC), 4) AS orders_by_cart,
  ROUND(CAST(SAFE_DIVIDE(order_lines, views) AS NUMERIC), 4) AS conversion
FROM levels
ORDER BY level DESC, order_lines DESC, views DESC, category
