-- Pairs of products that are bought in the same order.
WITH bounds AS (
  SELECT COALESCE(CAST(@to AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM order_lines
),

sold AS (
  SELECT
    order_lines.order_id,
    order_lines.product_id,
    order_lines.complete
  FROM order_lines
  CROSS JOIN bounds
  WHERE
    NOT order_lines.cancelled
    AND order_lines.date <= bounds.to_date
    AND order_lines.date >= COALESCE(CAST(@from AS DATE), DATE_SUB(bounds.to_date, INTERVAL 27 DAY))
),

days AS (
  SELECT LOGICAL_AND(complete) AS complete
  FROM sold
),

lines AS (
  SELECT DISTINCT
    order_id,
    product_id
  FROM sold
),

-- An order of n products has n * (n - 1) / 2 pairs: the largest would be most of them.
orders AS (
  SELECT order_id
  FROM lines
  GROUP BY order_id
  HAVING COUNT(*) <= @max_products
),

baskets AS (
  SELECT
    lines.order_id,
    lines.product_id
  FROM lines
  INNER JOIN orders ON lines.order_id = orders.order_id
),

total AS (
  SELECT COUNT(*) AS orders
  FROM orders
),

products AS (
  SELECT
    product_id,
    COUNT(*) AS orders
  FROM baskets
  GROUP BY product_id
),

pairs AS (
  SELECT
    one.product_id AS product_a,
    two.product_id AS product_b,
    COUNT(*) AS orders
  FROM baskets AS one
  INNER JOIN baskets AS two ON one.order_id = two.order_id AND one.product_id < two.product_id
  GROUP BY one.product_id, two.product_id
  HAVING COUNT(*) >= @min_orders
),

names AS (
  SELECT
    product_id,
    product_name,
    ROW_NUMBER() OVER (PARTITION BY product_id ORDER BY date DESC) AS age
  FROM product_catalogue
),

rated AS (
  SELECT
    pairs.product_a,
    pairs.product_b,
    pairs.orders,
    a.orders AS orders_a,
    b.orders AS orders_b,
    ROUND(CAST(SAFE_DIVIDE(pairs.orders, total.orders) AS NUMERIC), 6) AS support,
    ROUND(CAST(SAFE_DIVIDE(pairs.orders, a.orders) AS NUMERIC), 4) AS confidence_ab,
    ROUND(CAST(SAFE_DIVIDE(pairs.orders, b.orders) AS NUMERIC), 4) AS confidence_ba,
    ROUND(CAST(SAFE_DIVIDE(pairs.orders * total.orders, a.orders * b.orders) AS NUMERIC), 4) AS lift
  FROM pairs
  INNER JOIN products AS a ON pairs.product_a = a.product_id
  INNER JOIN products AS b ON pairs.product_b = b.product_id
  CROSS JOIN total
),

ranked AS (
  SELECT
    product_a,
    product_b,
    orders,
    orders_a,
    orders_b,
    support,
    confidence_ab,
    confidence_ba,
    lift,
    ROW_NUMBER() OVER (ORDER BY orders DESC, lift DESC, product_a, product_b) AS place
  FROM rated
)

SELECT
  ranked.place,
  ranked.product_a,
  name_a.product_name AS name_a,
  ranked.product_b,
  name_b.product_name AS name_b,
  ranked.orders,
  ranked.orders_a,
  ranked.orders_b,
  ranked.support,
  ranked.confidence_ab,
  ranked.confidence_ba,
  ranked.lift,
  days.complete
FROM ranked
CROSS JOIN days
LEFT JOIN names AS name_a ON ranked.product_a = name_a.product_id AND name_a.age = 1
LEFT JOIN names AS name_b ON ranked.product_b = name_b.product_id AND name_b.age = 1
WHERE ranked.place <= @limit
ORDER BY ranked.place
