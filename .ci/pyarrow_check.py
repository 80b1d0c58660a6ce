"""Reads a closed lake with pyarrow, as Spark's reader would, and checks types and sums.

usage: pyarrow_check.py LAKE REVENUE
"""
import decimal
import json
import pathlib
import sys

import pyarrow as pa
import pyarrow.dataset as ds

lake, revenue = pathlib.Path(sys.argv[1]), decimal.Decimal(sys.argv[2])
totals = json.loads((lake / "ledger/closed.json").read_text())["totals"]
utc = pa.timestamp("us", tz="UTC")
want = {
    "silver": {"event_time": utc, "unit_price": pa.decimal128(18, 6), "event_id": pa.string(), "category": pa.string(), "quantity": pa.int64()},
    "bronze": {"kafka_timestamp": utc, "value": pa.binary(), "key": pa.binary()},
    "dead_letters": {"kafka_timestamp": utc, "value": pa.binary(), "reason": pa.string()},
    "metrics": {"window_start": utc, "window_end": utc, "revenue": pa.decimal128(18, 6)},
}
partitions = {"silver": ["date"], "bronze": ["date", "hour"], "dead_letters": ["date", "hour"], "metrics": ["window", "date"]}
rows = {}
for lane, columns in want.items():
    part = ds.partitioning(pa.schema([(p, pa.string()) for p in partitions[lane]]), flavor="hive")
    data = ds.dataset(lake / lane, format="parquet", partitioning=part)
    for name, kind in columns.items():
        found = data.schema.field(name).type
        assert found == kind, f"{lane}.{name}: {found}, expected {kind}"
    rows[lane] = data.count_rows()
    if lane == "silver":
        table = data.to_table(columns=["event_type", "quantity", "unit_price"], filter=ds.field("event_type") == "order_created")
        total = sum((q * p for q, p in zip(table["quantity"].to_pylist(), table["unit_price"].to_pylist())), decimal.Decimal(0))
        assert total == revenue, f"revenue {total}, expected {revenue}"
assert rows["silver"] == totals["silver"] and rows["bronze"] == totals["read"] and rows["dead_letters"] == sum(totals["dead"].values()), (rows, totals)
print(f"pyarrow {pa.__version__}: {rows}, revenue {revenue}")
