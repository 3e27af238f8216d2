"""Files as other programs write them: read to the same counts, or refused by name."""

from __future__ import annotations

import pytest
from kinds_of_files import BARCODES, KINDS, counts


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_that_are_read(tmp_path, check_stream, kind):
    source = check_stream(KINDS[kind](tmp_path), counts())
    assert list(source.cell_names(0, 2)) == BARCODES[:2]
    assert any("GENE3" in names for names in source.gene_columns.values())
    source.close()
