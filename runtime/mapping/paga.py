"""The trajectory as scanpy's PAGA functions take it."""

from __future__ import annotations

from typing import Any

import numpy as np

from cellport.runtime.atlas.trajectory import far_sides
from cellport.runtime.errors import InputError

GROUPS = "cellport_milestone"


def add_paga(adata: Any) -> None:
    """Add the trajectory of a mapping to its AnnData, for ``scanpy.pl.paga``.

    ``obs["cellport_milestone"]`` becomes the milestone nearest to each cell along its edge, and
    ``uns["paga"]`` the graph of the milestones, with their places on the 2-D map as ``pos``:
    ``sc.pl.paga(adata, pos=adata.uns["paga"]["pos"])``.

    Parameters
    ----------
    adata
        From `Mapping.to_anndata`, or read from a mapped ``.h5ad``; changed in place.

    Raises
    ------
    InputError
        It was not mapped onto an atlas that describes a trajectory.

    Examples
    --------
    >>> adata = atlas.map("my_cells.h5ad").to_anndata()  # doctest: +SKIP
    >>> cellport.add_paga(adata)  # doctest: +SKIP

    References
    ----------
    Wolf et al. 2019, Genome Biology, "PAGA: graph abstraction reconciles clustering with
    trajectory inference".
    """
    import pandas
    import scipy.sparse as sp

    facts = adata.uns.get("cellport", {}).get("trajectory")
    if facts is None or "cellport_edge" not in adata.obs:
        raise InputError(
            'This AnnData has no trajectory in uns["cellport"]; map the cells onto an atlas that '
            "has one, and was made with this version or a newer one."
        )
    milestones = list(facts["milestones"])
    ends = np.asarray(facts["edge_ends"], np.int64)
    known = pandas.Index(list(facts["edges"]))
    edge = known.get_indexer(adata.obs["cellport_edge"].astype(object))
    further = np.asarray(adata.obs["cellport_edge_fraction"]) >= 0.5
    nearest = np.where(edge >= 0, ends[edge, further.astype(np.int64)], -1)
    adata.obs[GROUPS] = pandas.Categorical.from_codes(nearest, milestones)
    n = len(milestones)
    one_way = sp.csr_matrix((np.ones(len(ends)), ends.T), (n, n))
    position = np.asarray(facts["positions"], np.float64)
    circles = far_sides(milestones, list(facts["terminal_states"]), position)
    one, other = np.array(circles, np.int64).reshape(-1, 2).T
    joined = one_way + sp.csr_matrix((np.ones(len(circles)), (one, other)), (n, n))
    adata.uns["paga"] = {
        "groups": GROUPS,
        "connectivities": (joined + joined.T).tocsr(),
        "connectivities_tree": one_way,
        "pos": position,
    }
    adata.uns[f"{GROUPS}_sizes"] = np.bincount(nearest[nearest >= 0], minlength=n)
