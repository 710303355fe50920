"""Which names a definition gets: conditions NamesAccepted and Established, accepted names, stored versions.

Upstream settles this a moment after the write; here it is part of it. Source of rules and texts: Kubernetes
1.36 `apiextensions-apiserver/pkg/controller/{status,establish}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.objects.quote import quote
from podsysctl.objects.status import aggregate

Object = dict[str, Any]

FINALIZER = "customresourcecleanup.apiextensions.k8s.io"


def settle(definition: Object, others: Iterable[Mapping[str, Any]], now: str) -> None:
    """Set the status of a definition, given the other stored ones."""
    names = definition["spec"]["names"]
    state = definition["status"] = dict(definition.get("status") or {})
    accepted = dict(state.get("acceptedNames") or {})
    reason, message = _accept(names, accepted, _taken(definition, others))
    good = not reason
    state["acceptedNames"] = accepted
    conditions = [dict(condition) for condition in state.get("conditions") or ()]
    _set(conditions, "NamesAccepted", good, reason or "NoConflicts", message or "no conflicts found", now)
    if good:
        _set(conditions, "Established", True, "InitialNamesAccepted", "the initial names have been accepted", now)
    elif not any(condition["type"] == "Established" for condition in conditions):
        _set(conditions, "Established", False, "NotAccepted", "not all names are accepted", now)
    state["conditions"] = conditions
    stored = list(state.get("storedVersions") or ())
    version = storage_version(definition)
    state["storedVersions"] = stored if version in stored else [*stored, version]


def storage_version(definition: Mapping[str, Any]) -> str:
    """The version in which instances are stored."""
    versions = definition["spec"]["versions"]
    return str(next((v["name"] for v in versions if v.get("storage")), versions[0]["name"]))


def condition(definition: Mapping[str, Any], name: str) -> bool:
    """Whether a condition is True."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == name and c.get("status") == "True" for c in conditions)


def set_condition(definition: Object, name: str, value: bool, reason: str, message: str, now: str) -> None:
    """Set one condition."""
    state = definition["status"] = dict(definition.get("status") or {})
    conditions = [dict(c) for c in state.get("conditions") or ()]
    _set(conditions, name, value, reason, message, now)
    state["conditions"] = conditions


def mark_deleting(definition: Object, now: str) -> None:
    """What DELETE of a definition does at once: its instances go first."""
    finalizers = definition["metadata"].get("finalizers") or []
    if FINALIZER not in finalizers:
        definition["metadata"]["finalizers"] = [*finalizers, FINALIZER]
    text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"
    set_condition(definition, "Terminating", True, "InstanceDeletionPending", text, now)


def _set(conditions: list[Object], name: str, value: bool, reason: str, message: str, now: str) -> None:
    text = "True" if value else "False"
    new = {"type": name, "status": text, "lastTransitionTime": now, "reason": reason, "message": message}
    for index, old in enumerate(conditions):
        if old["type"] == name:
            if old["status"] == text:
                new["lastTransitionTime"] = old.get("lastTransitionTime", now)
            conditions[index] = new
            return
    conditions.append(new)


def _taken(definition: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Resource names and kinds that other definitions of the group have."""
    resources: set[str] = set()
    kinds: set[str] = set()
    for other in others:
        if other["metadata"]["name"] == definition["metadata"].get("name"):
            continue
        if other["spec"]["group"] != definition["spec"]["group"]:
            continue
        names = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        kinds |= {names.get("kind", ""), names.get("listKind", "")}
    return resources - {""}, kinds - {""}


def _accept(names: Mapping[str, Any], accepted: Object, taken: tuple[set[str], set[str]]) -> tuple[str, str]:
    """Move what is free from the wanted names to the accepted ones; the last conflict as reason and message."""
    resources, kinds = taken
    reason = message = ""
    for key, used, conflict in (
        ("plural", resources, "PluralConflict"),
        ("singular", resources, "SingularConflict"),
        ("shortNames", resources, "ShortNamesConflict"),
        ("kind", kinds, "KindConflict"),
        ("listKind", kinds, "ListKindConflict"),
    ):
        wanted, had = names.get(key), accepted.get(key)
        if not wanted:
            accepted.pop(key, None)
            continue
        if isinstance(wanted, list):
            clashes = [name for name in wanted if name not in (had or ()) and name in used]
        else:
            clashes = [wanted] if wanted != had and wanted in used else []
        if clashes:
            reason, message = conflict, aggregate([f"{quote(name)} is already in use" for name in clashes])
        else:
            accepted[key] = wanted
    if names.get("categories"):
        accepted["categories"] = names["categories"]
    return reason, message
