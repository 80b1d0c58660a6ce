"""Reads columns of cells as JSON, writes the metrics of these as JSON.

The same definitions as the Go package, by libraries where they have them.
"""

import json
import sys

import numpy as np
import pandas as pd
import utilsforecast.losses as losses
from sklearn import metrics

cells = pd.DataFrame(json.load(sys.stdin))
y, f = cells.actual.to_numpy(float), cells.point.to_numpy(float)
out = {
    "mae": metrics.mean_absolute_error(y, f),
    "rmse": metrics.root_mean_squared_error(y, f),
    "r2": metrics.r2_score(y, f),
    "wape": np.abs(y - f).sum() / y.sum(),
    "bias": (f - y).sum() / y.sum(),
    "mean_bias": (cells["mean"] - cells.actual).sum() / y.sum(),
}
raised = f * 0.95 * y.sum() / f.sum()
out["equal_bias_wape"] = np.abs(y - raised).sum() / y.sum()

# A series at an origin is an id; its scale is known, so that utilsforecast gives
# the error that is scaled, and the division is ours.
long = cells.assign(unique_id=cells.series + "/" + cells.origin.astype(str), ds=cells.day, y=cells.actual)
scales = long.groupby("unique_id")[["scale", "scale_squared"]].first()
mae = losses.mae(long, models=["point"]).set_index("unique_id")["point"]
mse = losses.mse(long, models=["point"]).set_index("unique_id")["point"]
kept = scales.scale > 0
out["mase"] = (mae[kept] / scales.scale[kept]).mean()
kept = scales.scale_squared > 0
out["rmsse"] = np.sqrt(mse[kept] / scales.scale_squared[kept]).mean()

for level, alpha in ((80, 0.2), (95, 0.05)):
    lower, upper = f"lower{level}", f"upper{level}"
    rows = long[long.open & long[lower].notna()].assign(unique_id="all")
    rows = rows.rename(columns={lower: f"point-lo-{level}", upper: f"point-hi-{level}"})
    rows = rows.astype({f"point-lo-{level}": float, f"point-hi-{level}": float})
    out[f"coverage_{level}"] = losses.coverage(rows, models=["point"], level=level)["point"].item()
    l, u, t = rows[f"point-lo-{level}"], rows[f"point-hi-{level}"], rows.y
    out[f"interval_score_{level}"] = np.mean((u - l) + 2 / alpha * (l - t) * (t < l) + 2 / alpha * (t - u) * (t > u))

for name, column, tau in (
    ("pinball_025", "lower95", 0.025),
    ("pinball_100", "lower80", 0.1),
    ("pinball_500", "point", 0.5),
    ("pinball_900", "upper80", 0.9),
    ("pinball_975", "upper95", 0.975),
):
    rows = cells[cells.open & cells[column].notna()]
    out[name] = metrics.mean_pinball_loss(rows.actual, rows[column].astype(float), alpha=tau)

json.dump(out, sys.stdout)
