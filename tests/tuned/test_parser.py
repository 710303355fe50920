"""Profiles are read as TuneD reads them, which is with Python's configparser, and with line numbers."""

from __future__ import annotations

import configparser

from hypothesis import given
from hypothesis import strategies as st

from podsysctl.sysctls.tuned import parser

PIECES = st.sampled_from(
    ["[main]", "[sysctl]", "[a]b]", "[]", "[DEFAULT]", "a=1", "b = 2", "b=3", "a", "=", "=x", " ", "\t", "  ", "#", ";",
     " # note", "c==d", "x=", "\n", "\n", "\n", "\r\n", "\x0b", "\x85", "é=ü", "[x] y", "a#b=1 #c", '"q" = "r s"'],
)  # fmt: skip


def reference(text: str) -> dict[str, list[tuple[str, str]]] | None:
    """What TuneD's own parser makes of it, None when it refuses."""
    reader = configparser.ConfigParser(delimiters=("=",), inline_comment_prefixes=("#",), strict=False)
    reader.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        reader.read_file(text.replace("\r\n", "\n").replace("\r", "\n").splitlines(keepends=True))
    except configparser.Error:
        return None
    return {
        name: [(key, reader.get(name, key, raw=True)) for key in reader.options(name)] for name in reader.sections()
    }


def ours(text: str) -> dict[str, list[tuple[str, str]]] | None:
    """The same of this program's."""
    found = parser.parse(text)
    if found.bad:
        return None
    return {name: [(key, item.value) for key, item in keys.items()] for name, keys in found.sections().items()}


@given(st.lists(PIECES, max_size=30).map("".join))
def test_parse_of_any_text_agrees_with_configparser(text: str) -> None:
    """Sections, keys, their order and values are configparser's; what it refuses has bad lines here."""
    text = text.replace("\x0b", " ").replace("\x85", " ")  # str.splitlines breaks there, a file's lines do not
    assert ours(text) == reference(text)


@given(st.text(max_size=300))
def test_parse_of_nonsense_never_raises(text: str) -> None:
    """Whatever the text, it is read or has bad lines, each of which exists."""
    found = parser.parse(text)
    for bad in found.bad:
        assert 1 <= bad.line <= text.count("\n") + text.count("\r") + 1


def test_parse_tells_lines_and_columns() -> None:
    """Positions count from one and point at key and value."""
    text = "[sysctl]\n\n  vm.swappiness =  10 # low\n"
    (found,) = parser.parse(text).assignments
    assert (found.line, found.column, found.value_column, found.value) == (3, 3, 20, "10")
    assert text.split("\n")[2][found.value_column - 1 :].startswith("10")


def test_parse_indented_line_continues_the_value() -> None:
    """A deeper indent is part of the value before; the same indent is not."""
    found = parser.parse("[sysctl]\n a=1\n b=2\n   c=3\n")
    assert [(item.key, item.value) for item in found.assignments] == [("a", "1"), ("b", "2\nc=3")]


def test_parse_bad_line_is_named() -> None:
    """Every bad line has its number and the reason."""
    assert [str(bad) for bad in parser.parse("[sysctl]\nfoo\n=1\n").bad] == [
        "line 2: 'foo' is neither a [section], nor a comment, nor `key = value`",
        "line 3: '=1' has no key before its `=`",
    ]
    assert [str(bad) for bad in parser.parse("a=1\n[sysctl]\n").bad] == [
        "line 1: 'a=1' stands before the first [section]"
    ]
