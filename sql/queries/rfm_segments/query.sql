-- Customers by how recently, how often and for how much they ordered.
WITH bounds AS (
  SELECT COALESCE(CAST(@date AS DATE), MAX(CASE WHEN complete THEN date END), MAX(date)) AS to_date
  FROM order_lines
),

days AS (
  SELECT LOGICAL_AND(order_lines.complete) AS complete
  FROM order_lines
  CROSS JOIN bounds
  WHERE
    order_lines.date <= bounds.to_date
    AND UNIX_DATE(bounds.to_date) - UNIX_DATE(order_lines.date) < @days
),

-- Who kept something: others cancelled all that they ordered.
buyers AS (
  SELECT
    order_lines.user_id,
    order_lines.currency
  FROM order_lines
  CROSS JOIN bounds
  WHERE order_lines.date <= bounds.to_date AND order_lines.user_id IS NOT NULL
  GROUP BY order_lines.user_id, order_lines.currency
  HAVING SUM(CASE WHEN order_lines.cancelled THEN -order_lines.quantity ELSE order_lines.quantity END) > 0
),

customers AS (
  SELECT
    order_lines.user_id,
    order_lines.currency,
    MIN(UNIX_DATE(bounds.to_date) - UNIX_DATE(order_lines.date)) AS recency,
    COUNT(DISTINCT order_lines.order_id) AS orders
  FROM order_lines
  CROSS JOIN bounds
  WHERE
    NOT order_lines.cancelled
    AND order_lines.user_id IS NOT NULL
    AND order_lines.currency = COALESCE(CAST(@currency AS STRING), order_lines.currency)
    AND order_lines.date <= bounds.to_date
    AND UNIX_DATE(bounds.to_date) - UNIX_DATE(order_lines.date) < @days
  GROUP BY order_lines.user_id, order_lines.currency
),

amounts AS (
  SELECT
    order_lines.user_id,
    order_lines.currency,
    SUM(CASE WHEN order_lines.cancelled THEN -order_lines.amount ELSE order_lines.amount END) AS net_revenue
  FROM order_lines
  CROSS JOIN bounds
  WHERE
    order_lines.date <= bounds.to_date
    AND UNIX_DATE(bounds.to_date) - UNIX_DATE(order_lines.date) < @days
  GROUP BY order_lines.user_id, order_lines.currency
),

-- Equal values are of equal rank, so that nobody's place is by chance.
ranks AS (
  SELECT
    customers.user_id,
    customers.currency,
    customers.recency,
    customers.orders,
    amounts.net_revenue,
    COUNT(*) OVER (PARTITION BY customers.currency) AS everybody,
    RANK() OVER (PARTITION BY customers.currency ORDER BY customers.recency DESC) AS recency_rank,
    RANK() OVER (PARTITION BY customers.currency ORDER BY customers.orders) AS orders_rank,
    RANK() OVER (PARTITION BY customers.currency ORDER BY amounts.net_revenue) AS money_rank
  FROM customers
  INNER JOIN amounts ON customers.user_id = amounts.user_id AND customers.currency = amounts.currency
  INNER JOIN buyers ON customers.user_id = buyers.user_id AND customers.currency = buyers.currency
),

scores AS (
  SELECT
    currency,
    recency,
    orders,
    net_revenue,
    everybody,
    1 + DIV((recency_rank - 1) * 5, everybody) AS r,
    1 + DIV((orders_rank - 1) * 5, everybody) AS f,
    1 + DIV((money_rank - 1) * 5, everybody) AS m
  FROM ranks
),

segments AS (
  SELECT
    currency,
    recency,
    orders,
    net_revenue,
    everybody,
    CASE
      WHEN r >= 4 AND f >= 4 AND m >= 4 THEN 'champions'
      WHEN r >= 3 AND f >= 3 THEN 'loyal'
      WHEN r >= 4 THEN 'recent'
      WHEN r <= 2 AND (f >= 4 OR m >= 4) THEN 'at risk'
      WHEN r <= 2 THEN 'lost'
      ELSE 'occasional'
    END AS segment
  FROM scores
)

SELECT
  segments.segment,
  segments.currency,
  COUNT(*) AS customers,
  ROUND(CAST(SAFE_DIVIDE(COUNT(*), MAX(segments.everybody)) AS NUMERIC), 4) AS share,
  ROUND(CAST(SAFE_DIVIDE(SUM(segments.recency), COUNT(*)) AS NUMERIC), 1) AS mean_recency,
  ROUND(CAST(SAFE_DIVIDE(SUM(segments.orders), COUNT(*)) AS NUMERIC), 2) AS mean_orders,
  SUM(segments.net_revenue) AS net_revenue,
  ROUND(CAST(SAFE_DIVIDE(SUM(segments.net_revenue), COUNT(*)) AS NUMERIC), 2) AS mean_net_revenue,
  days.complete
FROM segments
CROSS JOIN days
GROUP BY segments.segment, segments.currency, days.complete
ORDER BY segments.currency, net_revenue DESC, segments.segment
