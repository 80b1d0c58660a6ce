"""Sets Python's forecasting libraries beside our backtest, and checks our metrics.

usage: forecast_compare.py DIR [--format table|json] [--gate FILE]

DIR is what `ml/cmd/backtest --export DIR` writes:

  series.csv      unique_id,ds,y,open: one row a series and day, without gaps from
                  the series' first sale to the last day of the data, days after
                  the origins included; open is 1 if the shop was open
  origins.json    level, target, horizon (days), origins (first day forecast of
                  each), closed_weekdays (0 = Monday) and closed_dates
  forecasts.csv   model,origin,unique_id,ds,point,mean,lower_80,upper_80,lower_95,
                  upper_95: ours; bounds and mean may be empty
  metrics.json    {model: {metric: number or null}}: ours, as ml/score names them

Every model of a library gets the days before an origin and no other, and 0 on
days that the shop is closed, as ours do. The script computes our metrics anew
from forecasts.csv. It exits with 1 if one differs from metrics.json by more than
1e-6 of its size, or if a limit of the gate is not met. A gate is a JSON object:

  model                    the model of ours that the limits are for
  wape, mase, rmsse, abs_bias, wape_at_equal_bias
                           at most so much
  coverage_80, coverage_95 [lowest, highest]
  below_tsb_at_equal_bias  so much less WAPE than statsforecast's TSB, both scaled
                           to the same bias

The table is written to standard output, progress to standard error. It is
deterministic but for the CPU seconds.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import sys
import warnings

import lightgbm
import mlforecast
import numpy as np
import pandas as pd
import statsforecast
import statsforecast.models
from mlforecast.lag_transforms import ExponentiallyWeightedMean, RollingMean, RollingStd

EQUAL_BIAS = -0.05  # ml/score.EqualBias
TOLERANCE = 1e-6
REQUIRED = ["wape", "bias", "mase", "rmsse", "rmse", "mae", "coverage_80", "coverage_95", "interval_score_80", "interval_score_95"]
TSB = "statsforecast TSB"
BOUNDS = ["lower_80", "upper_80", "lower_95", "upper_95"]
PROCESSES = os.cpu_count() or 1  # of statsforecast; so few rows are too little for threads of LightGBM


class Unusable(Exception):
    """The input is not what it should be; the message says where and what to do."""


def say(text):
    print(text, file=sys.stderr, flush=True)


@dataclasses.dataclass
class Export:
    """The prepared series: y is days × series, NaN before a series' first sale."""

    level: str
    target: str
    horizon: int
    origins: list  # of positions in days
    open_weekdays: int  # of the seven
    days: pd.DatetimeIndex
    ids: list
    y: np.ndarray
    open: np.ndarray  # bool, a day

    def started(self, origin):
        """The series with at least one day before the origin."""
        return np.flatnonzero(~np.isnan(self.y[origin - 1]))

    def ahead(self, origin):
        return slice(origin, origin + self.horizon)

    def no_forecasts(self):
        """Forecasts of no series: origins × horizon × series, NaN."""
        return np.full((len(self.origins), self.horizon, len(self.ids)), np.nan)


def read_export(folder):
    rows = read_csv(folder / "series.csv", {"unique_id": str, "ds": str, "y": float, "open": int})
    about = json.loads((folder / "origins.json").read_text())
    rows["ds"] = dates(rows["ds"], "series.csv")
    if rows.duplicated(["unique_id", "ds"]).any():
        raise Unusable("series.csv has a series and day twice, expected one row for each")
    y = rows.pivot(index="ds", columns="unique_id", values="y")
    if (y.index != pd.date_range(y.index[0], y.index[-1])).any():
        raise Unusable("series.csv lacks a day in all series, expected zeros")
    gaps = (y.isna() & y.shift().notna()).any()
    if gaps.any():
        raise Unusable(f"series.csv: {gaps.idxmax()} has a gap or ends before {y.index[-1].date()}, expected zeros there")
    is_open = rows.groupby("ds")["open"].agg(["min", "max"])
    if (is_open["min"] != is_open["max"]).any() or not is_open.isin([0, 1]).all(axis=None):
        raise Unusable("series.csv: open must be 0 or 1, and the same in all series of a day")
    is_open = is_open["max"].to_numpy() == 1
    if (rows["y"] < 0).any() or not np.isfinite(rows["y"]).all() or (y.to_numpy()[~is_open] > 0).any():
        raise Unusable("series.csv: y must be a number, not below 0, finite, and 0 on days with open = 0")

    closed = np.isin(y.index.dayofweek, about["closed_weekdays"]) | y.index.isin(dates(about["closed_dates"], "origins.json"))
    if (closed & is_open).any():
        raise Unusable(f"origins.json has {y.index[closed & is_open][0].date()} closed, series.csv has it open")
    origins = []
    for day in dates(sorted(about["origins"]), "origins.json"):
        date, at = day.date(), y.index.get_indexer([day])[0]
        if at < 1 or at + about["horizon"] > len(y):
            span = f"{y.index[0].date()} to {y.index[-1].date()}"
            raise Unusable(f"origin {date}: series.csv has the days {span}, expected days before it and {about['horizon']} from it on")
        origins.append(at)
        if unknown := np.count_nonzero(~is_open[at : at + about["horizon"]] & ~closed[at : at + about["horizon"]]):
            say(f"origin {date}: {unknown} closed days are not in origins.json; all models of the libraries are told")
    return Export(
        about["level"], about["target"], about["horizon"], origins, 7 - len(set(about["closed_weekdays"])), y.index, list(y.columns), y.to_numpy(), is_open
    )


def read_csv(path, types):
    may_be_empty = {name: [""] for name, kind in types.items() if kind is float}
    try:
        return pd.read_csv(path, usecols=list(types), dtype=types, keep_default_na=False, na_values=may_be_empty)
    except ValueError as e:
        raise Unusable(f"{path.name}: {e}; expected the columns {', '.join(types)}") from e


def dates(texts, file):
    try:
        return pd.DatetimeIndex(pd.to_datetime(texts, format="%Y-%m-%d"))
    except ValueError as e:
        raise Unusable(f"{file}: expected dates as 2026-01-31: {str(e).splitlines()[0]}") from e


def read_forecasts(path, export):
    """Our forecasts: {model: {column: origins × horizon × series}}."""
    rows = read_csv(path, {"model": str, "origin": str, "unique_id": str, "ds": str, "point": float, "mean": float} | dict.fromkeys(BOUNDS, float))
    at = {str(export.days[o].date()): i for i, o in enumerate(export.origins)}
    origin = rows["origin"].map(at)
    series = pd.Index(export.ids).get_indexer(rows["unique_id"])
    if origin.isna().any() or (series < 0).any():
        bad = rows[origin.isna() | (series < 0)].iloc[0]
        raise Unusable(f"forecasts.csv has {bad['unique_id']} from {bad['origin']}, which series.csv or origins.json lacks")
    origin = origin.to_numpy(int)
    day = export.days.get_indexer(dates(rows["ds"], path.name))
    step = day - np.array(export.origins)[origin]
    if ((step < 0) | (step >= export.horizon)).any():
        raise Unusable(f"forecasts.csv has a day outside the {export.horizon} from its origin on")
    if rows.duplicated(["model", "origin", "unique_id", "ds"]).any():
        raise Unusable("forecasts.csv has a forecast twice")
    ours = {}
    for model, index in rows.groupby("model").indices.items():
        ours[model] = {c: export.no_forecasts() for c in ["point", "mean", *BOUNDS]}
        for column, values in ours[model].items():
            values[origin[index], step[index], series[index]] = rows[column].to_numpy()[index]
        for i, o in enumerate(export.origins):
            given = ~np.isnan(ours[model]["point"][i])
            want = np.zeros_like(given)
            want[:, export.started(o)] = True
            if (given != want).any():
                found = f"{model} from {export.days[o].date()} has {given.sum()} points"
                raise Unusable(f"forecasts.csv: {found}, expected {want.sum()}: all days of all series that began before")
    return ours


# --- metrics, by the definitions of ml/score ---


@dataclasses.dataclass
class Outcomes:
    """What all models are scored against; arrays as Export.no_forecasts."""

    y: np.ndarray
    open: np.ndarray
    scale: np.ndarray  # origins × series: in-sample mean |y(t) − y(t−7)|
    scale_squared: np.ndarray


def outcomes(export):
    y = export.no_forecasts()
    scale = np.zeros((len(export.origins), len(export.ids)))
    squared = np.zeros_like(scale)
    is_open = np.stack([export.open[export.ahead(o)] for o in export.origins])
    for i, o in enumerate(export.origins):
        started = export.started(o)
        y[i][:, started] = export.y[export.ahead(o), started]
        for s in started:
            known = export.y[:o, s]
            known = known[~np.isnan(known)]
            change = known[7:] - known[:-7]
            if len(change):
                scale[i, s], squared[i, s] = np.mean(np.abs(change)), np.mean(change**2)
    return Outcomes(y, np.repeat(is_open[:, :, None], len(export.ids), axis=2), scale, squared)


def ratio(a, b):
    return a / b if b > 0 else np.nan


def metrics(o, point, mean=None, bounds=None):
    """The metrics of one model under the names of ml/score.Metrics in JSON."""
    used = ~np.isnan(point)
    y, f = o.y[used], point[used]
    error = f - y
    total = y.sum()
    ran, days = used.any(axis=1), np.maximum(used.sum(axis=1), 1)  # origins × series, as the next two
    absolute = np.nansum(np.abs(point - o.y), axis=1) / days
    square = np.nansum((point - o.y) ** 2, axis=1) / days
    scaled, square_scaled = ran & (o.scale > 0), ran & (o.scale_squared > 0)
    m = {
        "n": int(used.sum()),
        "series": int(used.any(axis=(0, 1)).sum()),
        "origins": int(used.any(axis=(1, 2)).sum()),
        "unscaled": int(ran.sum() - scaled.sum()),
        "mae": np.mean(np.abs(error)),
        "rmse": np.sqrt(np.mean(error**2)),
        "r2": 1 - ratio(np.sum(error**2), np.sum((y - y.mean()) ** 2)),
        "wape": ratio(np.sum(np.abs(error)), total),
        "bias": ratio(error.sum(), total),
        "mase": ratio(np.sum(absolute[scaled] / o.scale[scaled]), scaled.sum()),
        "rmsse": ratio(np.sum(np.sqrt(square[square_scaled] / o.scale_squared[square_scaled])), square_scaled.sum()),
        "equal_bias_wape": ratio(np.sum(np.abs((1 + EQUAL_BIAS) * ratio(total, f.sum()) * f - y)), total),
        "mean_bias": np.nan if mean is None else ratio(np.sum(mean[used] - y), total),
    }
    day = used & o.open
    quantiles = {"500": point}
    for level, alpha, low, high in [("80", 0.2, "100", "900"), ("95", 0.05, "025", "975")]:
        none = np.full_like(point, np.nan)
        lower, upper = (none, none) if bounds is None else (bounds[f"lower_{level}"], bounds[f"upper_{level}"])
        quantiles |= {low: lower, high: upper}
        has = day & ~np.isnan(lower) & ~np.isnan(upper)
        l, u, actual = lower[has], upper[has], o.y[has]
        m[f"intervals_{level}"] = int(has.sum())
        m[f"coverage_{level}"] = ratio(np.sum((l <= actual) & (actual <= u)), has.sum())
        missed = np.maximum(l - actual, 0) + np.maximum(actual - u, 0)
        m[f"interval_score_{level}"] = ratio(np.sum(u - l + 2 / alpha * missed), has.sum())
    for name, forecast in quantiles.items():
        tau, has = int(name) / 1000, day & ~np.isnan(forecast)
        d = o.y[has] - forecast[has]
        m[f"pinball_{name}"] = ratio(np.sum(np.maximum(tau * d, (tau - 1) * d)), has.sum())
    return {name: float(v) if isinstance(v, np.floating) else v for name, v in m.items()}


def differences(ours, stated):
    """Compares our metrics with those computed here: problems, numbers compared."""
    problems, compared = [], 0
    for model in sorted(ours.keys() | stated.keys()):
        if model not in ours or model not in stated:
            problems.append(f"{model}: it is in {'metrics.json' if model in stated else 'forecasts.csv'} only, expected in both")
            continue
        given = flat(stated[model])
        for name in sorted(ours[model].keys() | given.keys()):
            if name not in given:
                if name in REQUIRED:
                    problems.append(f"{model}: metrics.json has no {name}")
                continue
            if name not in ours[model]:
                problems.append(f"{model}: metrics.json has {name}, which is not checked here: add it to this script")
                continue
            a, b = given[name], ours[model][name]
            a = np.nan if a is None else a
            compared += 1
            same = np.isnan(a) and np.isnan(b) or abs(a - b) <= max(TOLERANCE * max(abs(a), abs(b)), 1e-12)
            if not same:
                problems.append(f"{model}: {name} is {a!r} in metrics.json, and {b!r} computed from forecasts.csv")
    return problems, compared


def flat(given):
    """{"pinball": {"0.1": 2}} may stand for {"pinball_100": 2}."""
    given = dict(given)
    for quantile, v in given.pop("pinball", {}).items():
        given[f"pinball_{round(float(quantile) * 1000):03d}"] = v
    return given


# --- the libraries' models: each returns forecasts as Export.no_forecasts ---


def on_closed_days_zero(forecast):
    """Makes a model of forecast(export, origin, started, open_days), which returns
    the forecasts of the open days of the horizon: open days × started series."""

    def model(export):
        out = export.no_forecasts()
        for i, o in enumerate(export.origins):
            started = export.started(o)
            out[i][:, started] = 0
            open_days = np.flatnonzero(export.open[export.ahead(o)])
            if len(open_days):
                values = np.asarray(forecast(export, o, started, open_days))
                if np.isnan(values).any():
                    raise Unusable(f"origin {export.days[o].date()}: the library left {np.isnan(values).sum()} forecasts out")
                out[i][np.ix_(open_days, started)] = np.maximum(values, 0)
            say(f"  {export.days[o].date()}")
        return out

    return model


def long_table(y, started, ids, times):
    """unique_id, ds, y of the started series, each from its first day on."""
    values = pd.DataFrame(y[:, started], index=pd.Index(times, name="ds"), columns=pd.Index([ids[s] for s in started], name="unique_id"))
    return values.stack().rename("y").reset_index()[["unique_id", "ds", "y"]].sort_values(["unique_id", "ds"], ignore_index=True)


def wide(forecasts, column, started, ids):
    """The forecasts of a library: steps × started series."""
    return forecasts.pivot(index="ds", columns="unique_id", values=column)[[ids[s] for s in started]].to_numpy()


def on_open_days(make):
    """A model of statsforecast on the axis of open days; make takes the length of a
    week there."""

    def forecast(export, o, started, open_days):
        known = np.flatnonzero(export.open[:o])
        model = make(export.open_weekdays)
        sf = statsforecast.StatsForecast([model], freq=1, n_jobs=PROCESSES, fallback_model=statsforecast.models.HistoricAverage())
        table = long_table(export.y[known], started, export.ids, np.arange(len(known)))
        return wide(sf.forecast(h=len(open_days), df=table), repr(model), started, export.ids)

    return on_closed_days_zero(forecast)


def seasonal_naive(export, o, started, open_days):
    sf = statsforecast.StatsForecast([statsforecast.models.SeasonalNaive(season_length=7)], freq="D")
    table = long_table(export.y[:o], started, export.ids, export.days[:o])
    # A series that is younger than a week has no day to repeat.
    return np.nan_to_num(wide(sf.forecast(h=export.horizon, df=table), "SeasonalNaive", started, export.ids)[open_days])


def recursive_lightgbm(export, o, started, open_days):
    """mlforecast as its guides have it: lags, rolling means, date features, one
    LightGBM for all days, each forecast fed into the next one's lags. A series too
    young for the longest mean gets its own."""
    young = [s for s in started if np.count_nonzero(~np.isnan(export.y[:o, s])) <= 56]
    old = [s for s in started if s not in young]
    out = pd.DataFrame(np.nan_to_num(np.nanmean(export.y[:o, started][-56:], axis=0)) * np.ones((len(open_days), 1)), columns=started)
    if old:
        trees = lightgbm.LGBMRegressor(
            objective="tweedie", n_estimators=300, learning_rate=0.05, num_leaves=31, min_child_samples=50, subsample=0.7, subsample_freq=1,
            colsample_bytree=0.7, random_state=1, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1,
        )
        forecast = mlforecast.MLForecast(
            models={"trees": trees}, freq="D", lags=[1, 2, 3, 7, 14, 21, 28],
            lag_transforms={
                1: [*(RollingMean(days) for days in (7, 14, 28, 56)), RollingStd(28), ExponentiallyWeightedMean(0.1)],
                7: [RollingMean(28)],
            },
            date_features=["dayofweek", "day", "month"],
        )
        forecast.fit(long_table(export.y[:o], old, export.ids, export.days[:o]), static_features=[])
        out[old] = wide(forecast.predict(export.horizon), "trees", old, export.ids)[open_days]
    return out.to_numpy()


class TweedieFeatures:
    """What is known of each series at the end of an open day: axes are open days,
    series, features. Only the day itself and days before it are used."""

    def __init__(self, y, weekdays):
        self.y, self.weekdays = y, weekdays
        units = pd.DataFrame(y)
        live = units.notna().to_numpy()
        capped = units.clip(upper=units.rolling(96, min_periods=1).quantile(0.95))
        sold = (units > 0).where(live).astype(float)
        day = np.arange(len(y))[:, None]
        first = np.where(live.any(axis=0), live.argmax(axis=0), len(y))
        last_sale = np.maximum.accumulate(np.where(np.nan_to_num(y) > 0, day, -1), axis=0)
        mean = {w: units.rolling(w, min_periods=1).mean() for w in (3, 6, 12, 24, 48, 96)}
        columns = [units.shift(lag) for lag in range(6)] + list(mean.values())
        for w in (12, 24, 48):
            window = units.rolling(w, min_periods=1)
            columns += [window.median(), window.max(), window.std(), window.quantile(0.75), sold.rolling(w, min_periods=1).mean()]
        columns += [units.ewm(alpha=a).mean() for a in (0.02, 0.05, 0.1, 0.3)]
        columns += [capped.rolling(w, min_periods=1).mean() for w in (6, 12, 24, 48)] + [capped.ewm(alpha=a).mean() for a in (0.03, 0.1)]
        columns += [mean[12] / mean[48], mean[24] / mean[96]]
        self.age = day - first
        columns += [pd.DataFrame(np.where(live, np.minimum(day - last_sale, 60), np.nan))]
        columns += [pd.DataFrame(np.where(live, np.minimum(self.age, 150), np.nan))]
        values = np.stack([c.to_numpy(np.float32) for c in columns], axis=-1)
        self.known = np.where(np.isfinite(values), values, np.nan)

    def rows(self, anchor, target, weekday, series):
        """Features at the end of open day anchor of the open day target > anchor."""
        past = np.flatnonzero(self.weekdays[: anchor + 1] == weekday)[-8:][::-1]
        same = np.full((8, len(series)), np.nan, np.float32)
        same[: len(past)] = self.y[np.ix_(past, series)]
        with warnings.catch_warnings(action="ignore"):  # a mean of no day is NaN
            of_weekday = [*same[:4], np.nanmean(same[:4], axis=0), np.nanmean(same, axis=0), np.nanmedian(same, axis=0)]
        of_day = [np.full(len(series), v, np.float32) for v in (weekday, target)]
        return np.column_stack([self.known[anchor, series], *of_weekday, *of_day])


def tweedie_a_day(export, o, started, open_days):
    """LightGBM with Tweedie loss and one direct model for each day ahead, trained
    at every third day: at every day it was dearer, and no better. Its features are
    those of our trees that a series' own values give."""
    parameters = {
        "objective": "tweedie", "tweedie_variance_power": 1.5, "num_leaves": 15, "learning_rate": 0.05, "feature_fraction": 0.5, "min_data_in_leaf": 30,
        "bagging_fraction": 0.7, "bagging_freq": 1, "seed": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }
    known = np.flatnonzero(export.open[:o])
    weekdays = export.days[known].dayofweek.to_numpy()
    y = export.y[np.ix_(known, started)]
    features = TweedieFeatures(y, weekdays)
    last, every = len(known) - 1, np.arange(len(started))
    out = []
    for ahead, day in enumerate(open_days, start=1):
        x, target = [], []
        for anchor in range(last - ahead, 11, -3):
            old = np.flatnonzero(features.age[anchor] >= 12)
            if len(old):
                x.append(features.rows(anchor, anchor + ahead, weekdays[anchor + ahead], old))
                target.append(y[anchor + ahead, old])
        if not x:
            raise Unusable(f"origin {export.days[o].date()}: no series is older than 12 open days: choose later origins")
        trees = lightgbm.train(parameters, lightgbm.Dataset(np.concatenate(x), np.concatenate(target)), 150)
        out.append(trees.predict(features.rows(last, last + ahead, export.days[o + day].dayofweek, every)))
    return np.array(out)


LIBRARIES = {
    "LightGBM Tweedie": on_closed_days_zero(tweedie_a_day),
    "mlforecast": on_closed_days_zero(recursive_lightgbm),
    "statsforecast AutoETS": on_open_days(lambda week: statsforecast.models.AutoETS(season_length=week)),
    TSB: on_open_days(lambda week: statsforecast.models.TSB(alpha_d=0.1, alpha_p=0.02)),
    "statsforecast SeasonalNaive": on_closed_days_zero(seasonal_naive),
}


# --- results ---


def gate_failures(gate, ours, tsb):
    """What the gate demands and the model lacks, in words."""
    gate = dict(gate)
    model = gate.pop("model", None)
    if model not in ours:
        raise Unusable(f"the gate is for the model {model!r}, forecasts.csv has {', '.join(sorted(ours))}")
    m, failures = ours[model], []
    values = {"wape": m["wape"], "mase": m["mase"], "rmsse": m["rmsse"], "abs_bias": abs(m["bias"]), "wape_at_equal_bias": m["equal_bias_wape"]}
    for name, limit in gate.items():
        if name in values:
            met, found = values[name] <= limit, f"{values[name]:.4f}, at most {limit} is allowed"
        elif name in ("coverage_80", "coverage_95"):
            met, found = limit[0] <= m[name] <= limit[1], f"{m[name]:.4f}, expected {limit[0]} to {limit[1]}"
        elif name == "below_tsb_at_equal_bias":
            gain = tsb["equal_bias_wape"] - m["equal_bias_wape"]
            met, found = gain >= limit, f"{gain:.4f} ({m['equal_bias_wape']:.4f} against TSB's {tsb['equal_bias_wape']:.4f}), at least {limit} is needed"
        else:
            raise Unusable(f"the gate has the unknown limit {name!r}")
        if not met:  # also where the value is NaN
            failures.append(f"{model}: {name} is {found}")
    return failures


COLUMNS = {"wape": "WAPE", "bias": "bias", "mase": "MASE", "rmsse": "RMSSE", "equal_bias_wape": f"WAPE at {EQUAL_BIAS}", "cpu_seconds": "CPU s"}
FORMATS = {"bias": "+.3f", "cpu_seconds": ".1f"}


def table(export, rows):
    first, last = (export.days[export.origins[i]].date() for i in (0, -1))
    lines = [["model", "by", *COLUMNS.values()]]
    for r in rows:
        cells = ["-" if r[c] is None or np.isnan(r[c]) else f"{r[c]:{FORMATS.get(c, '.4f')}}" for c in COLUMNS]
        lines.append([r["model"], "us" if r["ours"] else "Python", *cells])
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    text = [f"{export.level}, {export.target}, {export.horizon} days, {len(export.origins)} origins from {first} to {last}, {len(export.ids)} series"]
    for line in lines:
        text.append("  ".join(cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths))))
    return "\n".join(text)


def cpu():
    """CPU seconds of this process and of the children that have ended."""
    return sum(os.times()[:4])


def compare(arguments):
    export = read_export(arguments.dir)
    seen = outcomes(export)
    ours = {
        model: metrics(seen, columns["point"], columns["mean"], {b: columns[b] for b in BOUNDS})
        for model, columns in read_forecasts(arguments.dir / "forecasts.csv", export).items()
    }
    gate = json.loads(arguments.gate.read_text()) if arguments.gate else None
    problems, compared = differences(ours, json.loads((arguments.dir / "metrics.json").read_text()))
    rows = [{"model": name, "ours": True, "cpu_seconds": None} | m for name, m in ours.items()]
    libraries = {}
    for name, model in LIBRARIES.items():
        say(name)
        begin = cpu()
        points = model(export)
        libraries[name] = metrics(seen, points)
        rows.append({"model": name, "ours": False, "cpu_seconds": cpu() - begin} | libraries[name])
    rows.sort(key=lambda r: (np.nan_to_num(r["equal_bias_wape"], nan=np.inf), r["model"]))
    failures = gate_failures(gate, ours, libraries[TSB]) if gate else []
    if arguments.format == "json":
        kept = [{"model": r["model"], "ours": r["ours"]} | {c: None if r[c] is None or np.isnan(r[c]) else r[c] for c in COLUMNS} for r in rows]
        print(json.dumps({
            "level": export.level, "target": export.target, "horizon": export.horizon, "origins": [str(export.days[o].date()) for o in export.origins],
            "models": kept, "metrics_compared": compared, "metrics_differ": problems, "gate": gate, "gate_failures": failures,
        }, indent=2))
    else:
        print(table(export, rows))
        print(f"{compared} metrics of {len(ours)} models computed anew, {len(problems)} differ")
        if gate and not failures:
            print("the gate is met: " + ", ".join(f"{k} {v}" for k, v in gate.items()))
    for problem in problems + failures:
        say(problem)
    return 1 if problems or failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dir", type=pathlib.Path, metavar="DIR")
    parser.add_argument("--format", choices=["table", "json"], default="table")
    parser.add_argument("--gate", type=pathlib.Path)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", message="Historical data .* is shorter than season_length")  # seasonal_naive sees to it
    try:
        return compare(arguments)
    except (Unusable, OSError, json.JSONDecodeError, KeyError) as e:
        say(f"forecast_compare.py: {type(e).__name__ + ': ' if not isinstance(e, Unusable) else ''}{e}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
