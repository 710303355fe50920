"""Whatever a profile says, it comes to a plan or to one error, and a plan written as a profile comes to itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podsysctl.base import limits
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.guard import PodNetworking, dangers
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan, ProfileError
from podsysctl.sysctls.tuned.requirements import resolve
from podsysctl.sysctls.value import ValueKind
from tests.tuned.trees import PIECES, Generator

FACTS = MachineFacts(virtualization="kvm", cpus=(0, 1), files=(("/proc/cpuinfo", "processor\t: 0\n"),), uname="Linux x")
NETWORK = PodNetworking(bridge="br0", attached=("br1",), ipv6=True, plugins=("bridge",))
LINES = st.sampled_from(
    ["[main]", "include=a", "include=b,-c;a", "include=${f:strip:b}", "[variables]", "v=${v}${v}", "v=1", "include=/x",
     "[sysctl]", "[x]", "type=sysctl", "type=sysfs", "type=requirements", "type=variables", "[sysfs]", "[requirements]",
     "/sys/kernel/mm/ksm/run=${v}", "/sys/../x=1", "vm.swappiness=>5", "vm.swappiness = >=5", "vm.swappiness=1..7",
     "owner=${v}", "priority=x", "priority=2", "uname_regex=(", "cpuinfo_regex=(?<=a)b", "drop=,;v", "prepend=1",
     "replace=1", "enabled=", "net.ipv4.ip_forward=0", "net.ipv4.conf.br1.rp_filter=1", "[DEFAULT]", "=", "x",
     "a..b=1", "\0=\0"],
)  # fmt: skip
PROFILE = st.lists(st.one_of(LINES, st.lists(st.sampled_from(PIECES), max_size=6).map("v=".join), st.text(max_size=20)))


def tried(profiles: dict[str, str]) -> Plan | None:
    """The plan and all that is asked of one, or None for a profile that is refused."""
    try:
        plan = build_plan("a", profiles, FACTS)
    except ProfileError:
        return None
    assert plan.profiles[-1] == "a"
    for problem in plan.problems:
        assert problem.message
        assert problem.place.line >= 0
    for danger in dangers(plan, NETWORK):
        assert danger.reason
    resolve(plan.requirements, {item.name: "5" for item in plan.requirements}, plan.sysctls)
    return plan


@given(PROFILE.map("\n".join), PROFILE.map("\n".join))
def test_any_text_is_a_plan_or_one_error(one: str, other: str) -> None:
    """Nothing else is raised, by the plan or by what is asked of it."""
    tried({"a": one, "b": other})


@pytest.mark.parametrize(
    "text",
    [
        "[sysctl]\nkernel.core_pattern=" + "${f:strip:" * 1500,
        "[sysctl]\nkernel.core_pattern=" + "${f:strip:" * 1500 + "}" * 1500,
        "[sysctl]\nkernel.core_pattern=" + "${f:nope:" * 1500 + "}" * 1500,
        "[sysctl]\nkernel.core_pattern=" + "\\${f:" * 3000,
        "[sysctl]\nkernel.core_pattern=${f:cpulist_unpack:" + "0-8191," * 2000 + "}",
        "[sysctl]\nkernel.core_pattern=${f:hex2cpulist:" + "f" * 15000 + "}",
        "[sysctl]\nkernel.core_pattern=${f:cpulist_unpack:0-" + "9" * 5000 + "}",
        "[sysctl]\nkernel.core_pattern=${f:regex_search_ternary:" + "a" * 5000 + ":(a*)*b:x:y}",
        "[sysctl]\nuname_regex=" + "(" * 5000 + "\nkernel.core_pattern=1",
        "[variables]\nv0=" + "x" * 9000 + "\n" + "\n".join(f"v{i}=${{v{i - 1}}}${{v0}}" for i in range(1, 3000)),
        "[sysctl]\n" + "\n".join(f"net.ipv4.conf.e{i}.rp_filter=1" for i in range(4000)),
        "[sysctl]\nvm.swappiness=1\n" + " x\n" * 100_000,
        "[" * 100_000,
        "[sysctl]\n" + "=" * 400_000,
        "[main]\ninclude=" + ",".join(["-x"] * 100_000),
        "[variables]\nx=" + "${f:strip:" + "a" * 3000 + "}" + "\n[sysctl]\n"
        + "\n".join(f"net.ipv4.conf.e{i}.rp_filter=" + "${x}" * 4 for i in range(2000)),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_hostile_text_is_answered(text: str) -> None:
    """Deep, long and doubling texts end in a plan or an error, all within the bounds."""
    plan = tried({"a": text})
    if plan is not None:
        assert all(len(setting.value) <= limits.TUNED_VALUE_CHARACTERS for setting in plan.sysctls)


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("[sysctl]\n" + "x" * (limits.TUNED_PROFILE_CHARACTERS - 9), "Cannot parse"),
        ("#" * (limits.TUNED_PROFILE_CHARACTERS + 1), "Cannot parse"),
        ("[x]\n" + "\n".join(f"k{i}=1" for i in range(limits.TUNED_SETTINGS)), "more than 4096"),
        ("[x]\n" + "\n".join(f"k{i}=1" for i in range(limits.TUNED_SETTINGS - 1)), ""),
        ("#" * limits.TUNED_PROFILE_CHARACTERS, ""),
    ],
    ids=["bad line", "too long", "too many keys", "many keys", "long"],
)
def test_bounds_are_the_last_that_is_taken(text: str, refused: str) -> None:
    """One more character, one more key, and the profile is refused."""
    if not refused:
        assert tried({"a": text}) is not None
        return
    with pytest.raises(ProfileError, match=refused):
        build_plan("a", {"a": text}, FACTS)


@pytest.mark.parametrize("seed", range(5))
def test_plan_written_as_a_profile_comes_to_itself(seed: int) -> None:
    """Names, values, guards and order survive; nothing in a plan needs evaluating again."""
    generator = Generator(seed)
    compared = 0
    for _ in range(100):
        tree = generator.tree()
        try:
            plan = build_plan("p0", dict(tree["directories"][1][1]), FACTS, dict(tree["directories"][0][1]))
        except ProfileError:
            continue
        lines = [
            f'[s{index}]\ntype=sysctl\n{setting.name.tuned}="{setting.guard}{setting.value}"'
            for index, setting in enumerate(plan.sysctls)
        ]
        again = build_plan("a", {"a": "\n".join(lines)}, FACTS, {})
        assert again.problems == ()
        assert [(s.name, s.value, s.guard) for s in again.sysctls] == [(s.name, s.value, s.guard) for s in plan.sysctls]
        compared += len(plan.sysctls)
    assert compared > 200


@given(st.sampled_from(list(catalogue.every())), st.integers(-(2**70), 2**70))
def test_numbers_are_judged_by_the_catalogue(row: catalogue.Parameter, number: int) -> None:
    """A number within the bounds of a writable parameter of one number is a setting, every other one a problem."""
    if row.spec.kind is not ValueKind.INTEGER or row.access is catalogue.Access.READ_ONLY:
        return
    plan = build_plan("a", {"a": f"[sysctl]\n{row.name}={number}\n"}, FACTS, {})
    low, high = row.spec.minimum, row.spec.maximum
    good = (low is None or number >= low) and (high is None or number <= high)
    if row.name.rpartition(".")[2] in ("base_reachable_time", "retrans_time"):
        good = False
    assert bool(plan.sysctls) is good
    assert bool(plan.problems) is not good
