-- From views to carts to order lines, of the shop and of each category.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM category_revenue
),

events AS (
  SELECT
    category_revenue.category,
    category_revenue.views,
    category_revenue.carts,
    category_revenue.order_lines,
    category_revenue.complete
  FROM category_revenue
  CROSS JOIN bounds
  WHERE
    category_revenue.date <= bounds.to_date
    AND category_revenue.date >= COALESCE(CAST(@from AS DATE), DATE_SUB(bounds.to_date, INTERVAL 27 DAY))
),

days AS (
  SELECT LOGICAL_AND(complete) AS complete
  FROM events
),

-- Views and carts stand in the row without a currency, order lines in the others.
sums AS (
  SELECT
    category,
    SUM(views) AS views,
    SUM(carts) AS carts,
    SUM(order_lines) AS order_lines
  FROM events
  GROUP BY category
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
  levels.level,
  levels.category,
  levels.views,
  levels.carts,
  levels.order_lines,
  ROUND(CAST(SAFE_DIVIDE(levels.carts, levels.views) AS NUMERIC), 4) AS carts_by_view,
  ROUND(CAST(SAFE_DIVIDE(levels.order_lines, levels.carts) AS NUMERIC), 4) AS orders_by_cart,
  ROUND(CAST(SAFE_DIVIDE(levels.order_lines, levels.views) AS NUMERIC), 4) AS conversion,
  days.complete
FROM levels
CROSS JOIN days
ORDER BY levels.level DESC, levels.order_lines DESC, levels.views DESC, levels.category
