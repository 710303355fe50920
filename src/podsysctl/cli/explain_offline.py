"""The situation of a pod without a cluster: the platform's defaults, and one node as the flags describe it."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from podsysctl.apiserver import shipped_files
from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, parse_cluster_version, parse_kernel_version
from podsysctl.cli import explain_target
from podsysctl.cli.explain_target import Subject
from podsysctl.objects import yamltext
from podsysctl.policy import interface, kubelet, platform
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform
from podsysctl.policy.scc import admit, namespace_range
from podsysctl.policy.scc.constraint import GROUP, Constraint
from podsysctl.policy.situation import Namespace, Node, Pool, Situation
from podsysctl.sysctls import safe
from podsysctl.sysctls.kernel_facts import KernelFacts

NODE_NAME = "worker"
_POOL_LABEL = "pools.operator.machineconfiguration.openshift.io/worker"
_AUTHENTICATED = "system:authenticated"
_FOR_EVERYONE = ("restricted-v2", "restricted-v3")
_RECENT_KERNEL = "6.1"
"""What is assumed of a node of which nothing is said: every safe sysctl is safe there."""

Object = dict[str, Any]


def gather(args: argparse.Namespace, objects: list[Object]) -> list[Subject]:
    """Every target with the situation that the flags give. Raises UsageError."""
    chosen = Platform(args.platform or Platform.OPENSHIFT)
    minor = parse_cluster_version(args.cluster_version).minor if args.cluster_version else KUBERNETES_MINOR
    node = _node(args, chosen, minor)
    constraints = _constraints() if chosen.has_constraints else ()
    pools = {NODE_NAME: Pool(NODE_NAME, {_POOL_LABEL: ""})} if chosen.has_constraints else {}
    block = namespace_range.allocate_block(())
    annotations = namespace_range.namespace_annotations(block) if block else {}
    out = []
    for given in explain_target.find_targets(objects, args.namespace or "default"):
        target = explain_target.read_types(given)
        name = target.pod["metadata"]["namespace"]
        situation = Situation(
            pod=target.pod,
            namespace=Namespace(name, {}, annotations),
            platform=chosen,
            security=platform.pod_security(chosen, minor),
            subject=args.judged_user or ("" if target.path else "kubernetes-admin"),
            constraints=constraints,
            usable=_usable(args, bool(target.path)),
            safe=frozenset(safe.scc_safe(node.facts.kernel_version)),
            nodes=(node,),
            pools=pools,
            interface_lines=node.facts.interfaces,
            has_tuned=chosen.has_constraints,
            validate=explain_target.field_problems,
        )
        out.append(Subject(target, situation))
    return out


def _node(args: argparse.Namespace, chosen: Platform, minor: int) -> Node:
    """One worker with the platform's defaults."""
    kernel = read_kernel(args.kernel)
    release = kernel.release if isinstance(kernel, KernelFacts) else kernel
    fields = _kubelet_configuration(args.kubelet_config)
    interfaces = interface.default_allowlist() if chosen.has_constraints else None
    facts = NodeFacts(
        NODE_NAME,
        release,
        kubelet_minor=minor,
        allowed=tuple(fields.get("allowedUnsafeSysctls") or ()),
        defaults=kubelet.parse_default_pod_sysctls(fields.get("defaultPodSysctls") or {}),
        interfaces=interfaces,
        kernel=kernel if isinstance(kernel, KernelFacts) else None,
        labels={"node-role.kubernetes.io/worker": "", "kubernetes.io/os": "linux"},
    )
    kubelet.Allowlist.parse(facts.allowed or (), facts.kernel_version, kubelet_minor=minor)
    return Node(facts, NODE_NAME if chosen.has_constraints else "")


def read_kernel(text: str | None) -> KernelFacts | str:
    """Recorded facts, or a release alone. Raises UsageError and CatalogueError."""
    if not text:
        return _RECENT_KERNEL
    if text == "host":
        from podsysctl.kernel import probe

        return probe.measure()
    path = Path(text)
    if path.is_file():
        return KernelFacts.from_json(path.read_text())
    parse_kernel_version(text)
    return text


def _kubelet_configuration(name: str | None) -> Object:
    if not name:
        return {}
    try:
        document = yamltext.load_document(Path(name).read_bytes())
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from error
    if not isinstance(document, dict):
        raise UsageError(f"{name} is no KubeletConfiguration")
    if document.get("kind") == "KubeletConfig":
        document = (document.get("spec") or {}).get("kubeletConfig") or {}
    patterns = document.get("allowedUnsafeSysctls") or []
    if not isinstance(patterns, list) or not all(isinstance(p, str) for p in patterns):
        raise UsageError(f"{name}: allowedUnsafeSysctls must be a list of strings")
    return dict(document)


def _constraints() -> tuple[Constraint, ...]:
    objects = shipped_files.read_objects()
    return tuple(Constraint.parse(o) for o in objects if str(o.get("apiVersion", "")).startswith(GROUP))


def _usable(args: argparse.Namespace, is_template: bool) -> admit.Usable:
    """An administrator may use everything, a controller's service account and another user what all may."""
    if args.judged_user is None and not is_template:
        return lambda _: admit.FOR_USER
    user = "" if is_template else args.judged_user
    groups = {_AUTHENTICATED} if is_template else {_AUTHENTICATED, *args.judged_groups}

    def usable(asked: Constraint) -> str:
        if asked.name in _FOR_EVERYONE:
            return admit.FOR_SERVICE_ACCOUNT
        return admit.FOR_USER if user in asked.users or asked.groups & groups else admit.FOR_NOBODY

    return usable
