"""The Profile of one node as it should be, and the smallest change that makes it so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.controllers.ownership import make_reference
from podsysctl.controllers.tuning.choice import Choice
from podsysctl.controllers.tuning.collection import Collection, digest_of
from podsysctl.objects import tuning

Object = dict[str, Any]

DIGEST = "digest"
"""Where a shrunk Profile keeps what stands for its list of profiles."""
_ANNOTATIONS = (tuning.DEFERRED, tuning.CORRECT_DRIFT)


def shrink(profile: Object) -> Object:
    """A Profile without its list of profiles and its status, as the controller keeps it: some hundred bytes."""
    spec = profile.get("spec") or {}
    kept = {key: value for key, value in spec.items() if key != "profile"}
    metadata = {key: value for key, value in profile["metadata"].items() if key != "managedFields"}
    return {"metadata": metadata, "spec": kept, DIGEST: digest_of(spec.get("profile") or ())}


def wanted(
    node: Object, choice: Choice, collection: Collection, default: Object, demanding: Iterable[str] = ()
) -> Object:
    """The Profile without its list of profiles, which `collection` holds. `demanding` profiles have requirements."""
    operand = choice.winner.operand
    config: Object = {
        "tunedProfile": choice.winner.profile,
        "debug": bool(operand.get("debug", False)),
        "verbosity": operand.get("verbosity", 0),
        "tunedConfig": dict(operand.get("tunedConfig") or {}),
    }
    provider = str((node.get("spec") or {}).get("providerID") or "").partition("://")[0]
    if provider:
        config["providerName"] = provider
    spec: Object = {"config": config}
    requirements = _requirements(choice, frozenset(demanding))
    if requirements:
        spec["requirements"] = requirements
    return {
        "apiVersion": tuning.PROFILE.api_version,
        "kind": tuning.PROFILE.kind,
        "metadata": {
            "name": node["metadata"]["name"],
            "namespace": tuning.NAMESPACE,
            "annotations": dict(choice.winner.annotations),
            "ownerReferences": [make_reference(tuning.TUNED, default)],
        },
        "spec": spec,
        DIGEST: collection.digest,
    }


def _requirements(choice: Choice, demanding: frozenset[str]) -> list[Object]:
    """Each demanding profile of a matching rule once, owned by the Tuned whose rule comes first."""
    found: dict[str, Object] = {}
    for rule in choice.matching:
        if rule.profile in demanding and rule.profile not in found:
            found[rule.profile] = {"profile": rule.profile, "owner": f"{tuning.NAMESPACE}/{rule.tuned}"}
    return [found[name] for name in sorted(found)]


def complete(profile: Object, collection: Collection) -> Object:
    """The whole object to create."""
    whole = {key: value for key, value in profile.items() if key != DIGEST}
    whole["spec"] = {**profile["spec"], "profile": list(collection.profiles)}
    return whole


def change(current: Object, profile: Object, collection: Collection) -> Object | None:
    """The merge patch from a shrunk Profile to the wanted one; None when there is nothing to do."""
    patch: Object = {}
    annotations = {
        key: profile["metadata"]["annotations"].get(key)
        for key in _ANNOTATIONS
        if (current["metadata"].get("annotations") or {}).get(key) != profile["metadata"]["annotations"].get(key)
    }
    metadata: Object = {"annotations": annotations} if annotations else {}
    if current["metadata"].get("ownerReferences") != profile["metadata"]["ownerReferences"]:
        metadata["ownerReferences"] = profile["metadata"]["ownerReferences"]
    if metadata:
        patch["metadata"] = metadata
    spec = _difference(current["spec"], profile["spec"])
    if current[DIGEST] != profile[DIGEST]:
        spec["profile"] = list(collection.profiles)
    if spec:
        patch["spec"] = spec
    return patch or None


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Object:
    """The merge patch between two objects: what differs, and None for what goes.

    >>> _difference({"a": 1, "b": {"c": 2}, "d": 3}, {"a": 1, "b": {}})
    {'b': {'c': None}, 'd': None}
    """
    patch: Object = {key: None for key in old if key not in new}
    for key, value in new.items():
        before = old.get(key)
        if isinstance(value, dict) and isinstance(before, dict):
            if deeper := _difference(before, value):
                patch[key] = deeper
        elif key not in old or before != value:
            patch[key] = value
    return dict(sorted(patch.items()))
