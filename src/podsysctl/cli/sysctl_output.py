"""How values are printed: as sysctl(8) does, as JSON, or as a table."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any


def lines_of(name: str, value: str, *, names: bool = False, values: bool = False) -> str:
    """One parameter in sysctl(8)'s form: `name = value`, each line of a value with the name before it.

    >>> lines_of("kernel.core_modes", "file\\npipe")
    'kernel.core_modes = file\\nkernel.core_modes = pipe\\n'
    """
    if names:
        return f"{name}\n"
    if values:
        return f"{value}\n"
    if "\n" not in value:
        return f"{name} = {value}\n"
    return "".join(f"{name} = {line}\n" for line in value.split("\n"))


def write(text: str) -> None:
    """To standard output; bytes that are no UTF-8 go out as they came from the kernel."""
    sys.stdout.flush()
    buffer = getattr(sys.stdout, "buffer", None)
    if buffer is None:
        sys.stdout.write(text.encode("utf-8", "surrogateescape").decode("utf-8", "replace"))
        return
    buffer.write(text.encode("utf-8", "surrogateescape"))
    buffer.flush()


def write_json(value: Any) -> None:
    """Two spaces of indent, sorted as given."""
    import json

    write(json.dumps(value, indent=2) + "\n")


def write_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns three spaces apart; the last one is not padded."""
    table = [tuple(header), *[tuple(row) for row in rows]]
    widths = [max(len(row[index]) for row in table) + 3 for index in range(len(header) - 1)]
    lines = [
        "".join([*(cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)), row[-1]]).rstrip()
        for row in table
    ]
    write("\n".join(lines) + "\n")


def one_line(value: str) -> str:
    """A value for a table cell."""
    return " ".join(value.split())
