"""The term of the Cell Ontology that each cell's call is, when asked for.

Same as `web/page/src/mapping/annotate/terms.ts`, which is told the terms of an atlas.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cellport.runtime.atlas.label_tree import build_tree, call_deepest
from cellport.runtime.atlas.manifest import Manifest
from cellport.runtime.columns import TERM_ID, TERM_NAME, UNKNOWN, Column, Schema
from cellport.runtime.decisions import say, text
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.annotator import Annotator, Setting
from cellport.runtime.mapping.annotate.labels import best_labels
from cellport.runtime.mapping.encode import EncodedCells
from cellport.runtime.mapping.options import MapOptions
from cellport.runtime.ontology.labels import LabelTerms, label_terms, read_crosswalk
from cellport.runtime.ontology.terms import read_obo, shipped_ontology

CELLXGENE = text("ontology.cellxgene_column")


def asked_for(how: MapOptions) -> bool:
    """Whether terms are wanted."""
    return how.cell_ontology or how.cellxgene or bool(how.crosswalk) or how.ontology is not None


def terms_of(manifest: Manifest, how: MapOptions | None = None) -> LabelTerms:
    """Find the terms of an atlas's labels and groups.

    Raises
    ------
    InputError
        A file cannot be read, or names what is not there.
    """
    how = how or MapOptions()
    ontology = shipped_ontology() if how.ontology is None else read_obo(how.ontology)
    wanted = how.crosswalk or {}
    source = wanted if isinstance(wanted, str) else ""
    given = read_crosswalk(wanted) if isinstance(wanted, str) else wanted
    stated = manifest.label_terms
    return label_terms(manifest.labels, manifest.parents, ontology, stated, given, source)


def prepare(setting: Setting) -> Annotator | None:
    """Give each cell the id and the name of the term that it is called.

    Cells that are called nothing are of an unknown term, and those whose label or group has none
    are left without; CELLxGENE calls both unknown.

    Raises
    ------
    InputError
        The atlas has no labels; or as `terms_of`.
    """
    how, manifest = setting.options, setting.atlas.manifest
    if not asked_for(how):
        return None
    if not manifest.labels:
        raise InputError(say("ontology.no_labels", atlas=manifest.name))
    found = terms_of(manifest, how)
    tree = build_tree(manifest.labels, manifest.parents)
    ids = tuple(dict.fromkeys([*(term.id for term in found.terms.values()), UNKNOWN]))
    name_of = {term.id: term.name for term in found.terms.values()} | {UNKNOWN: UNKNOWN}
    names = tuple(dict.fromkeys(name_of[one] for one in ids))
    without = ids.index(UNKNOWN) if how.cellxgene else -1
    of_node = [ids.index(found.terms[n].id) if n in found.terms else without for n in tree.nodes]
    code = np.array([*of_node, ids.index(UNKNOWN)], np.int32)
    name_code = np.array([*(names.index(name_of[one]) for one in ids), -1], np.int32)

    def annotate(cells: EncodedCells) -> dict[str, NDArray[Any]]:
        called = best_labels(cells)
        if manifest.head.set_prob:
            prob = cells.answers["label_prob"]
            called = call_deepest(tree, prob, manifest.thresholds.call_prob).astype(np.int64)
        term = code[np.where(cells.empty, len(tree.nodes), called)]
        return {column: term, TERM_NAME: name_code[term]}

    column = CELLXGENE if how.cellxgene else TERM_ID
    schema = Schema((Column(column, "category", ids), Column(TERM_NAME, "category", names)))
    said = {node: term.id for node, term in found.terms.items()}
    facts = {"cell_ontology": {"labels": list(said), "term_ids": list(said.values())}}
    return Annotator(schema, annotate, notes=found.notes, facts=facts)


def without_tables(how: MapOptions) -> MapOptions:
    """Return options that say the same to whoever does not see the crosswalk's file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    if isinstance(how.crosswalk, str):
        how = replace(how, crosswalk=read_crosswalk(how.crosswalk))
    return how
