from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cellport.runtime.columns import Column, MappedBlock, Schema
from cellport.runtime.errors import InputError
from cellport.runtime.mapping.annotate.origin import (
    QUERY,
    distinct_names,
    with_query,
    with_query_schema,
)


def test_names_are_as_short_as_they_can_be() -> None:
    assert distinct_names(["a/x.h5ad", Path("b/y.h5ad")]) == ("x.h5ad", "y.h5ad")
    assert distinct_names(["a/x.h5ad", "b/x.h5ad"]) == ("a/x.h5ad", "b/x.h5ad")
    assert distinct_names([object(), "x.h5ad", object()]) == ("query 0", "x.h5ad", "query 2")
    with pytest.raises(InputError, match="named twice"):
        distinct_names(["a/x.h5ad", "a/x.h5ad"])


def test_only_several_queries_need_a_column() -> None:
    schema = Schema((Column("prob", "float"),), {"X": 2})
    assert with_query_schema(schema, ("x",)) is schema
    assert with_query_schema(schema, ("x", "y")) == Schema(
        (*schema.columns, Column(QUERY, "category", ("x", "y"))), {"X": 2}
    )
    prob = {"prob": np.ones(3, np.float32)}
    block = with_query(MappedBlock(7, np.array(["c"] * 3, object), prob, {}), 1)
    assert block.start == 7
    assert block.obs["prob"] is prob["prob"]
    assert block.obs[QUERY].tolist() == [1, 1, 1]
    assert block.obs[QUERY].dtype == np.int32
