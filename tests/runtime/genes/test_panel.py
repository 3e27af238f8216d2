from __future__ import annotations

from dataclasses import replace

from cellport.runtime.genes.panel import Panel


def test_names_are_symbols_or_else_ensembl_ids() -> None:
    panel = Panel(("ACTB", "", "LYZ", ""), ("ENSG00000075624", "ENSG00000166710", "", ""))
    assert panel.n_genes == 4
    assert panel.names.dtype == object
    assert panel.names.tolist() == ["ACTB", "ENSG00000166710", "LYZ", ""]
    assert Panel((), ()).names.shape == (0,)


def test_other_names_stand_where_a_gene_has_none() -> None:
    panel = Panel(("ACTB", "", "LYZ"), ("", "ENSG00000166710", ""), True)
    assert panel.named_both_ways is None
    named = replace(panel, other_names=("ENSG00000075624", "B2M", ""))
    both = (("ACTB", "B2M", "LYZ"), ("ENSG00000075624", "ENSG00000166710", ""))
    assert named.named_both_ways == Panel(*both, exact=True)
    assert named.names.tolist() == panel.names.tolist()
