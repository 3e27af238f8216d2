"""Label transfer on real splits: accuracy, macro-F1, calibration and seconds of each method.

    python benchmarks/transfer.py --split lung --seeds 5

Prints a table of means over seeds and writes every run to ``benchmarks/results/transfer.json``.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from pathlib import Path

import numpy as np
from methods import METHODS
from splits import SPLITS, load_split

import cellport
from cellport.train.scores import label_scores

RESULTS = Path(__file__).parent / "results"


def run(split_names: list[str], method_names: list[str], seeds: int) -> list[dict[str, object]]:
    runs: list[dict[str, object]] = []
    for split_name in split_names:
        split = load_split(split_name)
        truth = split.query.obs[split.labels].astype(str).to_numpy(dtype=object)
        for method in method_names:
            for seed in range(seeds):
                found = METHODS[method](split, seed)
                row = {
                    "split": split_name,
                    "method": method,
                    "seed": seed,
                    **label_scores(truth, found.label, found.prob),
                    "seconds": found.seconds,
                }
                print(json.dumps(row), flush=True)
                runs.append(row)
    return runs


def table(runs: list[dict[str, object]]) -> str:
    lines = [
        "| split | method | accuracy | macro-F1 | calibration error | build s | map s |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for split, method in dict.fromkeys((r["split"], r["method"]) for r in runs):
        rows = [r for r in runs if (r["split"], r["method"]) == (split, method)]
        scores = [np.mean([r[name] for r in rows]) for name in ("accuracy", "macro_f1", "ece")]
        seconds = [np.median([r["seconds"][name] for r in rows]) for name in ("build", "map")]
        numbers = [*(f"{s:.3f}" for s in scores), *(f"{s:.2f}" for s in seconds)]
        lines.append(f"| {split} | {method} | {' | '.join(numbers)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--split", action="append", choices=list(SPLITS), help="all by default")
    parser.add_argument("--method", action="append", choices=list(METHODS), help="all by default")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=RESULTS / "transfer.json")
    options = parser.parse_args()
    runs = run(options.split or list(SPLITS), options.method or list(METHODS), options.seeds)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    made = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} processors, {platform.machine()}",
        "cellport": cellport.__version__,
        "runs": runs,
    }
    options.out.write_text(json.dumps(made, indent=1) + "\n")
    print(table(runs))


if __name__ == "__main__":
    main()
