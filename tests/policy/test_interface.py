"""The interface gate: the pod's annotation, the definition's sysctls, the node's allowlist."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.policy import interface, node_gates
from podsysctl.policy.interface import Attachment, evaluate, parse_networks, tuning_sysctls
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.verdict import Outcome

KEY = "net.ipv4.conf.IFNAME.accept_redirects"


def definition(*plugins: dict[str, Any]) -> dict[str, Any]:
    """A NetworkAttachmentDefinition with these plugins."""
    config = {"cniVersion": "0.4.0", "name": "n", "plugins": list(plugins)}
    return {"metadata": {"name": "n"}, "spec": {"config": json.dumps(config)}}


def test_default_allowlist_holds_the_safe_interface_names() -> None:
    """Eighteen anchored lines, of which the documentation lists fourteen."""
    lines = interface.default_allowlist()
    assert f"^{KEY}$" in lines
    assert len(lines) == 18
    assert all(line.startswith("^net.ipv") and line.endswith("$") for line in lines)


@pytest.mark.parametrize(
    ("key", "outcome"),
    [
        (KEY, Outcome.ALLOWED),
        ("net/ipv4/conf/IFNAME/accept_redirects", Outcome.ALLOWED),
        ("net.ipv4.conf.net1.accept_redirects", Outcome.REFUSED),
        ("net.ipv4.conf.IFNAME.forwarding", Outcome.REFUSED),
        ("net.core.somaxconn", Outcome.REFUSED),
    ],
)
def test_key_is_matched_as_written(key: str, outcome: Outcome) -> None:
    """The allowlist sees IFNAME, not the interface; a dot in an entry matches a slash as well."""
    assert evaluate(key, "net1", interface.default_allowlist()).outcome is outcome


def test_refusal_lists_the_allowlist() -> None:
    """The plugin's own words."""
    verdict = evaluate("net.core.somaxconn", "net1", ("^a$", "^b$"))
    assert verdict.reason == (
        "Sysctl net.core.somaxconn is not allowed. Only the following sysctls are allowed: [^a$ ^b$]"
    )
    assert evaluate("a", "net1", ()).reason.endswith("allowed: []")


def test_key_outside_net_is_refused_even_without_allowlist() -> None:
    """Without a file everything below net is allowed, and nothing else."""
    assert evaluate("net.core.somaxconn", "net1", None).outcome is Outcome.ALLOWED
    assert evaluate("kernel.msgmax", "net1", None).reason == 'invalid net sysctl key: "kernel/msgmax"'


@pytest.mark.parametrize("entry", ["[", "(?<", "*"])
def test_broken_allowlist_entry_matches_nothing(entry: str) -> None:
    """An expression that cannot be read allows nothing."""
    assert evaluate(KEY, "net1", (entry,)).outcome is Outcome.REFUSED


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        ("", []),
        ("a", [Attachment("demo", "a", "net1", {})]),
        ("other/a@eth1, b", [Attachment("other", "a", "eth1", {}), Attachment("demo", "b", "net2", {})]),
        (
            '[{"name":"a","namespace":"o","interface":"x","cni-args":{"sysctl":{"k":"v"}}},{"name":"b"}]',
            [Attachment("o", "a", "x", {"sysctl": {"k": "v"}}), Attachment("demo", "b", "net2", {})],
        ),
    ],
)
def test_networks_annotation_is_read_in_both_forms(annotation: str, expected: list[Attachment]) -> None:
    """Comma list or JSON."""
    assert parse_networks(annotation, "demo") == expected


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        ("a/b/c", "failed at '/'"),
        ("a@b@c", "failed at '@'"),
        ("A", "mismatch @ 'A'"),
        ("[", "failed to parse pod Network"),
        ('{"name":"a"}', "not a list"),
    ],
)
def test_networks_annotation_that_is_wrong_is_refused(annotation: str, text: str) -> None:
    """Multus' words."""
    with pytest.raises(UsageError, match=text.replace("(", "\\(")):
        parse_networks(annotation, "demo")


def test_tuning_sysctls_are_collected_from_a_list_or_a_single_plugin() -> None:
    """Other plugins of the list are not asked."""
    tuning = {"type": "tuning", "sysctl": {KEY: "1"}}
    assert tuning_sysctls(definition({"type": "bridge", "sysctl": {"x": "1"}}, tuning)) == {KEY: "1"}
    assert tuning_sysctls({"spec": {"config": json.dumps(tuning)}}) == {KEY: "1"}
    assert tuning_sysctls({"spec": {}}) == {}


@pytest.mark.parametrize("config", ["{", "[]", '{"type":"tuning","sysctl":{"a":1}}'])
def test_tuning_configuration_that_is_wrong_is_refused(config: str) -> None:
    """It would fail every sandbox."""
    with pytest.raises(UsageError):
        tuning_sysctls({"spec": {"config": config}})


def test_evaluate_interfaces_refuses_what_the_kubelet_forbids() -> None:
    """A key for the whole pod, through a definition or the annotation, is found where the kubelet's list is known."""
    node = NodeFacts(name="n", release="6.18.0", allowed=(), interfaces=(".",))
    values = {"net.core.somaxconn": "9", "net.ipv4.conf.IFNAME.rp_filter": "2"}
    pod = {"metadata": {"name": "p", "annotations": {interface.INTERFACE_SYSCTLS: json.dumps({"eth0": values})}}}
    verdicts = node_gates.evaluate_interfaces(pod, node, ())
    assert [(v.subject, v.stops) for v in verdicts] == [
        ("net.core.somaxconn", True), ("net.ipv4.conf.IFNAME.rp_filter", False),
    ]  # fmt: skip
    assert "allowedUnsafeSysctls" in verdicts[0].reason
