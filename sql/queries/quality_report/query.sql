-- Quality rules that do not hold, over all days, the worst first.
WITH results AS (
  SELECT
    date,
    table_name,
    rule,
    column_name,
    severity,
    passed,
    rows_failed,
    threshold,
    detail,
    ROW_NUMBER() OVER (PARTITION BY table_name, rule, column_name, severity, passed ORDER BY date DESC) AS age
  FROM quality_results
  WHERE
    date >= COALESCE(CAST(@from AS DATE), date)
    AND date <= COALESCE(CAST(@to AS DATE), date)
    AND severity = COALESCE(CAST(@severity AS STRING), severity)
),

rules AS (
  SELECT
    table_name,
    rule,
    column_name,
    severity,
    SUM(CASE WHEN passed THEN 0 ELSE 1 END) AS days,
    COUNT(*) AS days_checked,
    SUM(CASE WHEN passed THEN 0 ELSE rows_failed END) AS rows_failed,
    MIN(CASE WHEN passed THEN NULL ELSE date END) AS first_day,
    MAX(CASE WHEN passed THEN NULL ELSE date END) AS last_day,
    MAX(CASE WHEN NOT passed AND age = 1 THEN threshold END) AS threshold,
    MAX(CASE WHEN NOT passed AND age = 1 THEN detail END) AS detail,
    MIN(CASE severity WHEN 'fail' THEN 1 WHEN 'quarantine' THEN 2 ELSE 3 END) AS grade
  FROM results
  GROUP BY table_name, rule, column_name, severity
)

SELECT
  ROW_NUMBER() OVER (ORDER BY grade, days DESC, rows_failed DESC, table_name, rule, column_name) AS place,
  severity,
  table_name,
  rule,
  column_name,
  days,
  days_checked,
  rows_failed,
  first_day,
  last_day,
  threshold,
  detail
FROM rules
WHERE days > 0
ORDER BY place
