"""What `explain` judges: a pod or the template of a workload, in its situation; and the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import orjson

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.objects import decode, defaults, selectors, validation
from podsysctl.objects import schema as schemas
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy import pod_template
from podsysctl.policy.remedies import REMEDIES
from podsysctl.policy.remedy import Plan, find_remedies
from podsysctl.policy.situation import Situation
from podsysctl.policy.whole import Report, evaluate

Object = dict[str, Any]

POD = builtin_by_resource("", "v1", "pods")
_GENERATED = "x2x4x"
"""What stands for the random end of a generated name."""


@dataclass(frozen=True, slots=True)
class Target:
    """One object that creates pods, and the pod it creates.

    `path` leads to the pod template inside the object; empty for a Pod itself. `quoted` names values that were numbers
    or booleans and had to be quoted before anything else could be said.
    """

    object: Object
    path: tuple[str, ...]
    pod: Object
    quoted: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """`pod/web`, `deployment/web`."""
        metadata = self.object.get("metadata") or {}
        name = metadata.get("name") or metadata.get("generateName") or ""
        return f"{str(self.object.get('kind') or 'pod').lower()}/{name}"

    def owns(self, pod: Mapping[str, Any]) -> bool:
        """Whether a pod of the cluster is this one, or one that this workload keeps."""
        metadata = pod["metadata"]
        if metadata.get("namespace") != self.pod["metadata"]["namespace"]:
            return False
        if not self.path:
            return bool(metadata.get("name")) and metadata["name"] == self.pod["metadata"].get("name")
        selector = (self.object.get("spec") or {}).get("selector")
        if not metadata.get("ownerReferences") or not isinstance(selector, dict) or not selector:
            return False
        try:
            return selectors.from_object(selector).matches(metadata.get("labels"))
        except (PodsysctlError, AttributeError, TypeError, KeyError):
            return False  # a selector of another form selects nothing

    def with_pod(self, pod: Mapping[str, Any]) -> Object:
        """The object with another pod in it: the pod itself, or the workload with a changed template."""
        if not self.path:
            return dict(pod)
        out = deepcopy(self.object)
        out.pop("status", None)
        holder = out
        for key in self.path[:-1]:
            holder = holder[key]
        template = holder[self.path[-1]]
        template["spec"] = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
        annotations = (pod.get("metadata") or {}).get("annotations")
        if annotations:
            template.setdefault("metadata", {})["annotations"] = annotations
        return out


@dataclass(frozen=True, slots=True)
class Subject:
    """A target in its situation."""

    target: Target
    situation: Situation


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict over one target and the way out."""

    subject: Subject
    report: Report
    plan: Plan

    @property
    def manifests(self) -> list[Mapping[str, Any]]:
        """What to apply, in order, the changed object last."""
        before = [m for m in self.plan.manifests if m is not self.plan.pod]
        target = self.subject.target
        if self.plan.pod is not None:
            return [*before, target.with_pod(self.plan.pod)]
        return [*before, target.with_pod(target.pod)] if target.quoted else before


def find_targets(objects: Iterable[Object], namespace: str) -> list[Target]:
    """The pods and workloads among objects; lists are taken apart, other kinds are left out."""
    out = []
    for obj in objects:
        if not isinstance(obj, dict):
            continue
        if str(obj.get("kind") or "").endswith("List") and isinstance(obj.get("items"), list):
            out += find_targets(obj["items"], namespace)
            continue
        path = pod_template.template_path(obj)
        template = pod_template.template_at(obj, path) if path is not None else None
        if path is None or template is None:
            continue
        out.append(_target(obj, path, template, namespace))
    return out


def _target(obj: Object, path: tuple[str, ...], template: Mapping[str, Any], namespace: str) -> Target:
    pod = deepcopy(dict(template))
    metadata = pod["metadata"] = dict(_metadata(pod))
    of = _metadata(obj)
    metadata["namespace"] = of.get("namespace") or namespace
    if path:
        metadata["generateName"] = f"{of.get('name') or ''}-"
    pod = {**pod, "apiVersion": "v1", "kind": "Pod"}
    return Target(obj, path, pod, tuple(_quote_values(pod)))


def _metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Raises UsageError when it or the names in it are of another type."""
    metadata = obj.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise UsageError("metadata is not a mapping", hint="write metadata as a mapping with a name")
    for key in ("name", "generateName", "namespace"):
        if not isinstance(metadata.get(key) or "", str):
            raise UsageError(f"metadata.{key} is not a string", hint=f"write metadata.{key} in quotes")
    return metadata


def _quote_values(pod: Object) -> list[str]:
    """Turn sysctl values that YAML read as numbers or booleans into strings, in place; the names of those."""
    spec = pod.get("spec")
    context = spec.get("securityContext") if isinstance(spec, dict) else None
    sysctls = context.get("sysctls") if isinstance(context, dict) else None
    quoted = []
    for entry in sysctls if isinstance(sysctls, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("value"), int | float):
            value = entry["value"]
            entry["value"] = str(int(value)) if isinstance(value, bool) else str(value)
            quoted.append(str(entry.get("name")))
    return quoted


def field_problems(pod: Mapping[str, Any]) -> list[str]:
    """What the API server's decoder and field validation say of a pod; empty when it is valid."""
    try:
        decoded = decode.decode_json(orjson.dumps(pod), schemas.builtin("core/v1.Pod"), POD)
    except StatusError as error:
        return [error.message]
    obj = decoded.object
    metadata = obj.setdefault("metadata", {})
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = f"{metadata['generateName']}{_GENERATED}"
    defaults.apply_defaults(POD, obj)
    return [*decoded.problems, *(str(error) for error in validation.validate(POD, obj))]


def read_types(target: Target) -> Target:
    """The target as the API server reads it: nulls in lists become empty parts.

    Raises UsageError, in the server's words, when a field has a type it cannot have: no gate could read it.
    """
    try:
        decoded = decode.decode_json(orjson.dumps(target.pod), schemas.builtin("core/v1.Pod"), POD)
    except StatusError as error:
        raise UsageError(f"{target.title}: {error.message}") from error
    return replace(target, pod=decoded.object) if _has_null_items(target.pod) else target


def _has_null_items(value: Any) -> bool:
    if isinstance(value, list):
        return any(item is None or _has_null_items(item) for item in value)
    return isinstance(value, dict) and any(map(_has_null_items, value.values()))


def judge(subject: Subject, *, node: str | None = None) -> Answer:
    """Judge a subject, on one node alone when it is named. Raises UsageError for a node that does not exist."""
    situation = subject.situation
    if node:
        chosen = tuple(n for n in situation.nodes if n.name == node)
        if not chosen:
            known = ", ".join(n.name for n in situation.nodes) or "none"
            raise UsageError(f"there is no node {node!r}", hint=f"nodes: {known}")
        situation = replace(situation, nodes=chosen)
    return Answer(Subject(subject.target, situation), evaluate(situation), find_remedies(situation, REMEDIES))


Validator = Callable[[Mapping[str, Any]], list[str]]
