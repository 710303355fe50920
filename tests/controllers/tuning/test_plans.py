"""What is told of a recommended profile before any node tries it."""

from __future__ import annotations

import pytest

from podsysctl.controllers.tuning import plans
from podsysctl.controllers.tuning.collection import Collection, collect
from tests.controllers.tuning.builders import rule, tuned


def gathered(recommended: str, **profiles: str) -> Collection:
    """A Tuned that recommends one profile."""
    return collect([tuned("a", rule(recommended), profiles=profiles)])


def wrong(recommended: str, **profiles: str) -> str:
    """What is said of it."""
    return plans.Reader().judge(gathered(recommended, **profiles)).unusable.get(recommended, "")


@pytest.mark.parametrize(
    ("profiles", "part"),
    [
        ({}, "profile p is recommended, and defined neither by a Tuned nor by this program"),
        ({"p": "[main]\ninclude=absent\n"}, "Cannot find profile 'absent'"),
        (
            {"p": "no section\n"},
            "profile p: Cannot load profile(s) 'p': Cannot parse '/var/lib/ocp-tuned/profiles/p/tuned.conf'. "
            "(profile p, line 1: 'no section' stands before the first [section])",
        ),
        ({"p": "[sysctl]\nvm.swappiness=many\n"}, "profile p, section [sysctl], vm.swappiness (line 2)"),
    ],
)
def test_profile_that_no_node_can_apply_is_named_with_the_reason(profiles: dict[str, str], part: str) -> None:
    """Absent, unreadable, including what is absent, or holding a value that no kernel takes."""
    said = wrong("p", **profiles)
    assert part in said
    assert "profile p: profile p" not in said


def test_bad_entry_of_an_included_profile_names_both() -> None:
    """The one that is recommended, and the one that holds the entry."""
    bad = {"p": "[main]\ninclude=base\n", "base": "[sysctl]\nvm.swappiness=many\n"}
    assert wrong("p", **bad).startswith("profile p: profile base, section [sysctl], vm.swappiness (line 2): ")


@pytest.mark.parametrize(
    ("name", "profiles"),
    [
        ("openshift-node", {}),
        ("openshift-control-plane", {}),
        ("p", {"p": "[main]\ninclude=openshift-node,-absent\n[sysctl]\nvm.swappiness=10\n"}),
        ("p", {"p": "[main]\ninclude=${f:virt_check:here:absent}\n", "here": "[main]\n"}),
        ("p", {"p": "[variables]\ninclude=/etc/values.conf\n[sysctl]\nvm.swappiness=10\n"}),
        ("p", {"p": "[sysctl]\nkernel.nosuchthing=1\n"}),
    ],
)
def test_profile_that_some_machine_takes_is_not_blamed(name: str, profiles: dict[str, str]) -> None:
    """What depends on the machine is the node's to judge."""
    assert wrong(name, **profiles) == ""


def test_profile_that_nobody_recommends_is_not_read() -> None:
    """It may be a part of others only."""
    assert plans.Reader().judge(gathered("openshift-node", p="no section")).unusable == {}


def test_many_bad_entries_are_counted() -> None:
    """A message stays readable."""
    text = "[sysctl]\n" + "".join(f"vm.swappiness_{i}/x=1\nvm..{i}=2\n" for i in range(5))
    said = wrong("p", p=text)
    assert said.count("section [sysctl]") == plans.MOST_NAMED
    assert said.endswith("more")


def test_profiles_with_requirements_are_known_also_by_inheritance() -> None:
    """The node has to meet them whichever profile wins."""
    profiles = {
        "floor": "[requirements]\nvm.max_map_count = >=262144\n",
        "heir": "[main]\ninclude=floor\n",
        "named": "[mine]\ntype=requirements\nvm.max_map_count = >=262144\n",
        "none": "[sysctl]\nvm.max_map_count=262144\n",
    }
    one = tuned("a", *(rule(name) for name in profiles), profiles=profiles)
    assert plans.Reader().judge(collect([one])).demanding == {"floor", "heir", "named"}


def test_change_of_an_included_profile_is_seen() -> None:
    """Also of one that comes to exist, or goes before a shipped one."""
    reader = plans.Reader()
    broken = gathered("p", p="[main]\ninclude=q\n")
    assert "p" in reader.judge(broken).unusable
    assert reader.judge(gathered("p", p="[main]\ninclude=q\n", q="[main]\n")).unusable == {}
    assert "p" in reader.judge(gathered("p", p="[main]\ninclude=q\n", q="nothing\n")).unusable
    shipped = {"p": "[main]\ninclude=openshift-node\n"}
    assert reader.judge(gathered("p", **shipped)).unusable == {}
    both = {"virtual-guest": "nothing\n", "network-throughput": "nothing\n"}
    assert "p" in reader.judge(gathered("p", **shipped, **both)).unusable
    chosen = "[main]\ninclude=${f:strip:q}\n"
    assert "p" in reader.judge(gathered("p", p=chosen, other="1")).unusable
    assert reader.judge(gathered("p", p=chosen, q="[main]\n")).unusable == {}
