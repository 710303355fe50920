"""The examples of docs/node-tuning.md, section "The profile language", ask of a node what the page says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from podsysctl.sysctls.name import parse_name
from podsysctl.sysctls.tuned import functions, shipped
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan
from podsysctl.sysctls.tuned.requirements import resolve

PAGE = (Path(__file__).resolve().parents[2] / "docs/node-tuning.md").read_text()
SECTION = PAGE.split("\n## The profile language\n")[1].split("\n## ")[0]
BLOCK = re.compile(r"^```(ini|text)\n(.*?)^```", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# profile: (\S+)")


def examples() -> Iterator[tuple[list[str], str]]:
    """The profiles before a text, and the text."""
    names: list[str] = []
    for kind, text in BLOCK.findall(SECTION):
        if kind == "ini":
            names.append(NAME.match(text)[1])  # type: ignore[index]
        else:
            yield names, text
            names = []


EXAMPLES = list(examples())
PROFILES = {NAME.match(text)[1]: text for kind, text in BLOCK.findall(SECTION) if kind == "ini"}  # type: ignore[index]


def shown(plan: Plan) -> Iterator[str]:
    """A plan in the page's words."""
    for setting in plan.sysctls:
        yield f"{setting.name} = {setting.guard}{setting.value}"
    for file in plan.sysfs:
        yield f"{file.path} = {file.value}"
    for left in plan.not_applied:
        yield f"not applied: [{left.section}], {left.why}"
    for item in plan.requirements:
        yield f"requirement: {item.name}, at least {item.at_least}, of {item.owner}"
    for problem in plan.problems:
        yield f"refused: {problem}"


def plan_of(name: str) -> Plan:
    """The plan of one of the page's profiles."""
    return build_plan(name, PROFILES, MachineFacts())


@pytest.mark.parametrize(("names", "text"), EXAMPLES, ids=[names[-1] for names, _ in EXAMPLES])
def test_example_asks_what_the_page_says(names: list[str], text: str) -> None:
    """One text is what the last profile before it comes to; that of requirements is of all before it."""
    plans = [plan_of(name) for name in names] if "requirement:" in text else [plan_of(names[-1])]
    lines = [line for plan in plans for line in shown(plan)]
    stated = [item for plan in plans for item in plan.requirements]
    for current in re.findall(r"^with (\d+) on the node", text, re.MULTILINE):
        found = resolve(stated, {parse_name("vm.max_map_count"): current})
        told = [f"{setting.name} = {setting.value}" for setting in found.settings] + [str(s) for s in found.satisfied]
        lines += [f"with {current} on the node: {line}" for line in told]
    assert "\n".join(lines) + "\n" == text


def test_page_has_examples() -> None:
    """A page that lost its examples would pass everything else."""
    assert [names[-1] for names, _ in EXAMPLES] == ["web", "child", "sized", "mixed", "cache"]


def test_page_names_every_shipped_profile_and_every_function() -> None:
    """What is there is written down."""
    for name in shipped.PROFILES:
        assert f"`{name}`" in SECTION
    for name in functions.FUNCTIONS:
        assert f"`{name}`" in SECTION or f"`_{name.removeprefix('cpulist_')}`" in SECTION, name


@pytest.mark.parametrize(
    "line",
    [
        "vm/swappiness=1",
        "vm.swappiness=1 2",
        "net.ipv4.ip_local_port_range=1 2 3",
        "net.ipv4.tcp_rmem=4096",
        "net.ipv4.ping_group_range=5 1",
        "vm.swappiness=1\n vm.dirty_ratio=2",
        "kernel.core_pattern=${nowhere}",
        "kernel.core_pattern=x${f:hex2cpulist:zz}",
        "kernel.core_pattern=${f:exec:echo:x}",
    ],
)
def test_what_is_stricter_than_tuned_is_refused(line: str) -> None:
    """The rows of the page's last table."""
    found = build_plan("a", {"a": f"[sysctl]\n{line}\n"}, MachineFacts(), {})
    assert (len(found.problems), found.sysctls) == (1, ())
