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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.objects.quote import quote
from podsysctl.policy import kubelet, network_plugin, tuning_allowlist
from podsysctl.policy.verdict import Gate, Outcome, Verdict
from podsysctl.sysctls import safe, spelling

NETWORKS = "k8s.v1.cni.cncf.io/networks"

INTERFACE_SYSCTLS = "podsysctl.dev/interface-sysctls"
"""Ours: a JSON object of interface to sysctls of interfaces that the pod has anyway, the primary one included."""

ALLOWLIST_KEY = "allowlist.conf"
"""Where the ConfigMap of the cluster's allowlist holds it."""

_TOKEN = "IFNAME"
_ENTRY_TYPES: Mapping[str, type] = {"name": str, "namespace": str, "interface": str, "cni-args": dict}
_PIECE = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


def default_allowlist() -> tuple[str, ...]:
    """The lines of the allowlist file that OpenShift gives every node: each safe name, anchored."""
    return tuple(f"^{name}$" for name in safe.interface_safe())


def allowlist_text(config_map: Mapping[str, Any]) -> str:
    """The list that a ConfigMap gives every node. Raises UsageError when nodes cannot take it, and keep what they have.

    A list whose entries are no expressions is taken: it then refuses what it would be asked for.
    """
    text = (config_map.get("data") or {}).get(ALLOWLIST_KEY)
    if not isinstance(text, str):
        raise UsageError(f"it has no {ALLOWLIST_KEY}")
    if len(text.encode("utf-8", "replace")) > limits.CNI_ALLOWLIST_BYTES:
        raise UsageError(f"{ALLOWLIST_KEY} has more than {limits.CNI_ALLOWLIST_BYTES} bytes")
    return text


@dataclass(frozen=True, slots=True)
class Attachment:
    """One additional network that a pod asks for. `arguments` is the annotation's `cni-args` object.

    `entry` is the whole element of the annotation.
    """

    namespace: str
    name: str
    interface: str
    arguments: Mapping[str, Any]
    entry: Mapping[str, Any] = field(default_factory=dict, compare=False)


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
                entry,
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
    for entry in entries:
        for key, kind in _ENTRY_TYPES.items():
            if not isinstance(entry.get(key), kind | None):
                raise UsageError(
                    "parsePodNetworkAnnotation: failed to parse pod Network Attachment Selection: json: cannot"
                    f" unmarshal {_json_type(entry[key])} into Go struct field NetworkSelectionElement.{key}"
                )
    return entries


def _json_type(value: Any) -> str:
    """What Go calls the type of a JSON value."""
    kinds: dict[type, str] = {bool: "bool", str: "string", list: "array", dict: "object"}
    return kinds.get(type(value), "number")


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

    Raises UsageError when its configuration is not JSON, hides something, or a value is not a string.
    """
    text = (definition.get("spec") or {}).get("config") or ""
    if not text:
        return {}
    if not isinstance(text, str):
        raise UsageError("spec.config must be a string")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"spec.config is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise UsageError("spec.config must be a JSON object")
    plugins = config.get("plugins")
    out: dict[str, str] = {}
    for plugin in plugins if isinstance(plugins, list) else [config]:
        if not isinstance(plugin, dict):
            continue
        problem = network_plugin.find_problem(plugin)
        if problem:
            raise UsageError(f"spec.config: {problem}")
        if plugin.get("type") not in network_plugin.TUNING_TYPES:
            continue
        listed = plugin.get("sysctl") or {}
        if not isinstance(listed, dict):
            kind = _json_type(listed)
            raise UsageError(
                f"json: cannot unmarshal {kind} into Go struct field sysctlCheck.sysctl of type map[string]string"
            )
        for key, value in network_plugin.sysctls(plugin).items():
            if not isinstance(value, str):
                kind = _json_type(value)
                raise UsageError(
                    f"json: cannot unmarshal {kind} into Go struct field sysctlCheck.sysctl.{key} of type string"
                )
            out[key] = value
    return out


def evaluate(key: str, interface: str, allowlist: Sequence[str] | None) -> Verdict:
    """What the plugin says to one key. `allowlist` None means that the node has no such file: all of net is allowed."""
    problem = problem_of_interface(interface)
    if problem:
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, problem, "name of an interface")
    rule = "no allowlist on the node"
    if allowlist is not None:
        try:
            entry = tuning_allowlist.find(key, allowlist)
        except tuning_allowlist.BrokenEntryError as error:
            return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, str(error), "allowlist of the node")
        if entry is None:
            text = tuning_allowlist.refusal(key, allowlist)
            return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, text, "allowlist of the node")
        rule = entry
    path = key.replace(".", "/").replace(_TOKEN, interface, 1)
    if not _clean(path).startswith("net/"):
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, f"invalid net sysctl key: {quote(path)}", "below net/")
    return Verdict(Gate.INTERFACE, Outcome.ALLOWED, key, rule=rule)


def evaluate_bypass(
    key: str, interface: str, lines: Sequence[str] | None, allowed: kubelet.Allowlist | None
) -> Verdict:
    """`evaluate`, and then whether the key goes round the kubelet's list, where that is known."""
    verdict = evaluate(key, interface, lines)
    text = None if verdict.stops or allowed is None else find_bypass(key, allowed)
    if text is None:
        return verdict
    return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, text, "allowedUnsafeSysctls of the node")


def evaluate_own(
    key: str, interface: str, lines: Sequence[str] | None, allowed: kubelet.Allowlist | None
) -> Verdict:
    """What a node says to one key of the annotation `INTERFACE_SYSCTLS`, which none but our plugin ever sets.

    It takes each spelling of a key for what it means, and a node without a list for one with the default.
    """
    problem = problem_of_interface(interface) or tuning_allowlist.resolve(key, interface)[1]
    if problem:
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, problem, "name of a sysctl below net/")
    text = None if allowed is None else find_bypass(key, allowed)
    if text is not None:
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, text, "allowedUnsafeSysctls of the node")
    entries = default_allowlist() if lines is None else lines
    try:
        entry = tuning_allowlist.find_spelling(key, interface, entries)
    except tuning_allowlist.BrokenEntryError as error:
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, str(error), "allowlist of the node")
    if entry is None:
        text = tuning_allowlist.refusal(key, entries)
        return Verdict(Gate.INTERFACE, Outcome.REFUSED, key, text, "allowlist of the node")
    return Verdict(Gate.INTERFACE, Outcome.ALLOWED, key, rule=entry)


def problem_of_interface(name: str) -> str:
    """Why a pod can have no interface of this name, '' when it can.

    `all` and `default` stand for every interface of the pod: with them a permission for one interface would reach all.
    """
    if name in spelling.NOT_INTERFACES:
        return f"interface name {name!r} is the name of no interface"
    return spelling.problem_of_interface(name)


def find_bypass(key: str, allowed: kubelet.Allowlist) -> str | None:
    """Why a key would set for the whole pod what the kubelet refuses to it; None when it would not.

    The tuning plugin writes anything below net/ that its own list names, so a definition could set net.core.somaxconn
    for a pod whose node forbids it. Settings of one interface are no bypass, since the kubelet never allows them, and
    neither is what the plugin refuses anyway.
    """
    segments = spelling.split(key)
    if segments[0] != "net" or spelling.problem_of_name(key, segments):
        return None
    if spelling.is_interface_specific(segments) and segments[3] not in spelling.NOT_INTERFACES:
        return None
    name = spelling.dotted(segments)
    if allowed.check_name(name) is None:
        return None
    return (
        f"sysctl {name} is forbidden on this node, and a network attachment must not set it either: "
        "add it to allowedUnsafeSysctls of the node's KubeletConfig, or remove it from the definition"
    )


def parse_interface_sysctls(annotation: str) -> dict[str, dict[str, str]]:
    """The annotation `INTERFACE_SYSCTLS`: interface to key to value. Raises UsageError naming what is wrong."""
    try:
        document = json.loads(annotation)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"annotation {INTERFACE_SYSCTLS} is not JSON: {error}") from error
    rule = 'must be an object such as {"eth0": {"net.ipv4.conf.IFNAME.rp_filter": "2"}}'
    if not isinstance(document, dict):
        raise UsageError(f"annotation {INTERFACE_SYSCTLS} {rule}")
    for interface, values in document.items():
        problem = problem_of_interface(interface)
        if problem:
            raise UsageError(f"annotation {INTERFACE_SYSCTLS}: {problem}")
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise UsageError(f"annotation {INTERFACE_SYSCTLS}: {interface}: keys and values {rule}")
    return document


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
