"""Patterns and expressions: what each selects, and what is no pattern."""

from __future__ import annotations

import pytest

from podsysctl.base.errors import NameSyntaxError
from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.pattern import is_pattern, parse_pattern, parse_regex

NAMES = ("kernel.sem", "kernel.shmmax", "net.ipv4.conf.all.tag", "net.ipv4.conf.eth0/100.tag")


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("*", (0, 1, 2, 3)),
        ("*.sem", (0,)),
        ("**.sem", (0,)),
        ("kernel.**", (0, 1)),
        ("kernel.?em", (0,)),
        ("kernel.?", ()),
        ("kernel.[s]em", (0,)),
        ("kernel.[!s]em", ()),
        ("kernel.[^t]em", (0,)),
        ("kernel.[a-z]em", (0,)),
        ("kernel.[]]em", ()),
        ("kernel.[a&&s]em", (0,)),
        ("kernel.[s|t]em", (0,)),
        ("kernel.\\*", ()),
        ("kernel.(sem", ()),
        ("kernel/s*", (0, 1)),
        ("net.*.tag", ()),
        ("net.ipv4.conf.*.tag", (2, 3)),
        ("net/ipv4/conf/*/tag", (2, 3)),
        ("net/ipv4/conf/eth0.*/tag", (3,)),
        ("net.ipv4.conf.eth0/*.tag", (3,)),
        ("net.ipv4.conf.eth0.*", ()),
    ],
)
def test_pattern_selects_by_parts(text: str, selected: tuple[int, ...]) -> None:
    """As a shell does over the parts of a path, in either spelling."""
    pattern = parse_pattern(text)
    assert tuple(index for index, name in enumerate(NAMES) if pattern.matches(parse_name(name))) == selected


@pytest.mark.parametrize(
    "text", ["", " ", "a b*", "kernel.[a-", "kernel.[]em", "kernel.[!]em", "kernel.[z-a]em", "*\0"]
)
def test_pattern_that_means_nothing_is_refused(text: str) -> None:
    """Open or empty brackets, backward ranges, white space."""
    with pytest.raises(NameSyntaxError):
        parse_pattern(text)


@pytest.mark.parametrize(("text", "wild"), [("a.b", False), ("a.*", True), ("a.?", True), ("a.[b]", True), ("", False)])
def test_is_pattern_tells_names_from_patterns(text: str, wild: bool) -> None:
    """Three characters are wildcards."""
    assert is_pattern(text) is wild


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("sem", (0,)),
        ("^kernel", (0, 1)),
        ("shm|tag$", (1, 2, 3)),
        ("^kernel[.]shm[[:alpha:]]+$", (1,)),
        ("eth[[:digit:]]", (3,)),
        ("[[:upper:]]", ()),
        ("eth0/100", (3,)),
        ("kernel/sem", ()),
    ],
)
@pytest.mark.filterwarnings("error")
def test_regex_is_searched_in_the_dotted_spelling(text: str, selected: tuple[int, ...]) -> None:
    """As `sysctl -r` does, with the classes of POSIX, and without a word on standard error."""
    expression = parse_regex(text)
    assert tuple(index for index, name in enumerate(NAMES) if expression.matches(parse_name(name))) == selected


@pytest.mark.parametrize("text", ["(", "[", "*", "a{2,1}", "(?P<"])
def test_regex_that_is_none_is_refused(text: str) -> None:
    """With our error and what is wrong with it."""
    with pytest.raises(NameSyntaxError, match="regular expression"):
        parse_regex(text)
