-- Why records were no valid events, with the newest record of each reason.
WITH letters AS (
  SELECT
    reason,
    arrived,
    kafka_partition,
    kafka_offset,
    detail,
    value,
    ROW_NUMBER() OVER (PARTITION BY reason ORDER BY arrived DESC, kafka_partition DESC, kafka_offset DESC) AS age
  FROM dead_letters
  WHERE
    CAST(arrived AS DATE) >= COALESCE(CAST(@from AS DATE), CAST(arrived AS DATE))
    AND CAST(arrived AS DATE) <= COALESCE(CAST(@to AS DATE), CAST(arrived AS DATE))
),

reasons AS (
  SELECT
    reason,
    COUNT(*) AS letters,
    MIN(arrived) AS first_arrived,
    MAX(arrived) AS last_arrived,
    MAX(CASE WHEN age = 1 THEN kafka_partition END) AS kafka_partition,
    MAX(CASE WHEN age = 1 THEN kafka_offset END) AS kafka_offset,
    MAX(CASE WHEN age = 1 THEN detail END) AS detail,
    MAX(CASE WHEN age = 1 THEN value END) AS value
  FROM letters
  GROUP BY reason
)

SELECT
  ROW_NUMBER() OVER (ORDER BY letters DESC, reason) AS place,
  reason,
  letters AS dead_letters,
  first_arrived,
  last_arrived,
  kafka_partition,
  kafka_offset,
  detail,
  value
FROM reasons
ORDER BY place
