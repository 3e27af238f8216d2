"""Expression of a query's cells as if they came from a batch of the reference."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.atlas.trajectory import LIBRARY
from cellport.runtime.base.hints import near_names
from cellport.runtime.columns import CORRECTED, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.genes.panel import Panel
from cellport.runtime.mapping.annotate.annotator import Annotator, Decode, Setting
from cellport.runtime.mapping.decode import check_batch
from cellport.runtime.mapping.encode import EncodedCells

# a gene is doubtful when its batches hold more of its variance than its cells
DOUBTFUL = 0.5
_MOST_DECODED = 4096
_FEWEST_CELLS, _MOST_CELLS = 32, 256
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Correction:
    """Which genes to decode for each cell, and how far that can be believed."""

    genes: tuple[str, ...]  # names of the genes, as the atlas has them
    columns: NDArray[np.int64]  # [genes], positions in the panel
    # batch of the reference that the cells are decoded in; None for the mean over all
    batch: str | None
    # [genes], share of the variance of the decoded values that the reference's batches make rather
    # than its cells
    batch_share: NDArray[np.float64]

    @property
    def doubtful(self) -> tuple[str, ...]:
        """Genes whose value depends on the batch more than on the cell."""
        return tuple(np.array(self.genes, object)[self.batch_share > DOUBTFUL].tolist())

    def in_brief(self) -> dict[str, Any]:
        """Return what ``uns["cellport"]`` of a mapping says of it."""
        return {
            "genes": list(self.genes),
            "batch": self.batch if self.batch is not None else "mean over all batches",
            "library": LIBRARY,
            "batch_share": [round(share, 4) for share in self.batch_share.tolist()],
            "doubtful_genes": list(self.doubtful),
        }

    def notes(self, n_batches: int) -> tuple[str, ...]:
        """Say what the user should know, a sentence each."""
        if n_batches < 2:
            return (
                "The atlas has a single batch: corrected expression is smoothed, and corrected "
                "for nothing.",
            )
        doubtful = self.doubtful
        if not doubtful:
            return ()
        rest = f" and {len(doubtful) - _NAMED:,} more" if len(doubtful) > _NAMED else ""
        return (
            f"Corrected expression of {', '.join(doubtful[:_NAMED])}{rest} is doubtful: in the "
            "reference these genes differ between batches more than between cells, so the value "
            "tells more of the batch than of the cell.",
        )


def prepare(setting: Setting) -> Annotator | None:
    """Add the expected counts per 10,000 of the genes asked for; NaN for cells without counts.

    Raises
    ------
    InputError
        A gene or the batch is not in the atlas, or a batch was named without genes.
    """
    wanted, batch = setting.options.corrected_expression, setting.options.corrected_batch
    if not wanted:
        if batch is not None:
            raise InputError("A batch to correct to needs genes; name those to correct.")
        return None
    genes, atlas = names_or_file(wanted), setting.atlas
    if not atlas.manifest.has_reference:
        raise InputError(
            f"Atlas '{atlas.manifest.name}' has no reference cells, which tell how far corrected "
            "expression can be believed: it was converted from a model that came without them."
        )
    made = setting.once((genes, batch), lambda: correct(atlas, genes, batch, setting.decode))

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        found = setting.decode(cells.answers["latent"], batch)[:, made.columns]
        found[cells.empty] = np.nan
        return {CORRECTED: found}

    flat = tuple(f"corrected_{gene}" for gene in made.genes)
    return Annotator(
        Schema(obsm={CORRECTED: len(flat)}, obsm_columns={CORRECTED: flat}),
        annotate,
        made.notes(len(atlas.manifest.batches)),
        {"corrected": made.in_brief()},
    )


def correct(
    atlas: AtlasFile, wanted: Sequence[str], batch: str | None, decode: Decode
) -> Correction:
    """Find the genes and measure how far their correction can be believed.

    Raises
    ------
    InputError
        The gene is not in the panel, or the batch not in the reference.
    """
    panel, batches = atlas.manifest.panel, atlas.manifest.batches
    check_batch(batch, batches)
    columns = find_genes(wanted, panel)
    share = measure_batch_share(atlas.array("reference_latent"), columns, batches, decode)
    names = tuple(panel.names[columns].tolist())
    return Correction(names, columns, batch, share)


def find_genes(wanted: Sequence[str], panel: Panel) -> NDArray[np.int64]:
    """Find genes in a panel by symbol, Ensembl id or, where only one fits, in any letter case.

    Returns
    -------
    ndarray
        int64 [genes], positions in the panel; a name that comes again is taken once.

    Raises
    ------
    InputError
        No name, or a name is not in the panel; near names are told.
    """
    names = list(dict.fromkeys(name.strip() for name in wanted if name.strip()))
    if not names:
        raise InputError("No gene was named; give at least one.")
    exact: dict[str, int] = {}
    folded: dict[str, set[int]] = {}
    both = panel.named_both_ways or panel
    for code, pair in enumerate(zip(both.symbols, both.ensembl, strict=True)):
        for name in filter(None, pair):
            exact.setdefault(name, code)
            folded.setdefault(name.casefold(), set()).add(code)
    found = {name: _position(name, exact, folded) for name in names}
    missing = [name for name, code in found.items() if code is None]
    if missing:
        raise InputError(_not_there(missing, folded, panel))
    return np.array([code for code in dict.fromkeys(found.values()) if code is not None], np.int64)


def _position(name: str, exact: dict[str, int], folded: dict[str, set[int]]) -> int | None:
    bare = name.partition(".")[0] if name.startswith("ENS") else name
    like = folded.get(bare.casefold(), set())
    return exact.get(name, exact.get(bare, min(like) if len(like) == 1 else None))


def measure_batch_share(
    latent: NDArray[np.float32],
    columns: NDArray[np.int64],
    batches: Sequence[str],
    decode: Decode,
) -> NDArray[np.float64]:
    """Share of the variance of decoded genes that is between batches and not between cells.

    Reference cells are decoded in every batch of the reference. Of the variance of
    log(1 + counts per 10,000) over cells and batches, what the cells' means over the batches do
    not hold is due to the batches.

    Parameters
    ----------
    latent
        float32 [cells, latent], of the reference; up to 256 at even steps are decoded.
    columns
        int64 [genes], positions in the panel.
    """
    most = int(np.clip(_MOST_DECODED // max(len(batches), 1), _FEWEST_CELLS, _MOST_CELLS))
    some = latent[:: max(1, -(-len(latent) // most))]
    if len(batches) < 2 or not len(some):
        return np.zeros(len(columns))
    total, square = np.zeros((len(some), len(columns))), np.zeros(len(columns))
    for batch in batches:
        level = np.log1p(decode(some, batch)[:, columns].astype(np.float64))
        total += level
        square += (level**2).mean(axis=0)
    of_cells = total / len(batches)
    whole = square / len(batches) - of_cells.mean(axis=0) ** 2
    return np.asarray(np.clip(1 - of_cells.var(axis=0) / np.maximum(whole, 1e-12), 0, 1))


def names_or_file(wanted: str | Sequence[str]) -> tuple[str, ...]:
    """Return names of genes: as listed, from a file with one a line, or parted by commas.

    Raises
    ------
    InputError
        The file cannot be read as text.
    """
    if not isinstance(wanted, str):
        return tuple(wanted)
    if not os.path.isfile(wanted):
        return tuple(part.strip() for part in wanted.split(",") if part.strip())
    try:
        with open(wanted, encoding="utf-8") as lines:
            return tuple(line.strip() for line in lines if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"The genes cannot be read from {wanted}: {error}. Give a text file with one a line."
        ) from None


def _not_there(missing: list[str], folded: dict[str, set[int]], panel: Panel) -> str:
    names, parts = panel.names, []
    for name in missing[:_NAMED]:
        like = dict.fromkeys(names[min(folded[key])] for key in near_names(name, folded))
        parts.append(f"{name} (near: {', '.join(like)})" if like else name)
    rest = f" and {len(missing) - _NAMED:,} more" if len(missing) > _NAMED else ""
    return (
        f"Not among the {panel.n_genes:,} genes that the atlas reads: {', '.join(parts)}{rest}. "
        "Only those can be corrected; cellport info --json lists them."
    )
