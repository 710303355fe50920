"""The patch that turns one pod status into another. Pure.

A strategic merge patch touches only what differs, so that conditions of others survive: conditions are merged by
type, addresses by ip. This is what the kubelet sends (pkg/util/pod, PatchPodStatus).
"""

from __future__ import annotations

from typing import Any

_MERGE_KEYS = {"conditions": "type", "podIPs": "ip", "hostIPs": "ip"}


def build(uid: str, old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any] | None:
    """The patch body, bound to the pod's uid; None when nothing differs."""
    changes: dict[str, Any] = {}
    for key in new.keys() | old.keys():
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        merge_key = _MERGE_KEYS.get(key)
        if merge_key is not None:
            changes |= _merged(key, merge_key, before or [], after or [])
        else:
            changes[key] = after
    return {"metadata": {"uid": uid}, "status": changes} if changes else None


def _merged(key: str, merge_key: str, before: list[Any], after: list[Any]) -> dict[str, Any]:
    known = {entry[merge_key]: entry for entry in before}
    kept = {entry[merge_key] for entry in after}
    edits: list[dict[str, Any]] = [_entry(known.get(e[merge_key]), e) for e in after if known.get(e[merge_key]) != e]
    edits += [{"$patch": "delete", merge_key: entry[merge_key]} for entry in before if entry[merge_key] not in kept]
    out: dict[str, Any] = {key: edits} if edits else {}
    if after:
        out[f"$setElementOrder/{key}"] = [{merge_key: entry[merge_key]} for entry in after]
    return out


def _entry(before: dict[str, Any] | None, after: dict[str, Any]) -> dict[str, Any]:
    """The new element; fields it no longer has are set to null, since elements are merged too."""
    gone = {key: None for key in before or {} if key not in after}
    return {**after, **gone}
