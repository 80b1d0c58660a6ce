"""Reads a lake's folders with pandas, pyarrow, polars and Spark as they lie there, without any option.

usage: readers_check.py LAKE [EVENTS]

EVENTS is the file of order lines that the lake was made of: then each reader has to find
its categories, counts and sums. "readers_check.py --events FILE" writes such a file, whose
categories look like numbers.
"""
import collections
import datetime
import decimal
import json
import pathlib
import sys
import uuid

if sys.argv[1] == "--events":
    with open(sys.argv[2], "w") as out:
        for i in range(3000):
            at = datetime.datetime(2026, 3, 1) + datetime.timedelta(seconds=55 * i)
            category = ["007", "7", "toys"][i % 3]
            print(json.dumps({
                "event_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, str(i))), "event_type": "order_created", "event_time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "product_id": f"P-{category}-{i % 5}", "user_id": f"u{i % 17}", "category": category, "order_id": f"o-{i}", "line": 1,
                "quantity": 1 + i % 3, "unit_price": "10.25", "currency": "EUR", "schema_version": 1,
            }), file=out)
    sys.exit()

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

lake = pathlib.Path(sys.argv[1])
spark = (
    SparkSession.builder.master("local[1]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.ui.showConsoleProgress", "false")
    .getOrCreate()
)

# Of each reader: how it reads a folder, and rows, names with types, and sums of what it has read.
READERS = {
    "pandas": pd.read_parquet,
    "pyarrow": ds.dataset,
    "pyarrow.parquet": pq.read_table,
    "polars": pl.read_parquet,
    "Spark": spark.read.parquet,
}


def rows(data, columns):
    """Counts of the rows by the texts of some columns."""
    if isinstance(data, pd.DataFrame):
        texts = zip(*(data[c].astype(object) for c in columns), strict=True)
    elif isinstance(data, (ds.Dataset, pa.Table)):
        table = data.to_table(columns=columns) if isinstance(data, ds.Dataset) else data
        texts = zip(*(table[c].to_pylist() for c in columns), strict=True)
    elif isinstance(data, pl.DataFrame):
        texts = data.select(columns).iter_rows()
    else:
        counts = data.groupBy(*columns).count().collect()
        return collections.Counter({tuple(text(v) for v in r[:-1]): r[-1] for r in counts})
    return collections.Counter(tuple(text(v) for v in t) for t in texts)


def text(value):
    return None if value is None or value != value else str(value)


def kind(data, column):
    """A column's type as the reader names it; '' where there is no such column."""
    if isinstance(data, pd.DataFrame):
        if column not in data:
            return ""
        if data[column].dtype == object:
            return type(next((v for v in data[column] if v is not None), None)).__name__
        return str(data[column].dtype)
    if isinstance(data, (ds.Dataset, pa.Table)):
        return str(data.schema.field(column).type) if column in data.schema.names else ""
    if isinstance(data, pl.DataFrame):
        return str(data.schema.get(column, ""))
    return next((f.dataType.simpleString() for f in data.schema if f.name == column), "")


def check(folder, columns, want):
    """Wants the same counts by columns of all readers, and the types in want by reader."""
    counts = {}
    for name, read in READERS.items():
        data = read(str(lake / folder))
        have = [c for c in columns if kind(data, c)]
        counts[name] = rows(data, have)
        for column, kinds in want.items():
            found, expected = kind(data, column), kinds[list(READERS).index(name)]
            if name == "pandas" and found == "NoneType":
                continue  # no values, of which pandas knows the type by looking
            assert found == expected, f"{folder}: {name} has {column} as {found or 'no column'}, expected {expected or 'no column'}"
        if have != columns:  # pyarrow.dataset takes nothing of the path
            assert name == "pyarrow", f"{folder}: {name} has {have} of {columns}"
            counts[name] = None
            assert data.count_rows() == counts["pandas"].total(), f"{folder}: {name} has {data.count_rows()} rows, pandas {counts['pandas'].total()}"
    first = counts["pandas"]
    for name, found in counts.items():
        assert found is None or found == first, f"{folder}: {name} has {found - first} more and {first - found} less than pandas"
    print(f"{folder}: {first.total()} rows, the same from {', '.join(READERS)}")
    return first


DATE = ["date", "date32[day]", "date32[day]", "Date", "date"]
TEXT = ["str", "string", "string", "String", "string"]
PATH = ["category", "", "dictionary<values=string, indices=int32, ordered=0>"]  # what pandas and pyarrow make of a path

for table in sorted(p.name for p in (lake / "gold").iterdir() if any(p.glob("*.parquet"))):
    columns = {"date": DATE}
    if "category" in ds.dataset(lake / "gold" / table).schema.names:
        columns["category"] = TEXT
    found = check(f"gold/{table}", list(columns), columns).total()
    ledger = lake / "ledger" / ("predictions" if table == "demand_predictions" else "gold")
    named = [json.loads(p.read_text())["tables"].get(table, {"rows": 0})["rows"] for p in ledger.glob("date=*.json")]
    assert found == sum(named), f"gold/{table}: {found} rows, its publications have {sum(named)}"
silver = check("silver", ["category"], {"category": TEXT, "date": [*PATH, "Date", "date"]})
totals = json.loads((lake / "ledger/closed.json").read_text())["totals"]
assert silver.total() == totals["silver"], f"silver: {silver.total()} rows, the ledger has {totals['silver']}"
assert check("metrics", ["window", "date"], {"category": TEXT, "window": [*PATH, "String", "string"], "date": [*PATH, "Date", "date"]}), "metrics: no rows"
assert check("metrics/window=5m", ["category"], {"category": TEXT}), "metrics/window=5m: no rows"

if len(sys.argv) > 2:
    count, units, revenue = collections.Counter(), collections.Counter(), collections.Counter()
    for line in open(sys.argv[2]):
        e = json.loads(line)
        key = (e["category"],)
        count[key] += 1
        units[key] += e["quantity"]
        revenue[key] += e["quantity"] * decimal.Decimal(e["unit_price"])
    assert silver == count, f"silver by category: {silver}, the events {count}"
    found = pd.read_parquet(lake / "gold" / "category_revenue").groupby("category")[["order_lines", "units", "revenue"]].sum()
    for (category,), n in count.items():
        row = found.loc[category]
        assert (row.order_lines, row.units, row.revenue) == (n, units[(category,)], revenue[(category,)]), f"category_revenue of {category}: {row}"
    polar = pl.read_parquet(lake / "silver").group_by("category").agg((pl.col("quantity") * pl.col("unit_price")).sum()).rows()
    sparks = spark.read.parquet(str(lake / "silver")).selectExpr("category", "quantity * unit_price AS amount").groupBy("category").sum("amount").collect()
    for name, sums in {"polars": dict(polar), "Spark": {r[0]: r[1] for r in sparks}}.items():
        assert {(c,): v for c, v in sums.items()} == dict(revenue), f"revenue of silver with {name}: {sums}, expected {revenue}"
    print(f"categories {sorted(c for (c,) in count)}: counts and sums as the events have them")
spark.stop()
