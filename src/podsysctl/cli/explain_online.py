"""The situation of a pod in a running cluster: its namespace, constraints, rights, nodes, pools and definitions.

Everything is read through the API, so it works on any Kubernetes; what a cluster does not have is left out.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from podsysctl.base.errors import StatusError, UsageError
from podsysctl.base.versions import KUBERNETES_MINOR, parse_cluster_version
from podsysctl.cli import explain_target
from podsysctl.cli.connect import Connection
from podsysctl.cli.explain_target import Subject, Target
from podsysctl.client.discovery import Found, Mapper, UnknownResourceError
from podsysctl.client.rest import Client
from podsysctl.controllers.machineconfig.membership import PoolConflictError, pool_of
from podsysctl.objects import machineconfig, selectors, tuning
from podsysctl.policy import interface, platform, tuning_allowlist
from podsysctl.policy.node_facts import NodeFacts
from podsysctl.policy.platform import Platform
from podsysctl.policy.scc import admit
from podsysctl.policy.scc.constraint import GROUP, PLURAL, Constraint
from podsysctl.policy.scheduling import nodeinfo as scheduling
from podsysctl.policy.scheduling.podinfo import PodInfo
from podsysctl.policy.situation import Namespace, Node, Pool, Situation, TunedProfile
from podsysctl.sysctls import safe

Object = dict[str, Any]

_ALLOWLIST = ("openshift-multus", "cni-sysctl-allowlist", "allowlist.conf")


class Cluster:
    """What was read of a cluster once, for all targets."""

    def __init__(self, client: Client, mapper: Mapper, args: argparse.Namespace) -> None:
        self._client = client
        self._mapper = mapper
        self._args = args
        self.minor = KUBERNETES_MINOR
        self.constraints: tuple[Constraint, ...] = ()
        self.nodes: tuple[Node, ...] = ()
        self.node_objects: list[Object] = []
        self.pods: list[Object] | None = None
        self.namespaces: list[Object] = []
        self.pools: dict[str, Pool] = {}
        self.lines: tuple[str, ...] | None = None
        self.tuned_profiles: dict[str, TunedProfile] = {}
        self.user, self.groups = "", ()

    async def read(self) -> None:
        """Everything that is the same for every target."""
        (
            version,
            constraints,
            nodes,
            self.pods,
            self.namespaces,
            pools,
            configs,
            definition,
            tuneds,
            profiles,
        ) = await asyncio.gather(
            self._client.request("GET", "/version"),
            self.list(f"{PLURAL}.{GROUP}"),
            self.list("nodes"),
            self._pods(),
            self.list("namespaces"),
            self.list(f"machineconfigpools.{machineconfig.GROUP}"),
            self.list(f"kubeletconfigs.{machineconfig.GROUP}"),
            self._find("configmaps", _ALLOWLIST[1], _ALLOWLIST[0]),
            self.list(f"tuneds.{tuning.GROUP}", tuning.NAMESPACE),
            self.list(f"profiles.{tuning.GROUP}", tuning.NAMESPACE),
        )
        text = self._args.cluster_version or str(version.get("gitVersion") or "")
        self.minor = parse_cluster_version(text).minor
        self.constraints = tuple(Constraint.parse(item) for item in constraints)
        if definition is not None:
            text = (definition.get("data") or {}).get(_ALLOWLIST[2]) or ""
            self.lines = tuple(tuning_allowlist.parse(text))
        given = {profile["metadata"]["name"]: _tuned_profile(profile) for profile in profiles}
        self.node_objects = nodes
        self.nodes = tuple(_node(item, pools, self.lines, given) for item in nodes)
        self.tuned_profiles = _profiles(tuneds)
        self.pools = {p["metadata"]["name"]: _pool(p, configs) for p in pools}
        await self._identify()

    @property
    def platform(self) -> Platform:
        """OpenShift when there are constraints."""
        return Platform.OPENSHIFT if self.constraints else Platform.KUBERNETES

    async def _identify(self) -> None:
        """Whose rights count: the user that was named, else our own."""
        if self._args.judged_user:
            self.user = self._args.judged_user
            self.groups = ("system:authenticated", *self._args.judged_groups)
            return
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        review = await self._client.create(self._mapper.find("selfsubjectreviews.authentication.k8s.io"), body)
        info = (review.get("status") or {}).get("userInfo") or {}
        self.user, self.groups = info.get("username") or "", tuple(info.get("groups") or ())

    async def situation(self, target: Target) -> Situation:
        """The situation of one target. Raises UsageError when its namespace does not exist."""
        name = target.pod["metadata"]["namespace"]
        account = (target.pod.get("spec") or {}).get("serviceAccountName") or "default"
        namespace, subjects, definitions = await asyncio.gather(
            self._find("namespaces", name),
            self._subjects(name, account, is_template=bool(target.path)),
            self.list("network-attachment-definitions.k8s.cni.cncf.io", name),
        )
        if namespace is None:
            raise UsageError(f"namespace {name!r} does not exist", hint="name another one with -n, or create it")
        metadata = namespace["metadata"]
        kernel = self.nodes[0].facts.kernel_version if self.nodes else None
        return Situation(
            pod=target.pod,
            namespace=Namespace(name, metadata.get("labels") or {}, metadata.get("annotations") or {}),
            platform=self.platform,
            security=platform.pod_security(self.platform, self.minor),
            subject=self.user,
            constraints=self.constraints,
            usable=lambda asked: subjects.get(asked.name, admit.FOR_NOBODY),
            safe=frozenset(safe.scc_safe(kernel)),
            nodes=self.nodes,
            pools=self.pools,
            definitions=tuple(definitions),
            interface_lines=self.lines if self.lines is not None else interface.default_allowlist(),
            has_tuned=self._serves("tuneds.tuned.openshift.io"),
            tuned_profiles=self.tuned_profiles,
            cluster=self._cluster(target),
            validate=explain_target.field_problems,
        )

    async def _pods(self) -> list[Object] | None:
        """All pods, None when they are not shown to us."""
        try:
            return (await self._client.list(self._mapper.find("pods"))).items
        except StatusError as error:
            if error.code == 403:
                return None
            raise

    def _cluster(self, target: Target) -> scheduling.Cluster | None:
        """The nodes with the pods that the target finds there; its own, which it replaces, are not in its way."""
        if self.pods is None:
            return None
        out = scheduling.Cluster()
        for node in self.node_objects:
            out.set_node(node)
        for namespace in self.namespaces:
            out.set_namespace(namespace)
        for pod in self.pods:
            name = (pod.get("spec") or {}).get("nodeName")
            ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
            if name and not ended and not target.owns(pod):
                out.place(PodInfo(pod), name)
        return out

    async def _subjects(self, namespace: str, account: str, *, is_template: bool) -> dict[str, str]:
        """For whom each constraint is usable: the service account first, then the user unless a controller acts."""
        own = f"system:serviceaccount:{namespace}:{account}"
        shared = "system:serviceaccounts"
        own_groups = (shared, f"{shared}:{namespace}", "system:authenticated")

        async def ask(constraint: Constraint) -> tuple[str, str]:
            if await self._may_use(constraint, own, own_groups, namespace):
                return constraint.name, admit.FOR_SERVICE_ACCOUNT
            if not is_template and await self._may_use(constraint, self.user, self.groups, namespace):
                return constraint.name, admit.FOR_USER
            return constraint.name, admit.FOR_NOBODY

        return dict(await asyncio.gather(*map(ask, self.constraints)))

    async def _may_use(self, constraint: Constraint, user: str, groups: Iterable[str], namespace: str) -> bool:
        if user in constraint.users or not constraint.groups.isdisjoint(groups):
            return True
        attributes = {
            "verb": "use",
            "group": GROUP,
            "resource": PLURAL,
            "name": constraint.name,
            "namespace": namespace,
        }
        spec = {"user": user, "groups": list(groups), "resourceAttributes": attributes}
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        review = await self._client.create(self._mapper.find("subjectaccessreviews.authorization.k8s.io"), body)
        return bool((review.get("status") or {}).get("allowed"))

    def _serves(self, word: str) -> bool:
        try:
            self._mapper.find(word)
        except UnknownResourceError:
            return False
        return True

    async def list(self, word: str, namespace: str | None = None) -> list[Object]:
        """All objects of a kind; none when the cluster does not have it or does not show it."""
        try:
            found = self._mapper.find(word)
            return (await self._client.list(found, namespace)).items
        except UnknownResourceError:
            return []
        except StatusError as error:
            if error.code in (403, 404):
                return []
            raise

    async def _find(self, word: str, name: str, namespace: str | None = None) -> Object | None:
        try:
            return await self._client.get(self._mapper.find(word), name, namespace)
        except StatusError as error:
            if error.code in (403, 404):
                return None
            raise


async def gather(
    connection: Connection, args: argparse.Namespace, objects: list[Object], references: list[str]
) -> list[Subject]:
    """Every target, from files and from the cluster, in its situation. Raises UsageError and StatusError."""
    mapper = await connection.mapper()
    for reference in references:
        kind, _, name = reference.partition("/")
        found: Found = mapper.find(kind)
        objects.append(await connection.get(found, name))
    cluster = Cluster(connection.client, mapper, args)
    await cluster.read()
    out = []
    for given in explain_target.find_targets(objects, connection.namespace):
        target = explain_target.read_types(given)
        out.append(Subject(target, await cluster.situation(target)))
    return out


def _tuned_profile(profile: Object) -> str:
    config = (profile.get("spec") or {}).get("config") or {}
    return str(config.get("tunedProfile") or "")


def _profiles(tuneds: list[Object]) -> dict[str, TunedProfile]:
    """Every profile that is defined or recommended."""
    found: dict[str, TunedProfile] = {}
    for tuned in tuneds:
        spec = tuned.get("spec") or {}
        corrects = (tuned["metadata"].get("annotations") or {}).get(tuning.CORRECT_DRIFT) == "true"
        for profile in spec.get("profile") or ():
            name = str(profile.get("name"))
            found[name] = replace(found.get(name, TunedProfile()), text=str(profile.get("data") or ""))
        for rule in spec.get("recommend") or ():
            name, priority = str(rule.get("profile")), rule.get("priority")
            known = found.get(name, TunedProfile())
            if isinstance(priority, int) and (known.priority is None or priority < known.priority):
                operand = rule.get("operand") or {}
                found[name] = replace(known, priority=priority, operand=operand, corrects_drift=corrects)
    return found


def _node(item: Object, pools: list[Object], lines: tuple[str, ...] | None, tuned_profiles: Mapping[str, str]) -> Node:
    """A node; the cluster's allowlist for interfaces is every node's that tells none of its own."""
    try:
        pool = pool_of(item, pools)
    except PoolConflictError:
        pool = None
    unschedulable = bool((item.get("spec") or {}).get("unschedulable"))
    facts = NodeFacts.from_node(item)
    if facts.interfaces is None:
        facts = replace(facts, interfaces=lines)
    profile = tuned_profiles.get(facts.name)
    return Node(facts, pool["metadata"]["name"] if pool else "", unschedulable, profile)


def _pool(pool: Object, configs: list[Object]) -> Pool:
    """A pool with the KubeletConfig that decides: of several the last by name, since each replaces the others."""
    labels: Mapping[str, str] = pool["metadata"].get("labels") or {}
    selecting = [config for config in configs if _selects(config, labels)]
    chosen = max(selecting, key=lambda config: config["metadata"]["name"], default=None)
    return Pool(pool["metadata"]["name"], labels, chosen)


def _selects(config: Object, labels: Mapping[str, str]) -> bool:
    selector = (config.get("spec") or {}).get("machineConfigPoolSelector")
    return bool(selector) and selectors.from_object(selector).matches(labels)
