"""Measure what genes that are listed but not measured cost, and how many are found.

    python -m benchmarks.mapping.unmeasured

Of files as they are, and of blood cells of three studies with some of their genes set to zero,
mapped three times: with zeros taken for counts, as cellport judges, and without these genes.
"""

from __future__ import annotations

from typing import Any

import anndata
import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from benchmarks.accuracy.stress import present_genes
from benchmarks.shared.command import parser
from benchmarks.shared.data import KANG, LINES, LUNG, PANCREAS, PAUL, PBMC
from benchmarks.shared.results import ROOT, facts, fill, markdown, read, write
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.mapping.query import Decided

ATLASES = ("lung", "blood")
WHOLE = (KANG, LINES, LUNG, PANCREAS, PAUL, PBMC)
ZEROED = (0.1, 0.3, 0.6)
PAGE, MARK = ROOT / "docs" / "mapping.md", "benchmarks.mapping.unmeasured"


def declared(atlas: Atlas, query: Any) -> int | None:
    """Genes of a query that count as not measured; None where it cannot be mapped."""
    try:
        opened = atlas.prepare(query, MapOptions(minimum_genes=0.0, any_organism=True)).query
    except InputError:
        return None
    opened.source.close()
    return len(opened.decided.unmeasured)


def labels(atlas: Atlas, query: anndata.AnnData, **options: Any) -> NDArray[np.int32]:
    """Code of each cell's best label, int32 [cells]."""
    blocks = atlas.stream(query, **options).blocks
    return np.concatenate([block.obs["cellport_label"] for block in blocks])


def zeroed(atlas: Atlas, cells: anndata.AnnData, share: float) -> dict[str, Any]:
    """Set a share of the genes to zero; share of cells that keep their label."""
    kept = present_genes(cells.n_vars, share, seed=0)
    gone = np.setdiff1d(np.arange(cells.n_vars), kept)
    left = np.zeros(cells.n_vars, np.float32)
    left[kept] = 1
    listed = cells.copy()
    listed.X = (cells.X @ sp.diags(left)).tocsr().astype(np.float32)
    listed.X.eliminate_zeros()
    whole = labels(atlas, cells)
    in_panel = np.isin(cells.var_names[gone], atlas.panel.symbols)
    return {
        "genes": int(in_panel.sum()),
        "found": declared(atlas, listed),
        "as_counts": float((labels(atlas, listed, decided=Decided()) == whole).mean()),
        "judged": float((labels(atlas, listed) == whole).mean()),
        "left_out": float((labels(atlas, cells[:, kept].copy()) == whole).mean()),
    }


def table(found: dict[str, Any]) -> str:
    """Set the results as they stand in the page."""
    head = ["genes zeroed", "of the atlas", "found", "zeros as counts", "as judged", "left out"]
    ways = ("as_counts", "judged", "left_out")
    rows = [
        [
            f"{float(share):.0%}",
            *(f"{row[name]:,}" for name in ("genes", "found")),
            *(f"{100 * row[way]:.2f} %" for way in ways),
        ]
        for share, row in found["zeroed"].items()
    ]
    made = f"*{found['date']}, blood, from `python -m benchmarks.mapping.unmeasured`.*"
    return f"{markdown(head, rows)}\n\n{made}"


def measure() -> dict[str, Any]:
    """Map every file as it is on both atlases, and one with genes zeroed."""
    atlases = {name: load_atlas(name) for name in ATLASES}
    as_is = {
        f"{data.file} on {name}": declared(atlas, data.path)
        for data in WHOLE
        for name, atlas in atlases.items()
    }
    cells = PBMC.read()
    made = {str(share): zeroed(atlases["blood"], cells, share) for share in ZEROED}
    return facts() | {"as_is": as_is, "zeroed": made}


def main() -> None:
    command = parser("mapping.unmeasured", __doc__, "out table")
    options = command.parse_args()
    if not options.table:
        write(options.out, measure())
    found = read(options.out)
    if options.out == command.get_default("out"):
        fill(PAGE, MARK, table(found))
    print(found["as_is"], table(found), sep="\n\n")


if __name__ == "__main__":
    main()
