"""What a node publishes about its gates in its Node object, so that a verdict can be given without going there.

Two annotations. `podsysctl.dev/sysctl-gates` is JSON for people and programs: the kubelet's allowlist and defaults, the
runtime, the interface allowlist, versions. `podsysctl.dev/kernel-facts` is what was measured on its kernel, packed
(names grouped by what they are, JSON, zlib, base64) to a tenth of the size. The node agent writes them, `explain` and
the scheduler read them. A node of another program has neither: then versions from its status are used, and its
allowlist is unknown.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from podsysctl.base.errors import CatalogueError, PodsysctlError, UsageError
from podsysctl.base.versions import (
    KUBERNETES_MINOR,
    KernelVersion,
    parse_cluster_version,
    parse_kernel_version,
)
from podsysctl.objects import simulated
from podsysctl.policy.kubelet import Allowlist
from podsysctl.policy.runtime import Runtime
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts

GATES = "podsysctl.dev/sysctl-gates"
KERNEL = "podsysctl.dev/kernel-facts"
_FORMAT = 1
_UNPACKED_BYTES = 1024 * 1024
"""Most bytes that packed facts may unpack to; a kernel has some 40 KB of names."""


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The gates of one node.

    `allowed` are the kubelet's `allowedUnsafeSysctls`, None when nobody knows them; `interfaces` the lines of the
    tuning plugin's allowlist, None when the node has no such file. `is_agent` says that our own agent runs the node's
    pods, `is_simulated` that nothing runs them. `app_armor` says whether its host has it, the last three what its
    runtime supports: user namespaces, read-only mounts with everything below, and supplementalGroupsPolicy. Each is
    None when the node does not say.
    """

    name: str
    release: str = ""
    runtime: Runtime = Runtime.RUNC
    kubelet_minor: int = KUBERNETES_MINOR
    allowed: tuple[str, ...] | None = None
    defaults: Mapping[str, str] = field(default_factory=dict)
    interfaces: tuple[str, ...] | None = None
    kernel: KernelFacts | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Mapping[str, Any], ...] = ()
    is_agent: bool = False
    is_simulated: bool = False
    app_armor: bool | None = None
    user_namespaces: bool | None = None
    recursive_read_only: bool | None = None
    groups_policy: bool | None = None

    @property
    def kernel_version(self) -> KernelVersion | None:
        """Major and minor of the kernel, None when unknown."""
        return _version_of(self.release)

    def allowlist(self) -> Allowlist | None:
        """The kubelet's gate; None when its configuration is unknown or would not let it start."""
        if self.allowed is None:
            return None
        try:
            return Allowlist.parse(self.allowed, self.kernel_version, kubelet_minor=self.kubelet_minor)
        except PodsysctlError:
            return None

    def to_annotations(self) -> dict[str, str]:
        """What the node agent writes into its Node object."""
        gates: dict[str, Any] = {
            "format": _FORMAT,
            "kernel": self.release,
            "runtime": str(self.runtime),
            "kubeletMinor": self.kubelet_minor,
            "allowedUnsafeSysctls": list(self.allowed or ()),
        }
        if self.defaults:
            gates["defaultPodSysctls"] = dict(self.defaults)
        if self.interfaces is not None:
            gates["interfaceAllowlist"] = list(self.interfaces)
        if self.app_armor is not None:
            gates["appArmor"] = self.app_armor
        out = {GATES: json.dumps(gates, separators=(",", ":"))}
        if self.kernel is not None:
            out[KERNEL] = pack(self.kernel)
        return out

    @classmethod
    def from_node(cls, node: Mapping[str, Any]) -> NodeFacts:
        """Read a Node object, of whatever program. Never raises: what cannot be read counts as unknown."""
        metadata, spec, status = (_mapping(node.get(part)) for part in ("metadata", "spec", "status"))
        info, annotations = _mapping(status.get("nodeInfo")), _mapping(metadata.get("annotations"))
        gates = _read_gates(_text(annotations.get(GATES)))
        try:
            minor = parse_cluster_version(str(info.get("kubeletVersion") or "")).minor
        except UsageError:
            minor = KUBERNETES_MINOR
        allowed = gates.get("allowedUnsafeSysctls")
        interfaces = gates.get("interfaceAllowlist")
        runtime = gates.get("runtime")
        taints = spec.get("taints")
        labels = _mapping(metadata.get("labels"))
        is_simulated = labels.get(simulated.MARK) == "true"
        is_agent = bool(gates) and not is_simulated
        return cls(
            name=_text(metadata.get("name")),
            release=gates.get("kernel") or _text(info.get("kernelVersion")),
            runtime=Runtime(runtime) if runtime else Runtime.of_node(_text(info.get("containerRuntimeVersion"))),
            kubelet_minor=gates.get("kubeletMinor") or minor,
            allowed=None if allowed is None else tuple(allowed),
            defaults=gates.get("defaultPodSysctls") or {},
            interfaces=None if interfaces is None else tuple(interfaces),
            kernel=_read_kernel(_text(annotations.get(KERNEL))),
            labels=labels,
            taints=tuple(t for t in taints if isinstance(t, dict)) if isinstance(taints, list) else (),
            is_agent=is_agent,
            is_simulated=is_simulated,
            app_armor=gates.get("appArmor"),
            user_namespaces=False if is_agent else True if is_simulated else _has_feature(status, "userNamespaces"),
            recursive_read_only=_has_feature(status, "recursiveReadOnlyMounts"),
            groups_policy=_is_true(_mapping(status.get("features")).get("supplementalGroupsPolicy")),
        )


def _has_feature(status: Mapping[str, Any], name: str) -> bool | None:
    """What the node's default runtime handler says of itself."""
    handlers = status.get("runtimeHandlers")
    for handler in handlers if isinstance(handlers, list) else ():
        if isinstance(handler, dict) and not handler.get("name"):
            return _mapping(handler.get("features")).get(name) is True
    return None


def _is_true(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


@lru_cache(maxsize=64)
def _version_of(release: str) -> KernelVersion | None:
    try:
        return parse_kernel_version(release)
    except UsageError:
        return None


def _read_gates(text: str) -> dict[str, Any]:
    """The first annotation when it is well formed, else nothing."""
    try:
        raw = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(raw, dict) or raw.get("format") != _FORMAT:
        return {}
    lists = ("allowedUnsafeSysctls", "interfaceAllowlist")
    is_formed = (
        all(_is_strings(raw.get(key)) for key in lists)
        and isinstance(raw.get("defaultPodSysctls") or {}, dict)
        and isinstance(raw.get("kubeletMinor") or 0, int)
        and isinstance(raw.get("kernel") or "", str)
        and raw.get("runtime") in (None, *Runtime)
        and isinstance(raw.get("appArmor") or False, bool)
    )
    return raw if is_formed else {}


def _is_strings(value: Any) -> bool:
    return value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))


@lru_cache(maxsize=64)
def _read_kernel(text: str) -> KernelFacts | None:
    try:
        return unpack(text) if text else None
    except CatalogueError:
        return None


def pack(facts: KernelFacts) -> str:
    """A kernel's facts as one line of text, about 7 KB."""
    groups: dict[str, list[str]] = {}
    for name in sorted(facts.facts):
        fact = facts.facts[name]
        hidden = {None: "", True: "h", False: "v"}[fact.hidden_from_user_namespace]
        groups.setdefault(f"{fact.namespace} {fact.in_pod} {fact.access} {hidden}", []).append(name)
    raw = {
        "format": _FORMAT,
        "release": facts.release,
        "privileged": facts.privileged,
        "names": {key: " ".join(names) for key, names in sorted(groups.items())},
    }
    return base64.b64encode(zlib.compress(json.dumps(raw).encode(), 9)).decode()


def unpack(text: str) -> KernelFacts:
    """Read what `pack` wrote. Raises CatalogueError when the text is something else or too large."""
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(text, validate=True), _UNPACKED_BYTES)
        if stream.unconsumed_tail:
            raise CatalogueError(f"packed kernel facts hold more than {_UNPACKED_BYTES} bytes")
        raw = json.loads(data)
        if raw["format"] != _FORMAT:
            raise CatalogueError(f"packed kernel facts have format {raw['format']!r}, this program reads {_FORMAT}")
        facts: dict[str, Fact] = {}
        for key, names in raw["names"].items():
            namespace, in_pod, access, hidden = key.split(" ")
            seen = {"": None, "h": True, "v": False}[hidden]
            for name in names.split():
                facts[name] = Fact(name, Namespace(namespace), InPod(in_pod), Access(access), seen)
        return KernelFacts(str(raw["release"]), facts, bool(raw["privileged"]))
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CatalogueError(f"packed kernel facts cannot be read: {type(error).__name__}: {error}") from error
