-- From views to carts to order lines, of the shop and of each category: by events, by sessions and by users.
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

-- Days add up: a user who comes on two days counts on both.
seen AS (
  SELECT
    CASE WHEN funnel_daily.category IS NULL THEN 'shop' ELSE 'category' END AS level,
    COALESCE(funnel_daily.category, '') AS category,
    SUM(funnel_daily.sessions_viewed) AS sessions_viewed,
    SUM(funnel_daily.sessions_carted) AS sessions_carted,
    SUM(funnel_daily.sessions_viewed_carted) AS sessions_viewed_carted,
    SUM(funnel_daily.sessions_carted_ordered) AS sessions_carted_ordered,
    SUM(funnel_daily.sessions_viewed_ordered) AS sessions_viewed_ordered,
    SUM(funnel_daily.users_viewed) AS users_viewed,
    SUM(funnel_daily.users_carted) AS users_carted,
    SUM(funnel_daily.users_viewed_carted) AS users_viewed_carted,
    SUM(funnel_daily.users_carted_ordered) AS users_carted_ordered,
    SUM(funnel_daily.users_viewed_ordered) AS users_viewed_ordered
  FROM funnel_daily
  CROSS JOIN bounds
  WHERE
    funnel_daily.date <= bounds.to_date
    AND funnel_daily.date >= COALESCE(CAST(@from AS DATE), DATE_SUB(bounds.to_date, INTERVAL 27 DAY))
  GROUP BY funnel_daily.category
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
  seen.sessions_viewed AS sessions,
  ROUND(CAST(SAFE_DIVIDE(seen.sessions_viewed_carted, seen.sessions_viewed) AS NUMERIC), 4) AS session_carts_by_view,
  ROUND(CAST(SAFE_DIVIDE(seen.sessions_carted_ordered, seen.sessions_carted) AS NUMERIC), 4) AS session_orders_by_cart,
  ROUND(CAST(SAFE_DIVIDE(seen.sessions_viewed_ordered, seen.sessions_viewed) AS NUMERIC), 4) AS session_conversion,
  seen.users_viewed AS users,
  ROUND(CAST(SAFE_DIVIDE(seen.users_viewed_carted, seen.users_viewed) AS NUMERIC), 4) AS user_carts_by_view,
  ROUND(CAST(SAFE_DIVIDE(seen.users_carted_ordered, seen.users_carted) AS NUMERIC), 4) AS user_orders_by_cart,
  ROUND(CAST(SAFE_DIVIDE(seen.users_viewed_ordered, seen.users_viewed) AS NUMERIC), 4) AS user_conversion,
  days.complete
FROM levels
CROSS JOIN days
LEFT JOIN seen ON levels.level = seen.level AND COALESCE(levels.category, '') = seen.category
ORDER BY levels.level DESC, levels.order_lines DESC, levels.views DESC, levels.category
