"""Where the lines of a multi-line YAML scalar stand in the file that holds it."""

from __future__ import annotations

from collections.abc import Sequence

import yaml

from podsysctl.policy.lint.document import Document
from podsysctl.policy.lint.finding import Position


def position_in(document: Document, path: Sequence[str | int], line: int, column: int = 1) -> Position:
    """The place of a line of the text at a path; lines count from one.

    Exact for literal blocks (`|`), which is how people write such texts; else the scalar's own place.
    """
    node = document.node_at(path)
    start = node.start_mark
    if not isinstance(node, yaml.ScalarNode) or node.style != "|":
        return Position(start.line + 1, start.column + 1)
    lines = document.text.split("\n")
    first = start.line + 1
    shown = (text for text in lines[first : node.end_mark.line + 1] if text.strip())
    indent = next((len(text) - len(text.lstrip(" ")) for text in shown), 0)
    return Position(first + line, indent + column)


def find_in(document: Document, path: Sequence[str | int], text: str) -> Position:
    """The place where a text first stands in the scalar at a path; the scalar's own place when it does not."""
    value = document.get(*path)
    for number, line in enumerate(value.split("\n") if isinstance(value, str) else (), 1):
        column = line.find(text)
        if column >= 0:
            return position_in(document, path, number, column + 1)
    return document.position(path)
