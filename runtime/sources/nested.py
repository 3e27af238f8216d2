"""AnnData inside something larger: the RNA modality of a MuData, the table of a SpatialData."""

from __future__ import annotations

from typing import Any

import h5py

from cellport.runtime.base.feature_kinds import feature_kinds
from cellport.runtime.decisions import say, texts
from cellport.runtime.errors import InputError
from cellport.runtime.sources.annotations import is_array, names_in

_RNA = texts("files.rna_modalities")


def find_anndata(root: Any, title: str) -> tuple[Any, str, tuple[str, ...]]:
    """Return the group that is an AnnData, its title, and a note where it is not the root.

    Raises
    ------
    InputError
        There are several, and none is of RNA.
    """
    for place, is_whole in (("mod", "X" in root), ("tables", "obs" in root)):
        if is_whole or place not in root or is_array(root[place]):
            continue
        names = [name for name in names_in(root[place]) if "obs" in root[place][name]]
        if not names:
            continue
        name, notes = choose_inside(title, place, names, is_store=not isinstance(root, h5py.Group))
        return root[place][name], f"{title}, {place}/{name}", notes
    return root, title, ()


def choose_inside(
    title: str, place: str, names: list[str], is_store: bool = False
) -> tuple[str, tuple[str, ...]]:
    """Return the one of several that is RNA, and a note on it; `place` is what they are kept in.

    That is the one called so, or, of a MuData, the one that is not called as antibodies, peaks or
    receptors are. In a zarr store (`is_store`) each can be given by its path.

    Raises
    ------
    InputError
        There are several, and none is of RNA.
    """
    listed = ", ".join(f"{place}/{name}" for name in names)
    kinds = feature_kinds(names)
    if place == "mod" and kinds.others.issuperset(names):
        raise InputError(say("files.no_rna_inside", title=title, names=listed))
    rna = [name for name in names if name.lower() in _RNA] if len(names) > 1 else names
    if place == "mod" and not rna:
        rna = [name for name in names if name not in kinds.others]
    if len(rna) != 1:
        if is_store:
            paths = ", ".join(f"{title}/{place}/{name}" for name in names)
            raise InputError(say("files.several_in_store", title=title, paths=paths))
        raise InputError(say("files.several_inside", title=title, names=listed))
    inside = f"{place}/{rna[0]}"
    others = ", ".join(name for name in names if name not in rna)
    note = say("files.inside", title=title, inside=inside)
    if others:
        note = say("files.inside_of_several", title=title, inside=inside, others=others)
    return rna[0], (note,)
