"""The situation of a pod without a cluster: the platform's defaults, and one node as the flags describe it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from podsysctl.apiserver import shipped_files
from podsysctl.base.errors import UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, parse_cluster_version, parse_kernel_version
from podsysctl.cli import explain_target
from podsysctl.cli.explain_companions import Companions, companions_of, kubelet_fields, patterns_of
from podsysctl.cli.explain_target import Subject, Target
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
    beside = companions_of(objects, args.namespace or "default")
    pool = Pool(NODE_NAME, {_POOL_LABEL: ""}, beside.kubelet_config({_POOL_LABEL: ""}))
    node = _node(args, chosen, minor, _configured(pool) if chosen.has_constraints else _drop_ins(beside))
    shipped = _constraints() if chosen.has_constraints else ()
    named = {constraint.name for constraint in beside.constraints}
    constraints = (*(c for c in shipped if c.name not in named), *(beside.constraints if shipped else ()))
    pools = {NODE_NAME: pool} if chosen.has_constraints else {}
    block = namespace_range.allocate_block(())
    annotations = namespace_range.namespace_annotations(block) if block else {}
    out = []
    for given in explain_target.find_targets(objects, args.namespace or "default"):
        target = explain_target.read_types(given)
        name = target.pod["metadata"]["namespace"]
        situation = Situation(
            pod=target.pod,
            namespace=_namespace(beside, name, annotations),
            platform=chosen,
            security=platform.pod_security(chosen, minor),
            subject=args.judged_user or ("" if target.path else "kubernetes-admin"),
            constraints=constraints,
            usable=_usable(args, target, beside),
            safe=frozenset(safe.scc_safe(node.facts.kernel_version)),
            nodes=(node,),
            pools=pools,
            definitions=tuple(d for d in beside.definitions if d["metadata"]["namespace"] == name),
            interface_lines=node.facts.interfaces,
            has_tuned=chosen.has_constraints,
            validate=explain_target.field_problems,
        )
        out.append(Subject(target, situation))
    return out


def _namespace(beside: Companions, name: str, annotations: Mapping[str, str]) -> Namespace:
    """The namespace as the files make it, with ranges; a new one when they do not."""
    given = beside.namespaces.get(name, Namespace(name))
    return replace(given, annotations={**annotations, **given.annotations})


def _configured(pool: Pool) -> tuple[str, ...]:
    """What the files let the kubelets of a pool allow."""
    return () if pool.kubelet_config is None else patterns_of(kubelet_fields(pool.kubelet_config))


def _drop_ins(beside: Companions) -> tuple[str, ...]:
    """What kubelet configurations among the files allow: of several the last list."""
    lists = [patterns_of(fields) for fields in beside.kubelet_files]
    return next((listed for listed in reversed(lists) if listed), ())


def _node(args: argparse.Namespace, chosen: Platform, minor: int, patterns: tuple[str, ...]) -> Node:
    """One worker with the platform's defaults, and the allowlist that the flag or else the files give."""
    kernel = read_kernel(args.kernel)
    release = kernel.release if isinstance(kernel, KernelFacts) else kernel
    fields = _kubelet_configuration(args.kubelet_config)
    interfaces = interface.default_allowlist() if chosen.has_constraints else None
    facts = NodeFacts(
        NODE_NAME,
        release,
        kubelet_minor=minor,
        allowed=tuple(fields.get("allowedUnsafeSysctls") or patterns),
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


def _usable(args: argparse.Namespace, target: Target, beside: Companions) -> admit.Usable:
    """An administrator may use everything, a controller's service account and another user what all may.

    What roles among the files give comes on top.
    """
    is_template = bool(target.path)
    if args.judged_user is None and not is_template:
        return lambda _: admit.FOR_USER
    user = "" if is_template else args.judged_user
    groups = frozenset({_AUTHENTICATED} if is_template else {_AUTHENTICATED, *args.judged_groups})
    namespace = target.pod["metadata"]["namespace"]
    account = (target.pod.get("spec") or {}).get("serviceAccountName") or "default"
    own = frozenset({f"system:serviceaccount:{namespace}:{account}"})
    own_groups = frozenset({"system:serviceaccounts", f"system:serviceaccounts:{namespace}"})

    def usable(asked: Constraint) -> str:
        by_role = beside.may_use(asked.name, namespace, own, own_groups)
        if asked.name in _FOR_EVERYONE or by_role or asked.users & own or asked.groups & own_groups:
            return admit.FOR_SERVICE_ACCOUNT
        of_user = user in asked.users or bool(asked.groups & groups)
        if of_user or beside.may_use(asked.name, namespace, frozenset({user}), groups):
            return admit.FOR_USER
        return admit.FOR_NOBODY

    return usable
