"""Columns, as kubectl aligns them."""

from __future__ import annotations

import io

import pytest

from podsysctl.cli import tables
from podsysctl.cli.describe_text import align


def table(*rows: list[object], **extra: object) -> dict[str, object]:
    columns = [
        {"name": "Name", "type": "string", "format": "name"},
        {"name": "Ready", "type": "string"},
        {"name": "IP", "type": "string", "priority": 1},
    ]
    body = [
        {"cells": cells, "object": {"metadata": {"name": cells[0], "namespace": "demo", "labels": {"app": "web"}}}}
        for cells in rows
    ]
    return {"kind": "Table", "columnDefinitions": columns, "rows": body, **extra}


def printed(*parts: dict[str, object], **options: object) -> str:
    out = io.StringIO()
    printer = tables.TablePrinter(out, **options)  # type: ignore[arg-type]
    for part in parts:
        printer.add(part)
    printer.flush()
    return out.getvalue()


def test_table_is_aligned_three_spaces_apart() -> None:
    """Columns are as wide as their widest cell and three spaces, and the last is not padded."""
    assert printed(table(["a", "1/1", "x"], ["longer-name", "0/1", "y"])) == (
        "NAME          READY\na             1/1\nlonger-name   0/1\n"
    )


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"wide": True}, "NAME   READY   IP\na      1/1     x\n"),
        ({"with_namespace": True}, "NAMESPACE   NAME   READY\ndemo        a      1/1\n"),
        ({"kind_prefix": "pod"}, "NAME    READY\npod/a   1/1\n"),
        ({"show_labels": True}, "NAME   READY   LABELS\na      1/1     app=web\n"),
        ({"label_columns": ["app", "x/none"]}, "NAME   READY   APP   NONE\na      1/1     web   <none>\n"),
        ({"headers": False}, "a     1/1\n"),
    ],
)
def test_table_extra_columns_stand_where_kubectl_has_them(options: dict[str, object], text: str) -> None:
    """Namespace first, labels last, wide columns only when asked for."""
    assert printed(table(["a", "1/1", "x"]), **options) == text


def test_table_of_a_watch_keeps_headers_and_widths() -> None:
    """Later events have no column definitions; they are printed in the columns of the first."""
    out = io.StringIO()
    printer = tables.TablePrinter(out)
    for name in ("long-name", "a"):
        part = table([name, "1/1", "x"])
        if out.getvalue():
            part["columnDefinitions"] = None
        printer.add(part)
        printer.flush()
    assert out.getvalue() == "NAME        READY\nlong-name   1/1\na           1/1\n"


@pytest.mark.parametrize(
    ("value", "text"),
    [("a\nb", "a..."), (None, ""), (True, "true"), (3, "3"), ("\x1b[31m", "^[[31m"), (["a"], '["a"]')],
)
def test_cell_text_is_one_harmless_line(value: object, text: str) -> None:
    """A cell cannot break the table or the terminal."""
    assert tables.cell_text(value) == text


def test_align_columns_are_blocks_of_adjacent_lines() -> None:
    """A line without the cell ends the column, as in Go's tabwriter."""
    text = "a\tb\nlonger\tc\nalone\nx\ty\tz\nxxxx\tyyyyy\tz"
    assert align(text) == "a       b\nlonger  c\nalone\nx     y      z\nxxxx  yyyyy  z"
