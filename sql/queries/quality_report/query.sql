-- Quality rules that do not hold, over all days, the worst first: of attempts that
-- were stopped, and of what stands.
WITH measured AS (
  SELECT
    'attempt' AS part,
    date,
    table_name,
    rule,
    column_name,
    severity,
    passed,
    rows_failed,
    threshold,
    detail
  FROM quality_attempts
  UNION ALL
  SELECT
    'published' AS part,
    date,
    table_name,
    rule,
    column_name,
    severity,
    passed,
    rows_failed,
    threshold,
    detail
  FROM quality_results
),

results AS (
  SELECT
    part,
    date,
    table_name,
    rule,
    column_name,
    severity,
    passed,
    rows_failed,
    threshold,
    detail,
    ROW_NUMBER() OVER (PARTITION BY part, table_name, rule, column_name, severity, passed ORDER BY date DESC) AS age
  FROM measured
  WHERE
    date >= COALESCE(CAST(@from AS DATE), date)
    AND date <= COALESCE(CAST(@to AS DATE), date)
    AND severity = COALESCE(CAST(@severity AS STRING), severity)
),

rules AS (
  SELECT
    part,
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
  GROUP BY part, table_name, rule, column_name, severity
)

SELECT
  ROW_NUMBER() OVER (ORDER BY grade, days DESC, rows_failed DESC, table_name, rule, column_name, part) AS place,
  part,
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
