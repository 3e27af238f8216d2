from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellport.runtime.genes.panel import Panel


def test_names_are_symbols_or_else_ensembl_ids() -> None:
    panel = Panel(("ACTB", "", "LYZ", ""), ("ENSG00000075624", "ENSG00000166710", "", ""))
    assert panel.n_genes == 4
    assert panel.names.dtype == object
    assert panel.names.tolist() == ["ACTB", "ENSG00000166710", "LYZ", ""]
    assert Panel((), ()).names.shape == (0,)


def test_of_genes_that_come_twice_the_first_stands_for_all() -> None:
    panel = Panel(("A", "B", "A", "A", "", "B"), ("1", "2", "1", "3", "4", "2"))
    assert panel.representative.tolist() == [0, 1, 0, 3, 4, 1]
    assert panel.representative.dtype == np.int64
    # it is kept: nobody may change it for others
    assert not panel.representative.flags.writeable


def test_other_names_stand_where_a_gene_has_none() -> None:
    panel = Panel(("ACTB", "", "LYZ"), ("", "ENSG00000166710", ""), True)
    assert panel.named_both_ways is None
    named = replace(panel, other_names=("ENSG00000075624", "B2M", ""))
    both = (("ACTB", "B2M", "LYZ"), ("ENSG00000075624", "ENSG00000166710", ""))
    assert named.named_both_ways == Panel(*both, exact=True)
    assert named.names.tolist() == panel.names.tolist()
