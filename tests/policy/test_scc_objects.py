"""Constraint objects: the shipped set, order, defaults on write, validation, ranges of namespaces."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.policy.scc import defaulting, namespace_range, ordering, validation
from podsysctl.policy.scc.constraint import VOLUME_SOURCES, Constraint
from podsysctl.policy.scc.namespace_range import Block, NamespaceRanges
from podsysctl.policy.scc.provider import Provider
from tests.policy.shipped import SAFE, objects

ORDER = [
    ("anyuid", 154_950),
    ("restricted-v2", 132_010),
    ("restricted-v3", 132_010),
    ("restricted", 134_800),
    ("nonroot-v2", 142_010),
    ("nonroot", 144_800),
    ("hostmount-anyuid", 254_950),
    ("hostnetwork-v2", 1_332_010),
    ("hostnetwork", 1_334_800),
    ("hostaccess", 1_434_800),
    ("privileged", 3_089_000),
]
BASE = next(o for o in objects() if o["metadata"]["name"] == "restricted-v2")


def test_shipped_constraints_stand_in_upstream_order() -> None:
    """Priority, then score, then name; the scores are upstream's."""
    ordered = ordering.sort_constraints(Constraint.parse(obj) for obj in objects())
    assert [(c.name, ordering.score(c)) for c in ordered] == ORDER


@pytest.mark.parametrize(
    ("chosen", "other", "reason"),
    [
        ("anyuid", "restricted-v2", "has higher priority"),
        ("restricted-v2", "restricted-v3", "ordered by name"),
        ("restricted-v2", "privileged", "forbids privileged"),
        ("restricted-v2", "hostnetwork", "forbids host ports"),
        ("restricted-v2", "hostmount-anyuid", "forbids host volume mounts"),
        ("restricted-v2", "nonroot-v2", "permits less runAs strategies"),
        ("restricted-v2", "restricted", "permits less capabilities"),
    ],
)
def test_preference_reason_names_the_first_difference(chosen: str, other: str, reason: str) -> None:
    """What an audit annotation says about the choice."""
    by_name = {o["metadata"]["name"]: Constraint.parse(o) for o in objects()}
    assert ordering.preference_reason(by_name[chosen], by_name[other]) == reason


@pytest.mark.parametrize("obj", objects(), ids=lambda o: o["metadata"]["name"])
def test_shipped_constraint_is_valid_and_complete(obj: dict[str, Any]) -> None:
    """Nothing is filled in or refused when the shipped files are written."""
    assert validation.validate(obj) == []
    assert defaulting.apply_defaults(obj) == obj


EVERY_VOLUME = sorted(set(VOLUME_SOURCES.values()))


@pytest.mark.parametrize(
    ("volumes", "host_path", "expected"),
    [
        (None, True, ["*"]),
        (None, False, [v for v in EVERY_VOLUME if v != "hostPath"]),
        ([], True, ["hostPath"]),
        ([], False, ["none"]),
        (["secret", "configMap"], True, ["configMap", "hostPath", "secret"]),
        (["secret", "hostPath"], False, ["secret"]),
        (["*"], False, [v for v in EVERY_VOLUME if v != "hostPath"]),
        (["*", "secret"], True, ["*", "secret"]),
    ],
)
def test_defaults_of_volumes_follow_the_flag(volumes: list[str] | None, host_path: bool, expected: list[str]) -> None:
    """The flag for hostPath wins over the list, which is sorted."""
    out = defaulting.apply_defaults({"volumes": volumes, "allowHostDirVolumePlugin": host_path})
    assert out["volumes"] == expected


def test_defaults_fill_strategies_flags_and_nulls() -> None:
    """What is absent is written out."""
    out = defaulting.apply_defaults({"metadata": {"name": "x"}, "fsGroup": {"ranges": []}})
    assert out["fsGroup"] == {"ranges": [], "type": "RunAsAny"}
    assert out["supplementalGroups"] == {"type": "RunAsAny"}
    assert (out["users"], out["groups"], out["allowPrivilegeEscalation"]) == ([], [], True)
    assert out["priority"] is None
    assert out["allowHostIPC"] is False


RULES: list[tuple[dict[str, Any], str]] = [
    ({"priority": -1}, "priority: Invalid value: -1: priority cannot be negative"),
    (
        {"runAsUser": {"type": "X"}},
        'runAsUser.type: Invalid value: "X": invalid strategy type.  Valid values are MustRunAs, MustRunAsNonRoot,'
        " MustRunAsRange, RunAsAny",
    ),
    (
        {"runAsUser": {"type": "MustRunAs", "uid": -5}},
        "runAsUser.uid: Invalid value: -5: uid cannot be negative",
    ),
    (
        {"seLinuxContext": {}},
        'seLinuxContext.type: Invalid value: "": invalid strategy type.  Valid values are MustRunAs, RunAsAny',
    ),
    (
        {"fsGroup": {"type": "X"}},
        'fsGroup.type: Unsupported value: "X": supported values: "MustRunAs", "RunAsAny"',
    ),
    (
        {"supplementalGroups": {"type": "MustRunAs", "ranges": [{"min": 5, "max": 1}]}},
        'supplementalGroups.ranges[0].min: Invalid value: {"min":5,"max":1}: min cannot be greater than max',
    ),
    (
        {"fsGroup": {"type": "MustRunAs", "ranges": [{"min": -2, "max": 1}]}},
        "fsGroup.ranges[0].min: Invalid value: -2: min cannot be negative",
    ),
    (
        {"allowedCapabilities": ["ALL"]},
        'allowedCapabilities: Invalid value: "ALL": capability is listed in allowedCapabilities and'
        " requiredDropCapabilities",
    ),
    (
        {"allowedCapabilities": ["*"]},
        'requiredDropCapabilities: Invalid value: ["ALL"]: required capabilities must be empty when all capabilities'
        " are allowed by a wildcard",
    ),
    (
        {"defaultAllowPrivilegeEscalation": True},
        "defaultAllowPrivilegeEscalation: Invalid value: true: Cannot set DefaultAllowPrivilegeEscalation to true"
        " without also setting AllowPrivilegeEscalation to true",
    ),
    (
        {"volumes": ["none", "secret"]},
        'volumes: Invalid value: ["none","secret"]: if \'none\' is specified, no other values are allowed',
    ),
    (
        {"allowedFlexVolumes": [{"driver": "a"}]},
        "allowedFlexVolumes: Invalid value: [{\"driver\":\"a\"}]: volumes does not include 'flexVolume' or '*', so no"
        " flex volumes are allowed",
    ),
    (
        {"allowedFlexVolumes": [{"driver": ""}], "volumes": ["flexVolume"]},
        "allowedFlexVolumes[0].driver: Required value: must specify a driver",
    ),
    ({"allowedUnsafeSysctls": [""]}, 'allowedUnsafeSysctls[0]: Invalid value: "": empty sysctl not allowed'),
    (
        {"forbiddenSysctls": ["kernel/msg*"]},
        'forbiddenSysctls[0]: Invalid value: "kernel/msg*": must have at most 253 characters and match regex'
        r" ([a-z0-9]([-_a-z0-9]*[a-z0-9])?\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]",
    ),
    (
        {"allowedUnsafeSysctls": ["*", "kernel.sem"]},
        "allowedUnsafeSysctls.items: Forbidden: if '*' is present, must not specify other sysctls",
    ),
    (
        {"allowedUnsafeSysctls": ["kernel.msg*"], "forbiddenSysctls": ["kernel.msgmax"]},
        'forbiddenSysctls[0]: Invalid value: "kernel.msgmax": sysctl overlaps with kernel.msg*',
    ),
    (
        {"allowedUnsafeSysctls": ["kernel.msgmax"], "forbiddenSysctls": ["kernel.msg*"]},
        'allowedUnsafeSysctls[0]: Invalid value: "kernel.msgmax": sysctl overlaps with kernel.msg*',
    ),
    (
        {"allowedUnsafeSysctls": ["kernel.msg*"], "forbiddenSysctls": ["kernel.*"]},
        'allowedUnsafeSysctls[0]: Invalid value: "kernel.msg*": sysctl overlaps with kernel.*',
    ),
    (
        {"allowedUnsafeSysctls": ["kernel.*"], "forbiddenSysctls": ["kernel.msg*"]},
        'forbiddenSysctls[0]: Invalid value: "kernel.msg*": sysctl overlaps with kernel.*',
    ),
    (
        {"allowedUnsafeSysctls": ["a"], "forbiddenSysctls": ["a"]},
        'allowedUnsafeSysctls[0]: Invalid value: "a": sysctl overlaps with a',
    ),
]


@pytest.mark.parametrize(("change", "message"), RULES)
def test_validation_rule_gives_upstream_text(change: dict[str, Any], message: str) -> None:
    """One change to a valid object, one error in upstream's words."""
    assert [str(error) for error in validation.validate({**BASE, **change})] == [message]


@pytest.mark.parametrize("pattern", ["*", "kernel.*", "kernel.msg*", "net.core.somaxconn", "a*"])
def test_validation_accepts_pattern(pattern: str) -> None:
    """Dots, and a star at the end."""
    assert validation.validate({**BASE, "allowedUnsafeSysctls": [pattern]}) == []


# Ranges of namespaces


@pytest.mark.parametrize(
    ("index", "annotation", "level"),
    [(0, "1000000000/10000", "s0:c1,c0"), (66, "1000660000/10000", "s0:c26,c5"), (1, "1000010000/10000", "s0:c3,c2")],
)
def test_block_and_level_of_a_namespace(index: int, annotation: str, level: str) -> None:
    """Blocks of ten thousand ids, five labels apart in the order of category pairs."""
    taken = [f"{1_000_000_000 + i * 10_000}/10000" for i in range(index)]
    block = namespace_range.allocate_block(taken)
    assert block is not None
    assert namespace_range.namespace_annotations(block) == {
        "openshift.io/sa.scc.uid-range": annotation,
        "openshift.io/sa.scc.supplemental-groups": annotation,
        "openshift.io/sa.scc.mcs": level,
    }


def test_allocation_reuses_the_lowest_free_block_and_ignores_foreign_ranges() -> None:
    """A hole is filled first; ranges outside the cluster's own and broken texts take nothing."""
    taken = ["1000000000/10000", "1000020000/10000", "5000/100", "nonsense"]
    assert namespace_range.allocate_block(taken) == Block(1_000_010_000, 1_000_019_999)


@pytest.mark.parametrize(
    ("text", "block"), [("1000/10", Block(1000, 1009)), ("1000-1010", Block(1000, 1010)), ("5/1", Block(5, 5))]
)
def test_parse_block_reads_both_forms(text: str, block: Block) -> None:
    """start/size and start-end."""
    assert namespace_range.parse_block(text) == block


@pytest.mark.parametrize("text", ["", "x", "1000", "1000/", "99999999999/1"])
def test_parse_block_refuses_other_text(text: str) -> None:
    """Anything else is an error."""
    with pytest.raises(UsageError):
        namespace_range.parse_block(text)


def test_groups_fall_back_to_user_ids_and_may_be_several() -> None:
    """Without an annotation of their own groups are the user ids'; a comma separates blocks."""
    fallback = NamespaceRanges.parse("n", {"openshift.io/sa.scc.uid-range": "10/5"})
    assert fallback.group_blocks() == [Block(10, 14)]
    several = NamespaceRanges.parse("n", {"openshift.io/sa.scc.supplemental-groups": "10/5,30-40"})
    assert several.group_blocks() == [Block(10, 14), Block(30, 40)]


def test_provider_without_range_says_which_annotation_is_missing() -> None:
    """A constraint that needs a range and a namespace that has none do not go together."""
    with pytest.raises(UsageError) as caught:
        Provider(Constraint.parse(BASE), NamespaceRanges("n", "", "", "s0"), SAFE)
    assert caught.value.message == (
        "unable to find pre-allocated uid annotation for namespace n while trying to configure SCC restricted-v2:"
        " found annotation openshift.io/sa.scc.uid-range but it was empty"
    )


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"runAsUser": {"type": "X"}}, "Unrecognized RunAsUser strategy type X"),
        ({"runAsUser": {"type": "MustRunAs"}}, "MustRunAs requires a UID"),
        ({"runAsUser": {"type": "MustRunAsRange", "uidRangeMin": 1}}, "MustRunAsRange requires a UIDRangeMax"),
        ({"seLinuxContext": {"type": "X"}}, "Unrecognized SELinuxContext strategy type X"),
        ({"fsGroup": {"type": "X"}}, "Unrecognized FSGroup strategy type X"),
        ({"supplementalGroups": {"type": "X"}}, "Unrecognized SupplementalGroups strategy type X"),
    ],
)
def test_provider_of_a_broken_constraint_is_an_error(change: dict[str, Any], text: str) -> None:
    """A constraint that says nothing usable admits nobody."""
    ranges = NamespaceRanges("n", "10/5", "10/5", "s0")
    with pytest.raises(UsageError, match=text):
        Provider(Constraint.parse({**BASE, **change}), ranges, SAFE)
