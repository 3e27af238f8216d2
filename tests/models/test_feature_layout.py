from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cellport.models.feature_layout import FeatureLayout

FEW = st.integers(0, 60)


@given(FEW, FEW, FEW)
def test_every_column_is_in_one_part(factors: int, labels: int, shallow: int) -> None:
    layout = FeatureLayout(factors, labels, shallow)
    parts = [
        list(range(layout.n_features))[columns]
        for columns in (
            layout.scores,
            layout.discriminants,
            layout.shallow_scores,
            layout.shallow_discriminants,
        )
    ]
    assert [len(part) for part in parts] == [factors, labels, shallow, labels]
    assert [column for part in parts for column in part] == list(range(layout.n_features))
