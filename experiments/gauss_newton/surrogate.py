"""Predicted against measured change of the loss, of splits and removals at all layers of a half-trained VGG-19.

Predictions and measurements use the same training images (that judges the
surrogate, not the sampling of images); the measurement on as many test images is recorded beside. Interrupted
measurements go on where they were.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from setting import HERE, Setting, read, write
from svg import scatter

from growsearch.growth import Candidate
from growsearch_strategies.gauss_newton.bias_compensation import bias_compensations
from growsearch_strategies.gauss_newton.candidates import removals, signed_splits, symmetric_splits
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout
from growsearch_strategies.gauss_newton.joint import is_signed
from growsearch_strategies.gauss_newton.passes import observe
from growsearch_strategies.gauss_newton.predicted_changes import PredictedChanges, predict_changes
from growsearch_strategies.gauss_newton.signed import SignedSplits
from growsearch_strategies.gauss_newton.symmetric import learn_symmetric

STEPS, LR, CAP, SIZE, REACH, DAMPING, ITERATIONS = 60, 0.1, 0.5, 0.1, 1.0, 0.1, 3


def proposals(setting: Setting, per_layer: int, draws: int) -> dict[str, list[Candidate]]:
    """Per site: `per_layer` units of each kind, drawn at random."""
    surrogate, generator = setting.surrogate, setting.generator
    with eval_no_dropout(setting.model):
        symmetric = learn_symmetric(surrogate, setting.learn, STEPS, LR, CAP, generator)
        signed = SignedSplits(surrogate, SIZE, DAMPING, generator)
        seen = [observe(surrogate, batch, generator) for batch in setting.learn]
        signed.learn(seen, ITERATIONS)
        compensations = {p.site.name: bias_compensations(surrogate, setting.graph, p, seen) for p in surrogate.problems}
        found = [
            predict_changes(surrogate, observe(surrogate, batch, generator), symmetric, signed, compensations)
            for _ in range(draws)
            for batch in setting.train
        ]
    predictions = {name: PredictedChanges.joined([p[name] for p in found]) for name in found[0]}
    chosen: dict[str, list[Candidate]] = {}
    for problem in surrogate.problems:
        name = problem.site.name
        own = predictions[name]
        kinds = [
            symmetric_splits(problem, own.symmetric, symmetric),
            signed_splits(problem, own, signed, own.amplitudes(0.0, REACH)),
            removals(problem, own.removal, compensations[name]),
        ]
        chosen[name] = []
        for kind in kinds:
            by_unit = sorted(kind, key=lambda c: c.unit if c.unit is not None else -1)
            units = torch.randperm(problem.site.units, generator=generator)[:per_layer].tolist()
            chosen[name] += [by_unit[unit] for unit in units]
    return chosen


def kind_of(candidate: Candidate) -> str:
    if not candidate.adds:
        return "removal"
    return "signed" if is_signed(candidate) else "symmetric"


def summary(rows: list[dict[str, Any]], measured: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for kind, names in {
        "splits": ("symmetric", "signed"),
        "symmetric": ("symmetric",),
        "signed": ("signed",),
        "removals": ("removal",),
    }.items():
        own = [(row["predicted"], row[measured]) for row in rows if row["kind"] in names]
        predicted, seen = torch.tensor(own, dtype=torch.float64).T
        found[kind] = {
            "candidates": len(own),
            "correlation": round(float(torch.corrcoef(torch.stack([predicted, seen]))[0, 1]), 4),
            "median_relative_error": round(float(((predicted - seen).abs() / seen.abs()).median()), 4),
            "sign_agreement": round(float((predicted.sign() == seen.sign()).double().mean()), 4),
        }
    return found


def measure(network: Path, data: str, out: Path, images: int, draws: int, per_layer: int) -> None:
    """Measure what is not yet in the results, and draw the figure."""
    settings = {"images": images, "draws": draws, "per_layer": per_layer}
    record = read(out, "surrogate")
    if record.get("settings") != settings:
        record = {"settings": settings, "rows": []}
    setting = Setting(network, data, images, learn=8)
    started = time.perf_counter()
    chosen = proposals(setting, per_layer, draws)
    record["seconds_to_learn_and_price"] = round(time.perf_counter() - started, 1)
    done = {row["site"] for row in record["rows"]}
    for site, candidates in chosen.items():
        if site in done:
            continue
        train = setting.changes(site, candidates, setting.train)
        held = setting.changes(site, candidates, setting.held)
        record["rows"] += [
            {
                "site": site,
                "unit": c.unit,
                "kind": kind_of(c),
                "predicted": c.predicted_change,
                "measured": t,
                "held_out": h,
            }
            for c, t, h in zip(candidates, train, held, strict=True)
        ]
        write(out, "surrogate", record)
        print(site, f"{time.perf_counter() - started:.0f} s", flush=True)
    record["same_images"] = summary(record["rows"], "measured")
    record["test_images"] = summary(record["rows"], "held_out")
    write(out, "surrogate", record)
    series = {
        "splits": [(r["predicted"], r["measured"]) for r in record["rows"] if r["kind"] != "removal"],
        "removals": [(r["predicted"], r["measured"]) for r in record["rows"] if r["kind"] == "removal"],
    }
    scatter(HERE / "predicted_measured.svg", series, "predicted change of the loss", "measured change of the loss")
    print(record["same_images"], record["test_images"], sep="\n")
