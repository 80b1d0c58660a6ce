"""Gold's tables of a lake with PySpark: spark-submit spark.py LAKE OUT."""
import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

lake, out = sys.argv[1:3]
spark = (
    SparkSession.builder.appName("gold")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.sql.shuffle.partitions", "16")
    .config("spark.sql.parquet.compression.codec", "zstd")
    .getOrCreate()
)
spark.sparkContext.setLogLevel("ERROR")
columns = [
    "event_id", "event_type", "event_time", "product_id", "product_name", "user_id", "session_id", "country",
    "order_id", "line", "quantity", "unit_price", "currency", "category",
]
silver = spark.read.option("basePath", f"{lake}/silver").parquet(f"{lake}/silver").select(columns)
late = spark.read.option("recursiveFileLookup", True).parquet(f"{lake}/late").select(columns)
every = silver.unionByName(late).withColumn("day", f.to_date("event_time"))
first = Window.partitionBy("day", "event_id").orderBy("event_time", f.xxhash64("product_id", "quantity", "unit_price"))
events = every.withColumn("place", f.row_number().over(first)).where("place = 1").drop("place").persist()

ordered, cancelled = f.col("event_type") == "order_created", f.col("event_type") == "order_cancelled"
amount = f.col("quantity") * f.col("unit_price")


def count(condition):
    return f.sum(f.when(condition, 1).otherwise(0))


def total(condition, value):
    return f.coalesce(f.sum(f.when(condition, value)), f.lit(0))


sums = [
    count(ordered).alias("order_lines"),
    f.count_distinct(f.when(ordered, f.col("order_id"))).alias("orders"),
    f.count_distinct(f.when(ordered, f.col("user_id"))).alias("customers"),
    total(ordered, f.col("quantity")).alias("units"),
    total(ordered, amount).alias("revenue"),
    count(cancelled).alias("cancelled_lines"),
    total(cancelled, f.col("quantity")).alias("cancelled_units"),
    total(cancelled, amount).alias("cancelled_revenue"),
    count(f.col("event_type") == "product_viewed").alias("views"),
    count(f.col("event_type") == "add_to_cart").alias("carts"),
]
products = f.count_distinct(f.when(ordered, f.col("product_id"))).alias("products")
tables = {
    "daily_sales": events.groupBy("day", "product_id", "category", "currency").agg(*sums),
    "category_revenue": events.groupBy("day", "category", "currency").agg(products, *sums),
    "hourly_sales": events.groupBy("day", f.date_trunc("hour", "event_time"), "category", "currency").agg(*sums),
    "order_lines": events.where(ordered | cancelled).withColumn("amount", amount).sort("day", "event_time", "event_id"),
    "product_catalogue": events.groupBy("day", "product_id").agg(
        f.max_by("product_name", "event_time"), f.max_by("category", "event_time"), f.max_by("unit_price", "event_time"),
        f.min("unit_price"), f.max("unit_price"),
    ),
}
for name, table in tables.items():
    table.coalesce(1).write.parquet(f"{out}/{name}")
t = spark.read.parquet(f"{out}/daily_sales").agg(
    *(f.sum(c).alias(c) for c in ("order_lines", "orders", "units", "cancelled_lines", "views", "carts", "revenue"))
).first()
print(
    f"totals {t.order_lines} lines, {t.orders} orders, {t.units} units, {t.cancelled_lines} cancelled, "
    f"{t.views} views, {t.carts} carts, revenue {t.revenue:f}"
)
spark.stop()
