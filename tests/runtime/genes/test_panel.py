from __future__ import annotations

from cellport.runtime.genes.panel import Panel


def test_names_are_symbols_or_else_ensembl_ids() -> None:
    panel = Panel(("ACTB", "", "LYZ", ""), ("ENSG00000075624", "ENSG00000166710", "", ""))
    assert panel.n_genes == 4
    assert panel.names.dtype == object
    assert panel.names.tolist() == ["ACTB", "ENSG00000166710", "LYZ", ""]
    assert Panel((), ()).names.shape == (0,)
