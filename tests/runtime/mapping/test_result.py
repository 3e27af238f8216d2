from __future__ import annotations

import sys

import numpy as np
import pytest

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import InputError, MissingDependencyError, OutputError
from cellport.runtime.mapping.result import Mapping

SCHEMA = Schema(
    (Column("label", "category", ("B", "T")), Column("prob", "float"), Column("new", "bool")),
    {"X_cellport": 2},
)


def block(start: int, n: int) -> MappedBlock:
    cells = np.arange(start, start + n)
    return MappedBlock(
        start,
        np.array([f"cell{i}" for i in cells], dtype=object),
        {
            "label": (cells % 3 - 1).astype(np.int32),
            "prob": (cells / 8).astype(np.float32),
            "new": cells % 2 == 0,
        },
        {"X_cellport": np.stack([cells, -cells], axis=1).astype(np.float32)},
    )


@pytest.fixture
def mapping() -> Mapping:
    return Mapping.from_blocks(SCHEMA, [block(0, 4), block(4, 2)], {"cellport": {"atlas": "a"}})


def test_blocks_are_joined_in_order(mapping):
    assert mapping.n_cells == 6
    assert mapping.cell_names.tolist() == [f"cell{i}" for i in range(6)]
    assert mapping["label"].tolist() == [None, "B", "T", None, "B", "T"]
    assert mapping["prob"].dtype == np.float32
    assert mapping["new"].tolist() == [True, False] * 3
    assert mapping["X_cellport"].tolist() == [[i, -i] for i in range(6)]


def test_no_blocks_give_no_cells_of_the_right_types():
    empty = Mapping.from_blocks(SCHEMA, [])
    assert empty.n_cells == 0
    assert empty["X_cellport"].shape == (0, 2)
    assert empty["prob"].dtype == np.float32
    assert empty["new"].dtype == np.bool_
    assert empty.uns == {}


def test_an_unknown_name_is_answered_with_the_known_ones(mapping):
    with pytest.raises(KeyError, match="no result 'labels'; there are label, prob, new, X_cellp"):
        mapping["labels"]


def test_the_data_frame_holds_everything(mapping):
    frame = mapping.to_dataframe()
    assert list(frame) == ["label", "prob", "new", "X_cellport_0", "X_cellport_1"]
    assert frame.index.name == "cell"
    assert frame.index.tolist() == mapping.cell_names.tolist()
    assert frame["label"].cat.categories.tolist() == ["B", "T"]
    assert frame["label"].cat.codes.tolist() == mapping.obs["label"].tolist()
    assert frame["X_cellport_1"].tolist() == [-0.0, -1, -2, -3, -4, -5]


def test_a_new_anndata_holds_everything_but_genes(mapping):
    found = mapping.to_anndata()
    assert found.shape == (6, 0)
    assert found.obs["label"].cat.codes.tolist() == mapping.obs["label"].tolist()
    assert found.obs["prob"].tolist() == mapping["prob"].tolist()
    np.testing.assert_array_equal(found.obsm["X_cellport"], mapping["X_cellport"])
    assert found.uns == {"cellport": {"atlas": "a"}}


def test_results_are_added_to_the_query(mapping):
    from anndata import AnnData

    query = AnnData(np.ones((6, 3), np.float32))
    query.obs_names = mapping.cell_names
    query.obs["donor"] = "d1"
    query.obs["label"] = "old"
    assert mapping.to_anndata(query) is query
    assert query.shape == (6, 3)
    assert list(query.obs) == ["donor", "label", "prob", "new"]
    assert query.obs["label"].cat.codes.tolist() == mapping.obs["label"].tolist()
    assert query.obsm["X_cellport"].shape == (6, 2)


def test_results_are_not_added_to_other_cells(mapping):
    from anndata import AnnData

    other = AnnData(np.ones((6, 3), np.float32))
    with pytest.raises(InputError, match="mapped cells in their order"):
        mapping.to_anndata(other)
    assert list(other.obs) == []


@pytest.mark.parametrize(
    ("package", "method"), [("pandas", "to_dataframe"), ("anndata", "to_anndata")]
)
def test_a_missing_package_is_named(package, method, mapping, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingDependencyError, match=f"pip install {package}"):
        getattr(mapping, method)()


def test_writing_goes_through_the_writers(mapping, tmp_path):
    with pytest.raises(OutputError, match=r"end in \.h5ad"):
        mapping.write(tmp_path / "out.txt")
    mapping.write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text().splitlines()[2] == "cell1,B,0.125,False,1,-1"
