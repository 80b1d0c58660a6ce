-- Sums of a category's day in both tables; NULL in currency is a value like others.
-- On a day with a history, hours that are below it have no row there.
WITH here AS (
  SELECT
    date,
    category,
    COALESCE(currency, '') AS currency,
    SUM(order_lines) AS order_lines,
    SUM(units) AS units,
    SUM(revenue) AS revenue,
    SUM(cancelled_revenue) AS cancelled_revenue,
    SUM(views) AS views,
    SUM(carts) AS carts
  FROM hourly_sales
  WHERE
    date = COALESCE(CAST(@date AS DATE), date)
    AND source = 'events'
  GROUP BY date, category, COALESCE(currency, '')
),

there AS (
  SELECT
    date,
    category,
    COALESCE(currency, '') AS currency,
    SUM(order_lines) AS order_lines,
    SUM(units) AS units,
    SUM(revenue) AS revenue,
    SUM(cancelled_revenue) AS cancelled_revenue,
    SUM(views) AS views,
    SUM(carts) AS carts
  FROM category_revenue
  WHERE
    date = COALESCE(CAST(@date AS DATE), date)
    AND source = 'events'
  GROUP BY date, category, COALESCE(currency, '')
),

imported AS (
  SELECT DISTINCT date
  FROM category_revenue
  WHERE source != 'events'
)

SELECT
  COALESCE(here.date, there.date) AS date,
  COALESCE(here.category, there.category) AS category,
  COALESCE(here.currency, there.currency) AS currency,
  here.order_lines,
  there.order_lines AS expected_order_lines,
  here.revenue,
  there.revenue AS expected_revenue,
  here.cancelled_revenue,
  there.cancelled_revenue AS expected_cancelled_revenue,
  here.views,
  there.views AS expected_views
FROM here
FULL OUTER JOIN there
  ON here.date = there.date AND here.category = there.category AND here.currency = there.currency
LEFT JOIN imported ON here.date = imported.date
WHERE
  here.date IS NULL
  OR (there.date IS NULL AND imported.date IS NULL)
  OR here.order_lines != there.order_lines
  OR here.units != there.units
  OR here.revenue != there.revenue
  OR here.cancelled_revenue != there.cancelled_revenue
  OR here.views != there.views
  OR here.carts != there.carts
ORDER BY date, category, currency
