"""Reads a lake's folders as docs/lake.md says, with pandas, pyarrow, polars and Spark.

usage: readers_check.py LAKE
"""
import datetime
import pathlib
import shutil
import sys
import tempfile

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from pyspark.sql import SparkSession
from pyspark.sql.types import DateType

lake = pathlib.Path(sys.argv[1])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.sql.session.timeZone", "UTC")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)


def hive(**kinds):
    return ds.partitioning(pa.schema(list(kinds.items())), flavor="hive")


def same(what, counts):
    assert len(set(counts.values())) == 1 and min(counts.values()) > 0, f"{what}: {counts}: expected the same rows from all readers"
    print(f"{what}: {min(counts.values())} rows from {', '.join(counts)}")


# Gold: as it lies there.
for table in sorted(p.name for p in (lake / "gold").iterdir() if any(p.rglob("*.parquet"))):
    folder = str(lake / "gold" / table)
    frame = pd.read_parquet(folder)
    arrow = ds.dataset(folder).to_table()
    polar = pl.read_parquet(folder)
    sparks = spark.read.parquet(folder)
    same(f"gold/{table}", {"pandas": len(frame), "pyarrow": arrow.num_rows, "polars": polar.height, "Spark": sparks.count()})
    assert arrow.schema.field("date").type == pa.date32(), arrow.schema.field("date")
    assert polar.schema["date"] == pl.Date, polar.schema
    assert sparks.schema["date"].dataType == DateType(), sparks.schema["date"]
    dates = set(frame["date"])
    assert dates == set(polar["date"].to_list()) and all(type(d) is datetime.date for d in dates), f"{table}: {dates}"

# Silver and metrics: name the types of what is in the path. Categories may look like numbers.
spark.conf.set("spark.sql.sources.partitionColumnTypeInference.enabled", "false")
with tempfile.TemporaryDirectory() as tmp:
    silver = pathlib.Path(tmp) / "silver"
    day = next(iter(sorted((lake / "silver").iterdir())))
    files = sorted(day.rglob("*.parquet"))[:3]
    for name, file in zip(["007", "7", "toys"], files, strict=True):
        to = silver / day.name / f"category={name}"
        to.mkdir(parents=True)
        shutil.copy(file, to)
    kinds = {"date": pa.date32(), "category": pa.string()}
    for folder, categories in (str(silver), {"007", "7", "toys"}), (str(lake / "silver"), None):
        frame = pd.read_parquet(folder, partitioning=hive(**kinds))
        arrow = ds.dataset(folder, partitioning=hive(**kinds)).to_table()
        polar = pl.scan_parquet(folder + "/**/*.parquet", hive_schema={"date": pl.Date, "category": pl.String}, hive_partitioning=True).collect()
        sparks = spark.read.parquet(folder)
        same("silver", {"pandas": len(frame), "pyarrow": arrow.num_rows, "polars": polar.height, "Spark": sparks.count()})
        found = [set(frame["category"]), set(arrow["category"].to_pylist()), set(polar["category"].to_list()), {r[0] for r in sparks.select("category").distinct().collect()}]
        assert all(f == (categories or found[0]) for f in found), f"categories {found}, expected {categories}"

folder = str(lake / "metrics")
kinds = {"window": pa.string(), "date": pa.date32()}
same("metrics", {
    "pandas": len(pd.read_parquet(folder, partitioning=hive(**kinds))), "pyarrow": ds.dataset(folder, partitioning=hive(**kinds)).count_rows(),
    "polars": pl.read_parquet(folder + "/**/*.parquet", hive_partitioning=True).height, "Spark": spark.read.parquet(folder).count(),
})
