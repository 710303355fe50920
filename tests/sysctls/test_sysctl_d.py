"""Lines of sysctl.d files: what they mean, what is told of bad ones, and which one wins."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.sysctl_d import parse_file, winner


@pytest.mark.parametrize(
    ("line", "name", "value", "optional"),
    [
        ("kernel.sem=1", "kernel.sem", "1", False),
        ("kernel/sem = 1 2 3 4", "kernel.sem", "1 2 3 4", False),
        ("  kernel.sem  =  1\t2 ", "kernel.sem", "1\t2", False),
        ("-kernel.sem=1", "kernel.sem", "1", True),
        ("- kernel.sem = 1", "kernel.sem", "1", True),
        ("-kernel.sem", "kernel.sem", None, True),
        ("kernel.sem=", "kernel.sem", "", False),
        ("kernel.core_pattern=|/bin/x %p=%e", "kernel.core_pattern", "|/bin/x %p=%e", False),
        ("kernel.sem==1", "kernel.sem", "=1", False),
        ("kernel.sem=1 # no comment here", "kernel.sem", "1 # no comment here", False),
        ("kernel.sem=1\r", "kernel.sem", "1", False),
        ("net/ipv4/conf/eth0.100/tag=1", "net.ipv4.conf.eth0/100.tag", "1", False),
        ("net.ipv4.conf.eth0/100.tag=1", "net.ipv4.conf.eth0/100.tag", "1", False),
    ],
)
def test_parse_line_is_an_assignment(line: str, name: str, value: str | None, optional: bool) -> None:
    """Names in either spelling; the value is all behind the first equals sign."""
    ((item,), problems) = parse_file(line, "f")
    assert (str(item.name), item.value, item.optional, problems) == (name, value, optional, [])


@pytest.mark.parametrize("line", ["net.ipv4.conf.*.tag=1", "-net.ipv4.conf.*.tag", "kernel.[st]*=1", "net.?*=0"])
def test_parse_line_with_wildcards_is_a_pattern(line: str) -> None:
    """Shell wildcards in a name select what the kernel has."""
    ((item,), problems) = parse_file(line, "f")
    assert (item.name, problems) == (None, [])
    assert item.pattern is not None


@pytest.mark.parametrize("line", ["", "   ", "\t", "# x=1", ";x=1", "  # x"])
def test_parse_line_of_nothing_or_a_comment_is_left_out(line: str) -> None:
    """Only a line that begins with # or ; is a comment."""
    assert parse_file(line, "f") == ([], [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("kernel.sem", "expected name = value"),
        ("kernel.sem 1", "expected name = value"),
        ("=1", "is empty"),
        (" = ", "is empty"),
        ("-", "is empty"),
        ("-=1", "is empty"),
        ("a b=1", "white space"),
        ("../etc=1", "empty part"),
        ("net/../x=1", "would leave"),
        ("a..b=1", "empty part"),
        ("kernel.[=1", "does not close"),
        ("kernel.[z-a]=1", "bad character range"),
        ("\ufeffkernel.sem=1", "control character"),
        ("net.ipv4.conf.much-too-long-name.tag=1", "1 to 15 bytes"),
    ],
)
def test_parse_line_that_means_nothing_is_told_with_its_place(line: str, message: str) -> None:
    """File, line and reason, and the lines after it are read."""
    items, (problem,) = parse_file(f"\n{line}\nkernel.shmmni=1\n", "f.conf")
    assert str(problem).startswith("f.conf(2): ")
    assert message in problem.message
    assert [str(item.name) for item in items] == ["kernel.shmmni"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("kernel.sem=1\nkernel.sem=2", "2"),
        ("kernel.sem=1\nkernel.*=2", "1"),
        ("kernel.*=1\nkernel.s*=2", "2"),
        ("kernel.*=1\n-kernel.sem", None),
        ("-kernel.sem\nkernel.*=1", None),
        ("-kernel.sem\nkernel.sem=3", "3"),
        ("kernel.*=1\n-kernel.se*\nkernel.shm*=2", None),
        ("kernel.shm*=2", None),
    ],
)
def test_winner_is_the_last_of_the_exact_ones_else_of_the_patterns(text: str, value: str | None) -> None:
    """A name in full beats every pattern, and `-name` keeps it out of those."""
    found = winner(parse_file(text, "f")[0], parse_name("kernel.sem"))
    assert (None if found is None else found.value) == value


@settings(max_examples=1000)
@given(st.text(max_size=120))
def test_parse_file_any_text_is_read_or_told(text: str) -> None:
    """No file is an exception."""
    items, problems = parse_file(text, "f")
    assert len(items) + len(problems) <= text.count("\n") + 1
