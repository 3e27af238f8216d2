"""One table of the cells that each sample has of each call."""

import csv
import json
import sys
from pathlib import Path

with open(snakemake.log[0], "w") as log, open(snakemake.output[0], "w", newline="") as out:
    sys.stderr = log
    table = csv.writer(out, delimiter="\t", lineterminator="\n")
    table.writerow(["sample", "call", "cells", "share"])
    for sample, path in zip(snakemake.params.samples, snakemake.input, strict=True):
        summary = json.loads(Path(path).read_text())
        for call, cells in summary["calls"].items():
            table.writerow([sample, call, cells, f"{cells / summary['n_cells']:.4f}"])
