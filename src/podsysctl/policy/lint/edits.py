"""Changes of YAML text that keep everything else as it is: comments, order, spacing.

Only block style is changed; for anything else there is no edit, and a finding stays without a fix.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

import yaml

from podsysctl.policy.lint.document import Document
from podsysctl.policy.lint.finding import Edit


def replace_scalar(document: Document, path: Sequence[str | int], text: str) -> tuple[Edit, ...]:
    """Write another scalar at a path; nothing when there is none, or when it stands on several lines."""
    node, found = document.find_node(path)
    if not found or not isinstance(node, yaml.ScalarNode) or node.style in ("|", ">"):
        return ()
    return (Edit(node.start_mark.index, node.end_mark.index, text),)


def quoted(text: str) -> str:
    """A scalar that YAML reads as a string, whatever it holds."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def remove_item(document: Document, path: Sequence[str | int]) -> tuple[Edit, ...]:
    """Remove an item of a block list; the whole entry of the mapping when it was the only item."""
    parent, found = document.find_node(path[:-1])
    if not found or not isinstance(parent, yaml.SequenceNode) or parent.flow_style:
        return ()
    if len(parent.value) == 1:
        return remove_entry(document, path[:-1])
    node, _ = document.find_node(path)
    return _remove_lines(document, node.start_mark.line, _last_line(document, node))


def remove_items(document: Document, path: Sequence[str | int], indices: Sequence[int]) -> tuple[Edit, ...]:
    """Remove several items of a block list at once; the whole entry of the mapping when none would be left."""
    parent, found = document.find_node(path)
    if not found or not isinstance(parent, yaml.SequenceNode) or parent.flow_style:
        return ()
    if len(set(indices)) == len(parent.value):
        return remove_entry(document, path)
    out: tuple[Edit, ...] = ()
    for index in indices:
        out += remove_item(document, (*path, index))
    return out


def replace_document(document: Document, content: str) -> tuple[Edit, ...]:
    """Write something else where a whole document stands; nothing when it is an item of a list."""
    if not isinstance(document.node, yaml.MappingNode) or document.node.flow_style or document.node.start_mark.column:
        return ()
    start = _offset(document.text, document.node.start_mark.line)
    end = _offset(document.text, _last_line(document, document.node) + 1)
    return (Edit(start, end, content),)


def remove_entry(document: Document, path: Sequence[str | int]) -> tuple[Edit, ...]:
    """Remove an entry of a block mapping; the mapping's own entry when it was the only one."""
    parent, found = document.find_node(path[:-1])
    if not found or not isinstance(parent, yaml.MappingNode) or parent.flow_style:
        return ()
    if len(parent.value) == 1 and len(path) > 1 and isinstance(path[-2], str):
        return remove_entry(document, path[:-1])
    key = document.key_node(path)
    node, is_there = document.find_node(path)
    if key is None or not is_there or _shares_line(document, key):
        return ()
    return _remove_lines(document, key.start_mark.line, _last_line(document, node))


def insert_lines(document: Document, line: int, lines: Iterable[str]) -> tuple[Edit, ...]:
    """Insert whole lines before a line (counted from zero)."""
    start = _offset(document.text, line)
    text = "".join(f"{content}\n" for content in lines)
    if start > 0 and document.text[start - 1] != "\n":
        text = "\n" + text
    return (Edit(start, start, text),)


def append_document(document: Document, content: str) -> tuple[Edit, ...]:
    """Add a document at the end of the file."""
    end = len(document.text)
    lead = "" if document.text.endswith("\n") else "\n"
    return (Edit(end, end, f"{lead}---\n{content}"),)


def apply(text: str, edits: Iterable[tuple[Edit, ...]]) -> tuple[str, int]:
    """Make groups of edits, each whole or not at all; one that touches what another changed is left out.

    Returns the new text and how many groups were made.
    """
    taken: list[Edit] = []
    made = 0
    for group in edits:
        if group and all(not _touches(edit, other) for edit in group for other in taken):
            taken += group
            made += 1
    pieces: list[str] = []
    at = 0
    # Of insertions at one place the last comes first.
    for _, edit in sorted(enumerate(taken), key=lambda item: (item[1].start, item[1].end, -item[0])):
        pieces += [text[at : edit.start], edit.text]
        at = max(at, edit.end)
    return "".join([*pieces, text[at:]]), made


def last_line(document: Document, path: Sequence[str | int]) -> int:
    """The last line of the node at a path, from zero."""
    return _last_line(document, document.node_at(path))


def _touches(one: Edit, other: Edit) -> bool:
    if one.start == one.end and other.start == other.end:
        return False
    return one.start < other.end and other.start < one.end


def _shares_line(document: Document, key: yaml.Node) -> bool:
    """Whether something else stands before a key on its line, such as the dash of a list."""
    start = _offset(document.text, key.start_mark.line)
    return bool(document.text[start : key.start_mark.index].strip())


def _last_line(document: Document, node: yaml.Node) -> int:
    """The last line that belongs to a node, from zero; libyaml ends block collections at the next token."""
    start, line = node.start_mark.line, node.end_mark.line
    is_block = isinstance(node, yaml.CollectionNode) and not node.flow_style
    at_end = node.end_mark.index >= len(document.text) and not document.text.endswith("\n")
    if line > start and (node.end_mark.column == 0 or is_block) and not at_end:
        line -= 1
    while line > start and _is_blank_or_comment(document.text, line):
        line -= 1
    return int(line)


def _is_blank_or_comment(text: str, line: int) -> bool:
    content = text[_offset(text, line) : _offset(text, line + 1)].strip()
    return not content or content.startswith("#")


def _remove_lines(document: Document, first: int, last: int) -> tuple[Edit, ...]:
    start, end = _offset(document.text, first), _offset(document.text, last + 1)
    return (Edit(start, end, ""),)


def _offset(text: str, line: int) -> int:
    """The index of the first character of a line; the end of the text beyond the last line."""
    starts = _line_starts(text)
    return starts[line] if line < len(starts) else len(text)


@lru_cache(maxsize=4)
def _line_starts(text: str) -> tuple[int, ...]:
    """Where each line begins; files are changed one after the other."""
    return (0, *(found.end() for found in re.finditer("\n", text)))
