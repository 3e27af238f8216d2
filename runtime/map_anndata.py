"""Map the cells of an AnnData and put the results into it, as scanpy's functions do."""

from __future__ import annotations

import os
from typing import Any, Unpack

from cellport.runtime.errors import InputError
from cellport.runtime.mapping.atlas import Atlas, load_atlas
from cellport.runtime.mapping.options import MapChanges
from cellport.runtime.mapping.result import Mapping
from cellport.runtime.sources.memory import is_anndata
from cellport.runtime.sources.nested import choose_inside

_MUDATA = "the MuData object"


def map_anndata(
    adata: Any, atlas: Atlas | str | os.PathLike[str], **options: Unpack[MapChanges]
) -> Mapping:
    """Map the cells of an AnnData and put the results into it.

    Parameters
    ----------
    adata
        AnnData with raw counts, or a MuData, whose modality ``rna`` (or ``gex``, or the only one)
        is mapped. Changed in place: ``obs`` gets the columns of `cellport map`
        (``cellport_label``, ...), ``obsm`` the matrices ``X_cellport`` and ``X_cellport_umap``,
        ``uns`` the atlas, the match of the genes, notes, and colours. What is there under these
        names is replaced, nothing else is touched.
    atlas
        An open atlas, or what `load_atlas` takes: a file, a name, an address.
    **options
        Single options by name, as of `Atlas.map`: ``layer="counts"``.

    Returns
    -------
    Mapping
        The same results, and what was summed up on the way (`pseudobulk`).

    Raises
    ------
    InputError
        There are no raw counts of enough genes of the atlas; `adata` is as it was.
    AtlasError
        There is no such atlas, or it cannot be read.

    Examples
    --------
    >>> cellport.map_anndata(adata, "lung.cellport")  # doctest: +SKIP
    >>> sc.pl.embedding(adata, "cellport_umap", color="cellport_call")  # doctest: +SKIP
    """
    cells = _rna(adata)
    opened = atlas if isinstance(atlas, Atlas) else load_atlas(atlas)
    mapping = opened.map(cells, **options)
    mapping.to_anndata(onto=cells)
    return mapping


def _rna(adata: Any) -> Any:
    """Return the AnnData that holds RNA: the object itself, or a modality of a MuData."""
    modalities = getattr(adata, "mod", None)
    if modalities is not None:
        name, _ = choose_inside(_MUDATA, "mod", list(modalities))
        return modalities[name]
    if not is_anndata(adata):
        raise InputError(
            f"map_anndata takes an AnnData or a MuData, not a {type(adata).__name__}; "
            "Atlas.map takes files and matrices."
        )
    return adata
