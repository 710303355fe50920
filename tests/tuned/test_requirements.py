"""Bounds of several owners: the smallest value for all, nothing when there is nothing to do, or who is in whose way."""

from __future__ import annotations

import pytest

from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan
from podsysctl.sysctls.tuned.requirements import Resolution, of_owner, resolve

NAME = parse_name("vm.max_map_count")


def plan(text: str, name: str = "a") -> Plan:
    """The plan of one profile."""
    return build_plan(name, {name: text}, MachineFacts(), {})


def resolved(current: str, *owners: tuple[str, str], sysctl: str = "") -> Resolution:
    """What (owner, bounds) pairs come to on a node with this value and perhaps a `[sysctl]` line."""
    stated = []
    for owner, bounds in owners:
        found = plan(f"[requirements]\nvm.max_map_count = {bounds}\n", f"of-{owner}")
        assert found.problems == ()
        stated += of_owner(found.requirements, owner)
    wanted = plan(f"[sysctl]\n{sysctl}\n").sysctls if sysctl else ()
    return resolve(stated, {NAME: current}, wanted)


def test_smallest_value_that_satisfies_all_is_chosen() -> None:
    """The highest floor decides, and the setting stands where it is stated."""
    found = resolved("65530", ("A", ">=262144"), ("B", ">=1048576"))
    assert [(s.name, s.value, s.place.profile) for s in found.settings] == [(NAME, "1048576", "of-B")]
    assert found.conflicts == ()


def test_nothing_is_written_when_the_node_satisfies_everyone() -> None:
    """And it is said for whom."""
    found = resolved("1048576", ("A", ">=262144"), ("B", ">=1048576"))
    assert found.settings == ()
    assert [str(item) for item in found.satisfied] == ["vm.max_map_count is 1048576, which satisfies A, B"]


@pytest.mark.parametrize(
    ("current", "value"), [("99", "100"), ("100", None), ("200", None), ("201", "100"), ("65530", "100")]
)
def test_range_is_entered_at_its_lower_end(current: str, value: str | None) -> None:
    """Both ends belong to it."""
    found = resolved(current, ("A", "100..200"))
    assert [setting.value for setting in found.settings] == ([] if value is None else [value])


def test_upper_bound_alone_is_met_at_the_bound() -> None:
    """There is no smaller value that anybody asked for."""
    assert [setting.value for setting in resolved("65530", ("A", "<=1000")).settings] == ["1000"]


@pytest.mark.parametrize(
    ("sysctl", "value"),
    [("<43000", "43000"), ("<5", None), ("<20", "20"), (">60000", "60000"), (">20", "")],
)
def test_what_a_guard_makes_of_the_value_is_kept_where_it_satisfies(sysctl: str, value: str | None) -> None:
    """A lower bound below it is no reason to go down to that bound; None is a conflict, "" nothing to write."""
    found = resolved("43200", ("A", ">=10"), sysctl=f"vm.max_map_count={sysctl}")
    assert [setting.value for setting in found.settings] == ([value] if value else [])
    assert bool(found.conflicts) == (value is None)


def test_bounds_that_exclude_each_other_are_a_conflict_of_their_owners() -> None:
    """The text names owners, numbers and places."""
    found = resolved("65530", ("A", ">=262144"), ("B", "<=100000"), ("C", ">=5"))
    (conflict,) = found.conflicts
    assert (found.settings, conflict.owners) == ((), ("A", "B"))
    assert conflict.message == (
        "vm.max_map_count: A needs at least 262144 (profile of-A, section [requirements], line 2), but B allows at most"
        " 100000 (profile of-B, section [requirements], line 2); no value satisfies both"
    )


@pytest.mark.parametrize(
    ("line", "settings", "conflicts"),
    [
        ("vm.max_map_count=300000", [], 0),
        ("vm.max_map_count=262144", [], 0),
        ("vm.max_map_count=262143", [], 1),
        ("vm.max_map_count=>100", ["262144"], 0),
        ("vm.max_map_count=>300000", ["300000"], 0),
        ("vm.max_map_count=<300000", ["262144"], 0),
        ("vm.max_map_count=<100", [], 1),
        ("vm.swappiness=1", ["262144"], 0),
        ("vm.max_map_count=>400000\n[later]\ntype=sysctl\nvm.max_map_count=<500000", ["400000"], 0),
        ("vm.max_map_count=5\n[later]\ntype=sysctl\nvm.max_map_count=>300000", [], 0),
        ("vm.max_map_count=>5\n[later]\ntype=sysctl\nvm.max_map_count=<300000", ["262144"], 0),
    ],
)
def test_profile_value_must_keep_within_the_bounds(line: str, settings: list[str], conflicts: int) -> None:
    """A plain value is written as it is; guards are bounds like others."""
    found = resolved("65530", ("A", ">=262144"), sysctl=line)
    assert [setting.value for setting in found.settings] == settings
    assert len(found.conflicts) == conflicts


def test_owner_of_the_section_goes_before_the_given_one() -> None:
    """`owner=` in the section is kept."""
    found = plan("[floors]\ntype=requirements\nowner=team-a\nvm.max_map_count=>=5\n").requirements
    assert [item.owner for item in of_owner(found, "ns/tuned")] == ["team-a"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("vm.max_map_count=5", "vm.max_map_count: '5' is no requirement: write >=N, <=N or LOW..HIGH"),
        ("vm.max_map_count>=5", "vm.max_map_count>=5: the first = separates; write vm.max_map_count = >=5"),
        ("vm.max_map_count=9..5", "vm.max_map_count: the range starts at 9 and ends below it at 5"),
        ("vm.max_map_count=>=x", "vm.max_map_count: 'x' is not a number"),
        ("vm.swappiness=>=500", "vm.swappiness: 500 is above 200, the largest value there is"),
        ("vm.swappiness=<=-1", "vm.swappiness: -1 is below 0, the smallest value there is"),
        ("net.ipv4.tcp_rmem=>=5", "net.ipv4.tcp_rmem: a requirement bounds one number, and this is several numbers"),
    ],
)
def test_wrong_requirement_is_a_problem(line: str, problem: str) -> None:
    """Found before anything is written, with the rule."""
    found = plan(f"[requirements]\n{line}\n")
    assert found.requirements == ()
    assert [item.message for item in found.problems] == [problem]
