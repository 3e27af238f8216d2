"""Which features of a 10x file are genes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from written_files import GENES, THIRD_COLUMNS, counts, write_triple

from cellport.runtime.errors import InputError
from cellport.runtime.genes.columns import genes_alone
from cellport.runtime.sources.tenx import tenx_gene_columns


@pytest.mark.parametrize("kind", THIRD_COLUMNS)
def test_third_columns_of_features(tmp_path, check_stream, kind):
    types, n_genes = THIRD_COLUMNS[kind]
    folder = write_triple(tmp_path / "10x", types)
    if not n_genes:
        with pytest.raises(InputError, match="no features of type 'Gene Expression', only"):
            check_stream(folder, counts())
        return
    source = check_stream(folder, counts())
    assert sum(name != "" for name in source.gene_columns["index"]) == n_genes
    left_out = [note for note in source.notes if note.startswith("Features that are not genes")]
    assert len(left_out) == (n_genes < GENES)


def test_both_readers_of_kinds_are_one():
    """The third column of 10x says what a column of kinds in an h5ad says."""
    for types in THIRD_COLUMNS.values():
        kinds = [types[0](gene).lstrip("\t").split("\t")[0] for gene in range(GENES)]
        names = np.array([f"G{i}" for i in range(GENES)], object)
        listed = {"index": names.tolist(), "feature_types": kinds}
        try:
            columns, _ = tenx_gene_columns("10x", names, names, np.array(kinds, object))
        except InputError:
            with pytest.raises(InputError, match="no features of type"):
                genes_alone(listed, tuple, "10x")
            continue
        assert genes_alone(listed, tuple, "10x").columns["index"] == columns["index"].tolist()


KNOWN = ["Antibody Capture", "CRISPR Guide Capture", "Peaks", "Multiplexing Capture", "Custom"]


@given(st.lists(st.sampled_from(["Gene Expression", "Gene", "", "chr1", *KNOWN]), min_size=1))
def test_known_kinds_are_never_genes_and_genes_always_are(types):
    names = np.array([f"G{i}" for i in range(len(types))], object)
    try:
        columns, notes = tenx_gene_columns("10x", names, names, np.array(types, object))
    except InputError:
        assert set(types) <= set(KNOWN)
        return
    taken = [name != "" for name in columns["index"]]
    named = bool({"Gene Expression", "Gene"} & set(types))
    for kind, is_gene in zip(types, taken, strict=True):
        if kind == "chr1":
            assert is_gene == (not named)
        elif kind == "":
            assert is_gene == (not named or 2 * types.count("") >= len(types))
        else:
            assert is_gene == (kind not in KNOWN)
    assert any("left out" in note for note in notes) == (not all(taken))
