from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cellport.runtime.atlas.file import AtlasFile
from cellport.runtime.genes.match import GeneMatch
from cellport.runtime.mapping.atlas import load_atlas
from cellport.runtime.mapping.genes.coverage import Coverage, coverage
from cellport.runtime.mapping.genes.information import label_information


def test_an_atlas_that_mixes_by_what_genes_tell_judges_them_by_it(tiny_atlas: AtlasFile) -> None:
    measured = np.arange(100) % 3 == 0
    found = coverage(tiny_atlas, measured)
    told = label_information(tiny_atlas, measured)
    assert found == Coverage(told, True, tiny_atlas.manifest.thresholds.low_gene_coverage)
    assert told > measured.mean()


def test_of_others_the_number_of_genes_decides(tiny_atlas: AtlasFile, converted: Any) -> None:
    half = np.arange(100) < 50
    old = replace(tiny_atlas.manifest.head.calibration, information_power=0.0)
    manifest = replace(tiny_atlas.manifest, head=replace(tiny_atlas.manifest.head, calibration=old))
    assert coverage(replace(tiny_atlas, manifest=manifest), half) == Coverage(0.5, False, 0.75)
    foreign = load_atlas(converted("celltypist_duplicates")).file
    measured = np.arange(foreign.manifest.n_genes) < foreign.manifest.n_genes // 4
    assert coverage(foreign, measured) == Coverage(measured.mean(), False, 0.6)


@pytest.mark.parametrize(("of_labels", "words"), [(True, "hold 45%"), (False, "Only 6 of the")])
def test_too_little_is_said_and_enough_is_not(of_labels: bool, words: str) -> None:
    column, measured = np.arange(6, dtype=np.int32), np.arange(12) < 6
    rule = np.zeros(12, np.int8)
    genes = GeneMatch(column, column >= 0, measured, "index", None, rule, (), (), ())
    assert Coverage(0.6, of_labels, 0.6).notes(genes, "q.h5ad") == ()
    (said,) = Coverage(0.45, of_labels, 0.6).notes(genes, "q.h5ad")
    assert words in said
    assert "q.h5ad" in said
    assert "less sure below 60%" in said
