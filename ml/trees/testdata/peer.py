"""Python's xgboost as the other side of the tests.

peer.py score MODEL ROWS TYPES OUT NAMES            score ROWS with MODEL, write float32 to OUT
peer.py train PARAMS ROWS TARGETS TYPES MODEL OUT   train on ROWS, write the model and its scores
peer.py fixtures FOLDER                             the small models that the Go tests read

ROWS, TARGETS and OUT are little-endian float32 without a header; TYPES has one
letter a feature: q for a number, c for a category. PARAMS is a JSON object;
its key "rounds" is the number of trees. NAMES are the features', with commas between.
"""

import json
import sys

import numpy as np
import xgboost as xgb


def matrix(rows, types, target=None, names=None):
    return xgb.DMatrix(rows, target, missing=np.nan, feature_types=list(types), feature_names=names, enable_categorical="c" in types)


def read(path, width=None):
    values = np.fromfile(path, dtype="<f4")
    return values if width is None else values.reshape(-1, width)


def score(model, rows, types, out, names):
    booster = xgb.Booster({"nthread": 1}, model_file=model)
    booster.predict(matrix(read(rows, len(types)), types, names=names.split(",") if names else None)).astype("<f4").tofile(out)


def train(params, rows, targets, types, model, out):
    params = json.loads(params)
    data = matrix(read(rows, len(types)), types, read(targets))
    booster = xgb.train(params, data, params.pop("rounds"))
    booster.save_model(model)
    booster.predict(data).astype("<f4").tofile(out)


def fixtures(folder):
    random = np.random.default_rng(7)
    rows = random.normal(size=(400, 4)).astype("f4").round(2)
    rows[:, 1] = random.integers(0, 5, 400)
    rows[:, 2] = random.integers(0, 12, 400)
    mean = np.exp(0.4 * rows[:, 0] + 0.3 * (rows[:, 1] == 2) + 0.2 * (rows[:, 2] % 3))
    target = random.poisson(mean).astype("f4")
    rows[random.random(rows.shape) < 0.1] = np.nan
    cases = {
        "squarederror": {"objective": "reg:squarederror"},
        "poisson": {"objective": "count:poisson"},
        "tweedie": {"objective": "reg:tweedie", "tweedie_variance_power": 1.3},
        "quantile": {"objective": "reg:quantileerror", "quantile_alpha": 0.7},
        "absoluteerror": {"objective": "reg:absoluteerror"},
        "gamma": {"objective": "reg:gamma"},
        "logistic": {"objective": "binary:logistic"},
        "categorical": {"objective": "reg:squarederror", "max_cat_to_onehot": 1},
        "onehot": {"objective": "reg:squarederror", "max_cat_to_onehot": 20},
        "forest": {"objective": "reg:squarederror", "num_parallel_tree": 2, "subsample": 0.5},
        "pruned": {"objective": "reg:squarederror", "gamma": 8, "tree_method": "exact"},
        "stopped": {"objective": "reg:squarederror"},
        "dart": {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5},
        "linear": {"objective": "reg:squarederror", "booster": "gblinear"},
        "multiclass": {"objective": "multi:softprob", "num_class": 3},
        "quantiles": {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]},
    }
    for name, params in cases.items():
        y = target
        if name == "logistic":
            y = (target > 1).astype("f4")
        elif name == "gamma":
            y = target + 0.5
        elif name == "multiclass":
            y = target % 3
        types = "qqcq" if name in ("categorical", "onehot") else "qqqq"
        params = {"max_depth": 3, "eta": 0.4, "seed": 1, **params}
        data = matrix(rows, types, y)
        extra = {}
        if name == "stopped":
            held_out = matrix(rows[:100], types, y[:100])
            data = matrix(rows[100:], types, y[100:])
            extra = {"evals": [(held_out, "valid")], "early_stopping_rounds": 4, "verbose_eval": False}
        booster = xgb.train(params, data, 60 if name == "stopped" else 6, **extra)
        booster.save_model(f"{folder}/{name}.json")
        if name in ("dart", "linear", "multiclass", "quantiles"):
            continue
        few = rows[:40].copy()
        few[0] = np.nan
        few[1, 2] = 17  # a category that training has not seen
        span = (0, booster.best_iteration + 1) if name == "stopped" else (0, 0)
        predicted = booster.predict(matrix(few, types), iteration_range=span)
        margin = booster.predict(matrix(few, types), iteration_range=span, output_margin=True)
        shap = booster.predict(matrix(few, types), iteration_range=span, pred_contribs=True)
        with open(f"{folder}/{name}.scores.json", "w") as out:
            json.dump({
                "rows": [[None if np.isnan(v) else round(float(v), 2) for v in row] for row in few],
                "predicted": [float(v) for v in predicted],
                "margin": [float(v) for v in margin],
                "shap": [[float(v) for v in row] for row in shap[:5]],
            }, out)
            out.write("\n")


if __name__ == "__main__":
    {"score": score, "train": train, "fixtures": fixtures}[sys.argv[1]](*sys.argv[2:])
