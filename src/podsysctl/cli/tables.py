"""Columns of text: tables as the server describes them, and plain rows of our own.

Widths are those of Go's tabwriter as kubectl sets it (cli-runtime pkg/printers/tabwriter.go, v1.36): columns
three spaces apart, six wide at least, and in a watch never narrower than before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from podsysctl.client.rest import Object

MINIMUM_WIDTH = 6
PADDING = 3
ACCEPT = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)


class Writer:
    """Aligns rows written between two calls of `flush`; `remember` keeps widths across flushes."""

    def __init__(
        self, out: TextIO, *, minimum: int = MINIMUM_WIDTH, padding: int = PADDING, remember: bool = True
    ) -> None:
        self._out = out
        self._minimum = minimum
        self._padding = padding
        self._remember = remember
        self._widths: list[int] = []
        self._rows: list[Sequence[str]] = []

    def row(self, cells: Sequence[str]) -> None:
        """Add a row; the last cell is not padded."""
        self._rows.append(cells)

    def flush(self) -> None:
        """Write what was added."""
        widths = self._widths if self._remember else []
        for cells in self._rows:
            for i, cell in enumerate(cells[:-1]):
                width = max(self._minimum, len(cell) + self._padding)
                if i == len(widths):
                    widths.append(width)
                elif width > widths[i]:
                    widths[i] = width
        lines = [
            "".join([*(c.ljust(widths[i]) for i, c in enumerate(cells[:-1])), *cells[-1:]]) + "\n"
            for cells in self._rows
        ]
        self._out.write("".join(lines))
        self._out.flush()
        self._rows = []

    def forget(self) -> None:
        """Start a new table with widths of its own."""
        self._widths = []


class TablePrinter:
    """Prints server tables: headers once, wide columns when asked for, extra columns in kubectl's order."""

    def __init__(
        self,
        out: TextIO,
        *,
        wide: bool = False,
        headers: bool = True,
        with_namespace: bool = False,
        kind_prefix: str = "",
        label_columns: Sequence[str] = (),
        show_labels: bool = False,
        with_event: bool = False,
    ) -> None:
        self._writer = Writer(out)
        self._out = out
        self._wide = wide
        self._headers = headers
        self._with_namespace = with_namespace
        self._kind_prefix = kind_prefix
        self._label_columns = label_columns
        self._show_labels = show_labels
        self._with_event = with_event
        self._columns: list[Object] = []
        self._printed_headers = False
        self.rows = 0

    def add(self, table: Object, event: str = "") -> None:
        """Take one Table, plain list or single object; `event` is a watch event's type."""
        if table.get("kind") != "Table":
            table = plain_table(table)
        columns = table.get("columnDefinitions") or []
        if columns and columns != self._columns:
            self._columns = columns
            self._printed_headers = False
        rows = table.get("rows") or []
        if not rows:
            return
        if self._headers and not self._printed_headers:
            self._writer.row(self._header())
        self._printed_headers = True
        for row in rows:
            self._writer.row(self._cells(row, event))
        self.rows += len(rows)

    def flush(self) -> None:
        """Write what was printed so far; columns never become narrower than they were."""
        self._writer.flush()

    def _shown(self) -> list[int]:
        return [i for i, column in enumerate(self._columns) if self._wide or not column.get("priority")]

    def _header(self) -> list[str]:
        names = ["EVENT"] if self._with_event else []
        names += ["NAMESPACE"] if self._with_namespace else []
        names += [str(self._columns[i]["name"]).upper() for i in self._shown()]
        names += [label.rpartition("/")[2].upper() for label in self._label_columns]
        return names + (["LABELS"] if self._show_labels else [])

    def _cells(self, row: Object, event: str) -> list[str]:
        metadata = (row.get("object") or {}).get("metadata") or {}
        labels = metadata.get("labels") or {}
        values = row.get("cells") or []
        out = [event] if self._with_event else []
        out += [metadata.get("namespace") or ""] if self._with_namespace else []
        name_at = self._name_column() if self._kind_prefix else -1
        for i in self._shown():
            text = cell_text(values[i]) if i < len(values) else ""
            out.append(f"{self._kind_prefix}/{text}" if i == name_at else text)
        out += [labels.get(key) or "<none>" for key in self._label_columns]
        return out + ([labels_text(labels)] if self._show_labels else [])

    def _name_column(self) -> int:
        for i, column in enumerate(self._columns):
            if column.get("format") == "name" and column.get("type") == "string":
                return i
        return -1


def cell_text(value: Any) -> str:
    """A cell as printed: cut at the first line break, control characters escaped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | dict):
        return json.dumps(value, separators=(",", ":"))
    text = str(value)
    match = re.search(r"[\f\n\r]", text)
    if match:
        text = text[: match.start()] + "..."
    return text.replace("\x1b", "^[") if "\x1b" in text else text


def labels_text(labels: dict[str, str]) -> str:
    """`a=b,c=d`, sorted, or `<none>`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) or "<none>"


def plain_table(answer: Object) -> Object:
    """The table for servers that answer plain objects: NAME and AGE; a Status has its own columns."""
    if answer.get("kind") == "Status":
        return {
            "columnDefinitions": [{"name": name, "type": "string"} for name in ("Status", "Reason", "Message")],
            "rows": [{"cells": [answer.get("status"), answer.get("reason"), answer.get("message")]}],
        }
    from podsysctl.cli.ages import age_of

    items = answer.get("items", [answer])
    return {
        "columnDefinitions": [
            {"name": "Name", "type": "string", "format": "name"},
            {"name": "Age", "type": "string"},
        ],
        "rows": [{"cells": [item["metadata"]["name"], age_of(item)], "object": item} for item in items],
    }


def print_rows(
    out: TextIO, headers: Sequence[str], rows: Iterable[Sequence[str]], *, show_headers: bool = True
) -> None:
    """A table of our own."""
    writer = Writer(out)
    if show_headers:
        writer.row(headers)
    for row in rows:
        writer.row(row)
    writer.flush()
