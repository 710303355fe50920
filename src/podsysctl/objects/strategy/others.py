"""What the server decides about new and changed objects of the smaller kinds."""

from __future__ import annotations

from typing import Any

from podsysctl.objects import schema
from podsysctl.objects.equal import semantic_equal
from podsysctl.objects.strategy.zeros import zero

Object = dict[str, Any]

_HELD = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
_LEASE_FIELDS = ("strategy", "preferredHolder")
_ENFORCE = "kubernetes.io/enforce-mountable-secrets"


def keep_status(obj: Object, old: Object) -> None:
    """An update of the main path leaves the status alone."""
    obj.pop("status", None)
    if old.get("status") is not None:
        obj["status"] = old["status"]


def keep_spec(obj: Object, old: Object) -> None:
    """An update of the status leaves the specification alone."""
    obj.pop("spec", None)
    if old.get("spec") is not None:
        obj["spec"] = old["spec"]


def reset_status(status_type: str, obj: Object) -> None:
    """A new object has an empty status."""
    obj["status"] = zero(status_type)


def prepare_namespace(obj: Object) -> None:
    """A new namespace is active, held until its content is gone, and labelled with its name."""
    obj["status"] = {"phase": "Active"}
    spec = obj.setdefault("spec", {})
    if _HELD not in (spec.get("finalizers") or ()):
        spec["finalizers"] = [*(spec.get("finalizers") or ()), _HELD]
    label_namespace(obj)


def label_namespace(obj: Object) -> None:
    """The label by which selectors find a namespace."""
    obj["metadata"].setdefault("labels", {})[NAME_LABEL] = obj["metadata"].get("name") or ""


def prepare_namespace_update(obj: Object, old: Object) -> None:
    """Only `finalize` changes what holds a namespace."""
    keep_status(obj, old)
    keep_spec(obj, old)
    label_namespace(obj)


def prepare_namespace_finalize(obj: Object, old: Object) -> None:
    """`finalize` leaves the status alone."""
    keep_status(obj, old)
    label_namespace(obj)


def prepare_namespace_status(obj: Object, old: Object) -> None:
    """A status update leaves the specification alone."""
    keep_spec(obj, old)
    label_namespace(obj)


def prepare_node(obj: Object) -> None:
    """Fields of features that are gone."""
    (obj.get("spec") or {}).pop("configSource", None)
    (obj.get("status") or {}).pop("config", None)


def prepare_node_update(obj: Object, old: Object) -> None:
    """A node's own update leaves its status alone."""
    keep_status(obj, old)
    if not (old.get("spec") or {}).get("configSource"):
        (obj.get("spec") or {}).pop("configSource", None)


def prepare_node_status(obj: Object, old: Object) -> None:
    """A status update leaves the specification alone."""
    keep_spec(obj, old)
    if not (old.get("status") or {}).get("config"):
        (obj.get("status") or {}).pop("config", None)


def node_warnings(obj: Object) -> list[str]:
    """What a client hears about a node."""
    spec = obj.get("spec") or {}
    out = ["spec.configSource: the feature is removed"] if spec.get("configSource") is not None else []
    if spec.get("externalID"):
        out.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
    return out


def prepare_service_account(obj: Object) -> None:
    """Of its secrets a service account keeps only the names."""
    if obj.get("secrets"):
        obj["secrets"] = [{"name": row["name"]} if row.get("name") else {} for row in obj["secrets"]]


def service_account_warnings(obj: Object, old: Object | None) -> list[str]:
    """The annotation that no longer does what it says."""
    annotations = obj["metadata"].get("annotations") or {}
    known = old is not None and _ENFORCE in (old["metadata"].get("annotations") or {})
    if known or _ENFORCE not in annotations:
        return []
    text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
    return [f"metadata.annotations[{_ENFORCE}]: {text}"]


def prepare_secret_update(obj: Object, old: Object) -> None:
    """A type that is not said stays."""
    if not obj.get("type") and old.get("type"):
        obj["type"] = old["type"]


def prepare_lease(obj: Object, old: Object | None = None) -> None:
    """Fields of a feature that is off by default stay only where they were."""
    spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
    for key in _LEASE_FIELDS:
        if before.get(key) is None:
            spec.pop(key, None)


def first_generation(obj: Object) -> None:
    """A new object is of the first generation."""
    obj["metadata"]["generation"] = 1


def prepare_budget(obj: Object) -> None:
    """A new budget has no status yet."""
    reset_status("policy/v1.PodDisruptionBudgetStatus", obj)
    first_generation(obj)


def prepare_budget_update(obj: Object, old: Object) -> None:
    """A changed budget keeps its status and counts."""
    keep_status(obj, old)
    _count(obj, old, "policy/v1.PodDisruptionBudgetSpec")


def _count(obj: Object, old: Object, spec_type: str) -> None:
    if not semantic_equal(obj.get("spec"), old.get("spec"), schema.builtin(spec_type)):
        obj["metadata"]["generation"] = (old["metadata"].get("generation") or 0) + 1


def prepare_definition(obj: Object) -> None:
    """A new definition stores in one version."""
    reset_status("apiextensions/v1.CustomResourceDefinitionStatus", obj)
    first_generation(obj)
    _store_version(obj)


def prepare_definition_update(obj: Object, old: Object) -> None:
    """A changed definition keeps its status, counts, and may store in another version."""
    keep_status(obj, old)
    _count(obj, old, "apiextensions/v1.CustomResourceDefinitionSpec")
    _store_version(obj)


def _store_version(obj: Object) -> None:
    versions = (obj.get("spec") or {}).get("versions") or ()
    name = next((version.get("name") for version in versions if version.get("storage")), None)
    status = obj["status"] = dict(obj.get("status") or {})
    stored = list(status.get("storedVersions") or ())
    if name is not None and name not in stored:
        status["storedVersions"] = [*stored, name]
