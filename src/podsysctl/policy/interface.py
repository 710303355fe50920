"""Whether the tuning CNI plugin may set the sysctls of a pod's additional interfaces.

Step in the path: while the sandbox's network is set up. A pod names NetworkAttachmentDefinitions in an annotation, a
definition lists sysctls with IFNAME where the interface stands, and a file on the node holds regular expressions of
what is allowed.
Sources: plugins meta/tuning/tuning.go, multus-cni pkg/k8sclient/k8sclient.go and pkg/types/types.go,
cluster-network-operator bindata/allowlist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import UsageError
from podsysctl.objects.quote import quote
from podsysctl.policy.verdict import Gate, Outcome, Verdict
from podsysctl.sysctls import safe

NETWORKS = "k8s.v1.cni.cncf.io/networks"
_TOKEN = "IFNAME"
_PIECE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def default_allowlist() -> tuple[str, ...]:
    """The lines of the allowlist file that OpenShift gives every node: each safe name, anchored."""
    return tuple(f"^{name}$" for name in safe.interface_safe())


@dataclass(frozen=True, slots=True)
class Attachment:
    """One additional network that a pod asks for. `arguments` is the annotation's `cni-args` object."""

    namespace: str
    name: str
    interface: str
    arguments: Mapping[str, Any]


def parse_networks(annotation: str, pod_namespace: str) -> list[Attachment]:
    """Read the annotation of a pod, in its short or its JSON form. Raises UsageError as Multus would refuse it."""
    text = annotation.strip()
    if not text:
        return []
    entries = _parse_json(text) if any(char in text for char in '[{"') else _parse_short(text)
    out = []
    for index, entry in enumerate(entries):
        out.append(
            Attachment(
                entry.get("namespace") or pod_namespace,
                entry.get("name") or "",
                entry.get("interface") or f"net{index + 1}",
                entry.get("cni-args") or {},
            )
        )
    return out


def _parse_json(text: str) -> list[Mapping[str, Any]]:
    try:
        entries = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection: {error}"
        ) from error
    if not isinstance(entries, list) or not all(isinstance(e, dict) for e in entries):
        raise UsageError("parsePodNetworkAnnotation: the annotation is not a list of objects")
    return entries


def _parse_short(text: str) -> list[Mapping[str, Any]]:
    entries: list[Mapping[str, Any]] = []
    for item in text.split(","):
        slash = item.strip().split("/")
        if len(slash) > 2:
            raise UsageError("parsePodNetworkObjectName: Invalid network object (failed at '/')")
        at = slash[-1].split("@")
        if len(at) > 2:
            raise UsageError("parsePodNetworkObjectName: Invalid network object (failed at '@')")
        entry = {"namespace": slash[0] if len(slash) == 2 else "", "name": at[0]}
        if len(at) == 2:
            entry["interface"] = at[1]
        for piece in filter(None, entry.values()):
            if _PIECE.fullmatch(piece) is None:
                rule = "must consist of lower case alphanumeric characters"
                raise UsageError(
                    "parsePodNetworkObjectName: Failed to parse: one or more items did not match comma-delimited"
                    f" format ({rule}). Must start and end with an alphanumeric character), mismatch @ '{piece}'"
                )
        entries.append(entry)
    return entries


def tuning_sysctls(definition: Mapping[str, Any]) -> dict[str, str]:
    """The sysctls that a NetworkAttachmentDefinition gives the tuning plugin, keys as written.

    Raises UsageError when its configuration is not JSON or a value is not a string.
    """
    text = (definition.get("spec") or {}).get("config") or ""
    if not text:
        return {}
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"spec.config is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError("spec.config must be a JSON object")
    plugins = config.get("plugins")
    out: dict[str, str] = {}
    for plugin in plugins if isinstance(plugins, list) else [config]:
        if not isinstance(plugin, dict) or plugin.get("type") != "tuning":
            continue
        for key, value in (plugin.get("sysctl") or {}).items():
            if not isinstance(value, str):
                kind = "bool" if isinstance(value, bool) else "number"
                raise UsageError(
                    f"json: cannot unmarshal {kind} into Go struct field sysctlCheck.sysctl.{key} of type string"
                )
            out[key] = value
    return out


def evaluate(key: str, interface: str, allowlist: Sequence[str] | None) -> Verdict:
    """What the plugin says to one key. `allowlist` None means that the node has no such file: all of net is allowed."""
    if allowlist is not None:
        entry = _matching(key, allowlist)
        if entry is None:
            listed = " ".join(allowlist)
            text = f"Sysctl {key} is not allowed. Only the following sysctls are allowed: [{listed}]"
            return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, text, "allowlist of the node")
    else:
        entry = "no allowlist on the node"
    path = key.replace(".", "/").replace(_TOKEN, interface, 1)
    if not _clean(path).startswith("net/"):
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, f"invalid net sysctl key: {quote(path)}", "below net/")
    return Verdict(Gate.INTERFACE, Outcome.ALLOWED, key, rule=entry)


def _matching(key: str, allowlist: Iterable[str]) -> str | None:
    """The first entry that matches anywhere in the key; a broken expression matches nothing."""
    for entry in allowlist:
        try:
            if re.search(entry, key):
                return entry
        except (re.error, RecursionError, OverflowError):
            continue
    return None


def _clean(path: str) -> str:
    """The path with `.` and `..` resolved, as Go's filepath.Join leaves it below /proc/sys."""
    out: list[str] = []
    for part in path.split("/"):
        if part == "..":
            if not out:
                return ""
            out.pop()
        elif part not in ("", "."):
            out.append(part)
    return "/".join(out)
