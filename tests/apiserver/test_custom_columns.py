"""Cells of custom columns, as Go would write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from podsysctl.apiserver.tables import custom

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "kind", "cell"),
    [(3, "number", 3), (3.0, "number", 3), (2.5, "number", 2.5), ("3", "number", None), (3, "integer", 3)],
)
def test_number_cell_is_written_without_a_needless_fraction(value: object, kind: str, cell: object) -> None:
    """A whole number of type `number` is 3 and not 3.0; other types give an empty cell."""
    written = custom._cell(value, kind, NOW)
    assert written == cell
    assert type(written) is type(cell)
