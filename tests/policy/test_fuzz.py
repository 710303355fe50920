"""Gates and their data take anything that the API can hold: an answer or a named error, never a crash."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from pathlib import Path
from typing import Any

import orjson
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podsysctl.apiserver import shipped_files
from podsysctl.base.errors import CatalogueError, PodsysctlError, StatusError, UsageError
from podsysctl.objects import decode, defaults, structural
from podsysctl.objects import schema as schemas
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy import interface, kubelet, node_facts, node_gates, placement, platform
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform
from podsysctl.policy.scc import admit, defaulting, ordering, validation
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.scc.namespace_range import NamespaceRanges
from podsysctl.policy.scc.provider import Provider
from tests.cli_check.mutations import WORDS, mutated, values
from tests.policy.builders import pod, restricted_pod, with_sysctls

BOUNDED = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
PODS = builtin_by_resource("", "v1", "pods")
SHIPPED = tuple(o for o in shipped_files.read_objects() if o["kind"] == "SecurityContextConstraints")
FULL = pod(
    hostNetwork=True,
    hostUsers=False,
    os={"name": "windows"},
    volumes=[{"name": "v", "hostPath": {"path": "/"}}, {"name": "w", "projected": {"sources": []}}],
    securityContext={
        "runAsUser": 0,
        "supplementalGroups": [1],
        "fsGroup": 1,
        "seLinuxOptions": {"type": "t", "level": "s0:c1,c2"},
        "seccompProfile": {"type": "Localhost", "localhostProfile": "x"},
        "sysctls": [{"name": "kernel.sem", "value": "1"}],
    },
    containers=[
        {
            "name": "c",
            "image": "i",
            "ports": [{"containerPort": 1, "hostPort": 1}],
            "securityContext": {"capabilities": {"add": ["ALL"], "drop": ["X"]}, "procMount": "Unmasked"},
            "livenessProbe": {"httpGet": {"port": 1, "host": "h"}},
        }
    ],
)
DOCUMENTS = (FULL, restricted_pod(), with_sysctls(pod(), "net.core.somaxconn", "kernel.msgmax"))
PROVIDERS = tuple(
    Provider(constraint, NamespaceRanges("n", "1000/10", "1000/10", "s0:c1,c0"), frozenset({"kernel.sem"}))
    for constraint in ordering.sort_constraints([Constraint.parse(o) for o in SHIPPED])
)
DEFINITION = yaml.safe_load((Path(__file__).parents[2] / "deploy/crds/securitycontextconstraints.yaml").read_text())
SCHEMA = structural.build(DEFINITION["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
SECURITY = platform.pod_security(Platform.OPENSHIFT, 36)
GATES = {
    "format": 1,
    "kernel": "6.1.0",
    "runtime": "runc",
    "kubeletMinor": 36,
    "allowedUnsafeSysctls": ["net.*"],
    "defaultPodSysctls": {"net.core.somaxconn": "1"},
    "interfaceAllowlist": ["^net$"],
}
NODE = {
    "metadata": {"name": "n", "annotations": {node_facts.GATES: json.dumps(GATES)}},
    "status": {"nodeInfo": {"kernelVersion": "6.1", "kubeletVersion": "v1.36.0", "containerRuntimeVersion": "x://1"}},
}


def as_stored(document: Any) -> dict[str, Any] | None:
    """The pod as the API server would decode it; None when it would not."""
    try:
        decoded = decode.decode_json(orjson.dumps(document), schemas.builtin("core/v1.Pod"), PODS)
    except (StatusError, TypeError):  # the latter for numbers and surrogates that no JSON of a request can hold
        return None
    defaults.apply_defaults(PODS, decoded.object)
    return decoded.object


@BOUNDED
@given(mutated(DOCUMENTS), st.dictionaries(st.sampled_from(WORDS), st.sampled_from(WORDS), max_size=3))
def test_every_gate_answers_for_any_pod_that_can_be_decoded(document: Any, labels: dict[str, str]) -> None:
    """Constraints, Pod Security, kubelet, runtime, kernel, interfaces, placement."""
    stored = as_stored(document)
    if stored is None:
        return
    decision = admit.decide_creation(stored, PROVIDERS, lambda _: admit.FOR_USER)
    assert (decision.pod is None) == bool(decision.denial)
    prefixed = {f"pod-security.kubernetes.io/{k}": v for k, v in zip(("enforce", "warn", "x"), labels, strict=False)}
    SECURITY.evaluate_pod(decision.pod or stored, namespace="n", username="u", labels=prefixed)
    facts = NodeFacts("n", "6.1.0", allowed=("net.*",), interfaces=("^net.*$",))
    node_gates.evaluate(stored, facts)
    node_gates.evaluate_interfaces(stored, facts, ())
    assert 0 <= placement.score(stored, facts) <= 100
    kubelet.Allowlist.parse((), None).check(stored)


@BOUNDED
@given(mutated(SHIPPED))
def test_any_constraint_is_completed_and_judged(document: Any) -> None:
    """Whatever fields of a constraint hold; what is valid can be used."""
    if not isinstance(document, dict):
        return
    completed = defaulting.apply_defaults(document)
    if not structural.validate(completed, SCHEMA) and not validation.validate(completed):
        with contextlib.suppress(UsageError):
            constraint = Constraint.parse(completed)
            ordering.sort_constraints([constraint])
            Provider(constraint, NamespaceRanges("n", "1000/10", "1000/10", "s0"), frozenset()).assign(FULL)


@BOUNDED
@given(
    mutated((NODE,)) | mutated((GATES,)).map(lambda g: {"metadata": {"annotations": {node_facts.GATES: json.dumps(g)}}})
)
def test_any_node_can_be_read(node: Any) -> None:
    """What cannot be read counts as unknown, and a pod can still be judged."""
    if isinstance(node, dict) and all(isinstance(node.get(k) or {}, dict) for k in ("metadata", "status", "spec")):
        facts = NodeFacts.from_node(node)
        facts.to_annotations()
        placement.score(DOCUMENTS[2], facts)


@BOUNDED
@given(st.binary(max_size=200) | values.map(lambda v: zlib.compress(json.dumps(v).encode())))
def test_any_packed_facts_are_read_or_refused(data: bytes) -> None:
    """A named error, never more memory than the bound."""
    with contextlib.suppress(CatalogueError):
        node_facts.unpack(base64.b64encode(data).decode())


def test_packed_facts_that_unfold_to_too_much_are_refused() -> None:
    """A kilobyte that would become a gigabyte."""
    bomb = base64.b64encode(zlib.compress(b" " * (64 << 20), 9)).decode()
    with contextlib.suppress(CatalogueError):
        node_facts.unpack(bomb)
        raise AssertionError("not refused")


@BOUNDED
@given(st.text(max_size=40) | values.map(json.dumps), values)
def test_any_network_annotation_and_definition_is_read_or_refused(annotation: str, config: Any) -> None:
    """The annotation of a pod, and the configuration inside a definition."""
    with contextlib.suppress(PodsysctlError):
        list(interface.parse_networks(annotation, "n"))
    for text in (json.dumps(config), json.dumps({"plugins": [config, {"type": "tuning", "sysctl": config}]}), config):
        with contextlib.suppress(PodsysctlError):
            interface.tuning_sysctls({"spec": {"config": text}})


@BOUNDED
@given(
    st.lists(st.sampled_from(WORDS) | st.text(max_size=20), max_size=4),
    st.dictionaries(st.text(max_size=20), st.text(max_size=5)),
)
def test_any_kubelet_list_is_read_or_refused(patterns: list[str], configured: dict[str, str]) -> None:
    """allowedUnsafeSysctls and defaultPodSysctls."""
    with contextlib.suppress(UsageError):
        kubelet.Allowlist.parse(patterns, None)
    with contextlib.suppress(UsageError):
        kubelet.parse_default_pod_sysctls(configured)
