"""`podsysctl describe` of Tuned and Profile objects, from the objects alone."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.cli import describe_tuning
from podsysctl.controllers.tuning import rules

NAMESPACE = "openshift-cluster-node-tuning-operator"
NOW = "2026-01-02T03:04:05Z"


def tuned(*recommend: dict[str, Any], name: str = "database", **spec: Any) -> dict[str, Any]:
    """A Tuned with these rules."""
    return {"metadata": {"name": name, "namespace": NAMESPACE}, "spec": {"recommend": list(recommend), **spec}}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ({}, "every node"),
        ({"match": []}, "every node"),
        ({"match": [{"label": "a"}]}, "nodes labelled a"),
        ({"match": [{"label": "a", "value": ""}]}, "nodes labelled a="),
        ({"match": [{"label": "a", "value": "b", "type": "pod"}]}, "pods labelled a=b"),
        ({"match": [{"label": "a"}, {"label": "b"}]}, "nodes labelled a, or nodes labelled b"),
        ({"match": [{"label": "a", "match": [{"label": "b"}]}]}, "nodes labelled a and nodes labelled b"),
        (
            {"match": [{"label": "a", "match": [{"label": "b"}, {"label": "c"}]}]},
            "nodes labelled a and (nodes labelled b, or nodes labelled c)",
        ),
        ({"match": [{"label": "a", "match": [{"label": 1}]}]}, "nodes labelled a and nobody (not of the right form)"),
        ({"machineConfigLabels": {"r": "w"}}, "pools that select r=w"),
        ({"match": [{"label": "a"}], "machineConfigLabels": {"r": "w"}}, "nodes labelled a, or pools that select r=w"),
    ],
)
def test_rule_is_put_into_words(rule: dict[str, Any], text: str) -> None:
    """OR, AND, pods and pools."""
    (parsed,) = rules.parse([tuned({"profile": "p", "priority": 1, **rule})])
    assert describe_tuning.rule_text(parsed) == text


def test_tuned_shows_rules_in_order_its_nodes_conditions_and_profiles() -> None:
    """What it says, what is thought of it, and who has it."""
    obj = tuned(
        {"profile": "late", "priority": 20},
        {"profile": "early", "priority": 5, "match": [{"label": "x"}]},
        profile=[{"name": "late", "data": "[main]\nsummary=Late\n"}],
    )
    condition = {"type": "Valid", "status": "True", "reason": "AsExpected", "message": "", "lastTransitionTime": NOW}
    obj["status"] = {"conditions": [condition]}
    profiles = [
        {"metadata": {"name": name}, "spec": {"config": {"tunedProfile": has}}}
        for name, has in (("n2", "late"), ("n1", "early"), ("n3", "other"))
    ]
    out = describe_tuning.tuned(obj, profiles, [])
    assert (
        "  Priority  Profile  For\n  --------  -------  ---\n"
        "  5         early    nodes labelled x\n  20        late     every node\n"
    ) in out
    assert "  Name  Profile\n  ----  -------\n  n1    early\n  n2    late\nConditions:" in out
    assert "Profile late:\n  [main]\n  summary=Late\n" in out
    assert "Management State" not in out
    assert out.endswith("Events:  <none>\n")


def test_default_tuned_tells_its_state() -> None:
    """It counts there alone; absent means managed."""
    assert "Management State:  Managed\n" in describe_tuning.tuned(tuned(name="default"), None, None)
    removed = tuned(name="default", managementState="Removed")
    assert "Management State:  Removed\n" in describe_tuning.tuned(removed, None, None)


def profile(name: str, *profiles: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A Profile whose node is to have a profile."""
    listed = [{"name": key, "data": data} for key, data in profiles]
    spec = {"config": {"tunedProfile": name, "tunedConfig": {}}, "profile": listed}
    return {"metadata": {"name": "n1", "namespace": NAMESPACE, "generation": 2}, "spec": spec, **more}


def test_profile_shows_what_the_chosen_profile_comes_to() -> None:
    """Values of included profiles with the profile that holds them; a guard in words."""
    out = describe_tuning.profile(
        profile(
            "b",
            ("a", "[sysctl]\nvm.swappiness=10\nvm.dirty_ratio=20\n"),
            ("b", "[main]\ninclude=a\n[sysctl]\nvm.swappiness=>30\n"),
        ),
        None,
    )
    assert (
        "Sysctls:\n  Name            Value        From\n  ----            -----        ----\n"
        "  vm.swappiness   at least 30  b\n  vm.dirty_ratio  20           a\n"
    ) in out
    assert "Host Files:       win over the profile\n" in out
    assert "Applied Profile:  <none>\n" in out


def test_profile_shows_who_is_behind_each_value() -> None:
    """As the node's status tells it: the winner in the row, the losers below."""
    effective = [{"name": "vm.swappiness", "value": "60", "winner": "kernel default", "losers": ["profile p = 10"]}]
    out = describe_tuning.profile(profile("p", ("p", "[main]\n"), status={"effective": effective}), None)
    assert (
        "In Force:\n  Name           Value  By\n  ----           -----  --\n"
        "  vm.swappiness  60     kernel default\n                        and not profile p = 10\n"
    ) in out


def test_profile_keeps_apart_what_depends_on_the_machine() -> None:
    """openshift-node includes one profile on virtual machines and another on others."""
    out = describe_tuning.profile(profile("openshift-node"), None)
    assert "fs.inotify.max_user_instances" in out
    (line,) = [line for line in out.splitlines() if line.startswith("Depending On The Machine:")]
    assert "vm.swappiness" in line
    assert "fs.inotify" not in line


def test_profile_tells_status_requirements_and_lag() -> None:
    """The node's conditions, who asks besides, and that an answer is due."""
    condition = {"type": "Applied", "status": "True", "reason": "AsExpected", "message": "TuneD profile applied."}
    obj = profile("p", status={"tunedProfile": "old", "observedGeneration": 1, "conditions": [condition]})
    obj["spec"]["requirements"] = [{"profile": "floor", "owner": "ns/search"}]
    obj["spec"]["config"]["tunedConfig"] = {"reapply_sysctl": False}
    out = describe_tuning.profile(obj, None)
    assert "Applied Profile:  old\n" in out
    assert "Up To Date:       no, the node has not answered the last change yet\n" in out
    assert "Host Files:       lose against the profile\n" in out
    assert "  floor    ns/search\n" in out
    assert "none: Requested profile 'p' doesn't exist." in out
    assert "TuneD profile applied." in out
