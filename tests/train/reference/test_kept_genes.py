from __future__ import annotations

import numpy as np
import pytest

from cellport.runtime.errors import TrainingError
from cellport.train.reference.kept_genes import find_kept_genes

NAMES = np.array(["MS4A1", "CD3D", "GNLY", "ENSG00000153563", "HLA.A"], object)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ((), []),
        (("GNLY",), [2]),
        (("CD8A", "MS4A1"), [0, 3]),  # one by its id in the reference
        (("ENSG00000156738", "CD3D"), [0, 1]),  # by an id that the reference has not
        (("gnly", "Cd3d"), [1, 2]),  # in another case
        (("GNLY", "GNLY"), [2]),
    ],
)
def test_genes_are_found_by_any_of_their_names(asked: tuple[str, ...], found: list[int]) -> None:
    places, note = find_kept_genes({"index": NAMES}, asked, 3, "human")
    assert (places.tolist(), note) == (found, "")


def test_names_that_are_not_there_are_told() -> None:
    places, note = find_kept_genes({"index": NAMES}, ("GNLY", "ALBATROSS", "ALBATROSS2"), 3)
    assert places.tolist() == [2]
    assert note == "2 of the genes to keep are not in the reference: ALBATROSS, ALBATROSS2."
    with pytest.raises(TrainingError, match=r"None of the genes to keep .*: ALBATROSS"):
        find_kept_genes({"index": NAMES}, ("ALBATROSS",), 3)
    with pytest.raises(TrainingError, match="3 genes are to be kept, more than the panel of 2"):
        find_kept_genes({"index": NAMES}, ("GNLY", "CD3D", "MS4A1"), 2)
