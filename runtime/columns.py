"""What mapping returns: columns and matrices by name, in blocks of cells.

The names are a contract with whoever reads a result.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.decisions import text, texts
from cellport.runtime.sources.block import CountBlock

# obs
LABEL, PROB, CALL = text("columns.label"), text("columns.prob"), text("columns.call")
DISTANCE, LABEL_SET = text("columns.distance"), text("columns.label_set")
NOVELTY_P, NOVEL = text("columns.novelty_p"), text("columns.novel")
NOVEL_GROUP = text("columns.novel_group")
QUALITY = text("columns.quality")
CLUSTER = text("columns.cluster")
EDGE, EDGE_FRACTION = text("columns.edge"), text("columns.edge_fraction")
PSEUDOTIME, PSEUDOTIME_SD = text("columns.pseudotime"), text("columns.pseudotime_sd")
NEIGHBORS, NEIGHBOR_LABELS = "cellport_neighbors", "cellport_neighbor_labels"
MERGED, MERGED_PROB = "cellport_merged", "cellport_merged_probability"
JOINT, JOINT_PROB = text("columns.joint"), text("columns.joint_prob")
AGREEMENT = text("columns.agreement")
# what stands of another atlas, with the names of a column and of that atlas
OF_OTHERS, OF_ATLAS = (LABEL, PROB, NOVEL), text("columns.of_atlas")
SEVERAL_LABELS = text("columns.several_labels")
# with the number of the level
LEVEL, LEVEL_PROB = text("columns.level"), text("columns.level_prob")
TERM_ID, TERM_NAME = text("columns.term_id"), text("columns.term_name")
GROUP = text("columns.group")
GROUP_LABEL, GROUP_SHARE = text("columns.group_label"), text("columns.group_share")
QUERY = text("columns.query")
# obsm
LATENT, UMAP, FATE = text("columns.latent"), text("columns.umap"), text("columns.fate")
PROBABILITIES = text("columns.probabilities")
# columns of a table that the matrix of probabilities becomes
PROBABILITY_OF = text("columns.probability_of")
NEIGHBOR_DISTANCE = "cellport_neighbor_distance"
CORRECTED = "X_cellport_corrected"

# a call that is none, a cell without a label above one half, and the flags of quality
UNASSIGNED = text("values.unassigned")
UNKNOWN, QUALITIES = text("values.unknown"), texts("values.qualities")
# what joins the labels of a set, and the names of neighbours
JOINED_BY = text("values.joined_by")

ColumnKind = Literal["category", "float", "bool", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """Name and type of one per-cell result (a column of ``obs``)."""

    name: str  # name in ``obs``, for example ``cellport_label``
    # ``category`` (int32 codes into `categories`, -1 = missing), ``float`` (float32), ``bool`` or
    # ``text`` (object array of str)
    kind: ColumnKind
    categories: tuple[str, ...] = ()  # the category names, for ``category`` only


@dataclass(frozen=True, slots=True)
class Schema:
    """Everything a writer must know before the first block arrives."""

    columns: tuple[Column, ...] = ()  # the ``obs`` columns, in order
    obsm: dict[str, int] = field(default_factory=dict)  # name and width of each ``obsm`` matrix
    # names that the columns of some of these matrices have in a table; the others are numbered
    obsm_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __add__(self, other: Schema) -> Schema:
        return Schema(
            (*self.columns, *other.columns),
            {**self.obsm, **other.obsm},
            {**self.obsm_columns, **other.obsm_columns},
        )

    def categories(self, name: str) -> tuple[str, ...]:
        """Names behind the codes of a column; none where there is no such column."""
        return next((one.categories for one in self.columns if one.name == name), ())

    @property
    def call(self) -> str:
        """Name of the column that says what cells are called: their label where there is no call.

        Labels of models that nothing tells the doubts of are taken as they come.
        """
        return CALL if self.categories(CALL) else LABEL

    def flat_names(self, matrix: str) -> list[str]:
        """Names of the columns that a matrix spreads over: ``X_cellport_0``, ``X_cellport_1``."""
        numbered = [f"{matrix}_{dimension}" for dimension in range(self.obsm[matrix])]
        return list(self.obsm_columns.get(matrix, numbered))


@dataclass(frozen=True, slots=True)
class MappedBlock:
    """Results for a run of consecutive cells."""

    start: int  # position of the first cell in the query
    cell_names: NDArray[np.object_]  # [n] object array of str
    # one [n] array a column of the schema, typed as `Column.kind` says
    obs: dict[str, NDArray[Any]]
    # one float32 [n, width] array an ``obsm`` matrix of the schema
    obsm: dict[str, NDArray[np.float32]]
    counts: CountBlock | None = None  # the counts that were mapped, when they are to be kept
    # columns of the query's own that something is summed up by: int32 [n] codes, and the values,
    # object arrays of str, that they stand for
    own: dict[str, tuple[NDArray[np.int32], NDArray[np.object_]]] = field(default_factory=dict)
    # float32 [n, labels], probabilities of all labels, 0 for empty cells; kept beside `own`
    label_prob: NDArray[np.float32] | None = None

    @property
    def n_cells(self) -> int:
        """Number of cells in the block."""
        return len(self.cell_names)

    def without_counts(self) -> MappedBlock:
        """Return the results alone, without what they were made of."""
        return replace(self, counts=None, own={}, label_prob=None)
