"""The xgboost side of the comparison: python xgboost.py FOLDER TASK."""

import json
import sys
import time

import numpy as np
import xgboost as xgb

folder, task = sys.argv[1], json.loads(sys.argv[2])


def read(name):
    return np.fromfile(f"{folder}/{name}.f32", dtype="<f4")


rows = read("rows").reshape(task["rows"], task["features"])
target = read("target")
start, begin = time.perf_counter(), time.process_time()
if task["quantised"]:
    data = xgb.QuantileDMatrix(rows, target, max_bin=task["bins"], nthread=task["workers"])
else:
    data = xgb.DMatrix(rows, target, nthread=task["workers"])
binned = time.process_time()
params = {
    "objective": {"squared": "reg:squarederror", "poisson": "count:poisson"}[task["objective"]],
    "tree_method": "hist",
    "max_bin": task["bins"],
    "max_depth": task["depth"],
    "eta": 0.1,
    "lambda": 1,
    "min_child_weight": 1,
    "nthread": task["workers"],
}
booster = xgb.train(params, data, task["trees"])
trained = time.process_time()
wall = time.perf_counter() - start
held = read("held_rows").reshape(-1, task["features"])
want = read("held_target")
booster.set_param({"nthread": 1})
scoring = time.process_time()
got = booster.inplace_predict(held)
scored = time.process_time()
print(json.dumps({
    "bin_cpu_s": binned - begin,
    "train_cpu_s": trained - binned,
    "wall_s": wall,
    "score_cpu_s": scored - scoring,
    "rmse": float(np.sqrt(np.mean((got.astype("f8") - want) ** 2))),
}))
