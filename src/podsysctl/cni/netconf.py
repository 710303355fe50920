"""The configuration of one call: what the network says, what the runtime adds, and in which order they override.

Source: plugins meta/tuning/tuning.go parseConf, v1.1.1 and v1.9.1; cni pkg/types/args.go.
"""

from __future__ import annotations

from podsysctl.cni import wire
from podsysctl.cni.shape import BOOL, INT, STRING, Anything, List, Map, Struct, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from podsysctl.cni.profile import Profile

DEFAULT_DATA_DIR = "/run/cni/tuning"

_SYSCTL = Map(STRING, "map[string]string")
_DNS = Struct("DNS", {"nameservers": List(STRING, "[]string"), "domain": STRING, "search": List(STRING, "[]string"),
                      "options": List(STRING, "[]string")}, "types.DNS")  # fmt: skip
_ATTRIBUTES = {"sysctl": _SYSCTL, "mac": STRING, "promisc": BOOL, "mtu": INT, "allmulti": BOOL}
_STANDARD = {
    "cniVersion": STRING,
    "name": STRING,
    "type": STRING,
    "capabilities": Map(BOOL, "map[string]bool"),
    "ipam": Struct("IPAM", {"type": STRING}, "types.IPAM"),
    "dns": _DNS,
    "prevResult": Anything(),
    "dataDir": STRING,
    "runtimeConfig": Struct("", {"mac": STRING}, 'struct { Mac string "json:\\"mac,omitempty\\"" }'),
}


def _configuration(attributes: dict[str, Any], extra: dict[str, Any]) -> Struct:
    cni = Struct("IPAMArgs", attributes, "main.IPAMArgs")
    arguments = Struct("", {"cni": cni}, 'struct { A *main.IPAMArgs "json:\\"cni\\"" }')
    return Struct("TuningConf", {**_STANDARD, **attributes, "args": arguments, **extra}, "main.TuningConf")


VALID_ATTACHMENTS = ("cni.dev/valid-attachments", "cni.dev/attachments")
"""What a GC call keeps: the name in upstream's library, and the one in the text of the specification."""

_OLD = _configuration(_ATTRIBUTES, {})
_ATTACHMENT = Struct("GCAttachment", {"containerID": STRING, "ifname": STRING}, "types.GCAttachment")
_NEW_ATTRIBUTES = {**_ATTRIBUTES, "txQLen": INT}
_NEW = _configuration(
    _NEW_ATTRIBUTES, {"cni.dev/valid-attachments": List(_ATTACHMENT, "[]types.GCAttachment")}
)
_OURS = _configuration(
    _NEW_ATTRIBUTES,
    {
        **dict.fromkeys(VALID_ATTACHMENTS, List(_ATTACHMENT, "[]types.GCAttachment")),
        "allowlist": STRING,
        "mode": STRING,
    },
)
_NAME = Struct("", {"name": STRING}, 'struct { Name string "json:\\"name\\"" }')
_VERSION = Struct("", {"cniVersion": STRING}, 'struct { CNIVersion string "json:\\"cniVersion\\"" }')
_MODE = Struct("TuningConf", {"mode": STRING})


class NilMapPanic(Exception):
    """Upstream's crash on args without a sysctl member of its own."""


class NetConf:
    """One configuration, every source merged. `mtu` 0 and `mac` '' are unset; None is unset for the others."""

    __slots__ = (
        "allmulti", "allowlist", "cni_version", "data_dir", "mac", "mtu", "name", "prev_result", "promisc", "sysctl",
        "tx_qlen", "valid_attachments",
    )  # fmt: skip

    def __init__(self, fields: dict[str, Any]) -> None:
        self.cni_version: str = fields.get("cniVersion", "")
        self.name: str = fields.get("name", "")
        self.data_dir: str = fields.get("dataDir") or DEFAULT_DATA_DIR
        self.sysctl: dict[str, str] = fields.get("sysctl", {})
        self.mac: str = fields.get("mac", "")
        self.promisc: bool = fields.get("promisc", False)
        self.mtu: int = fields.get("mtu", 0)
        self.allmulti: bool | None = fields.get("allmulti")
        self.tx_qlen: int | None = fields.get("txQLen")
        self.prev_result: Any = fields.get("prevResult")
        self.allowlist: str = fields.get("allowlist", "")
        self.valid_attachments: list[dict[str, str]] = []
        for key in VALID_ATTACHMENTS:
            self.valid_attachments += fields.get(key, [])

    @property
    def changes_link(self) -> bool:
        """Is anything but sysctls asked for?"""
        return bool(self.mac or self.mtu or self.promisc or self.allmulti is not None or self.tx_qlen is not None)


def read_name(tree: Any) -> str:
    """The network's name. Raises wire.Problem."""
    fields = fit(_NAME, tree)
    return "" if fields is None else str(fields.get("name", ""))


def read_version(tree: Any) -> str:
    """The version of the configuration, 0.1.0 when it gives none. Raises wire.Problem."""
    fields = fit(_VERSION, tree)
    return str((fields or {}).get("cniVersion") or "0.1.0")


def read_mode(tree: Any) -> str:
    """The mode that the configuration asks for, '' when none."""
    fields = fit(_MODE, tree)
    return str((fields or {}).get("mode", ""))


def parse(tree: Any, cni_args: str, profile: Profile) -> NetConf:
    """Merge: configuration, then MAC of CNI_ARGS, then runtimeConfig, then args. Raises wire.Problem, NilMapPanic."""
    kind = _OURS if profile.strict else _NEW if profile.newest else _OLD
    try:
        fields = fit(kind, tree) or {}
    except wire.Problem as problem:
        raise wire.Problem(f"failed to load netconf: {problem}") from problem
    conf = NetConf(fields)
    mac = _mac_of_arguments(cni_args) if cni_args else ""
    conf.mac = (fields.get("runtimeConfig") or {}).get("mac") or mac or conf.mac
    more = (fields.get("args") or {}).get("cni") or {}
    if more.get("sysctl"):
        if "sysctl" not in fields and not profile.strict:
            raise NilMapPanic
        conf.sysctl = {**conf.sysctl, **more["sysctl"]}
    conf.mac = more.get("mac", conf.mac)
    conf.promisc = more.get("promisc", conf.promisc)
    conf.mtu = more.get("mtu", conf.mtu)
    conf.allmulti = more.get("allmulti", conf.allmulti)
    conf.tx_qlen = more.get("txQLen", conf.tx_qlen)
    return conf


def check_duplicates(tree: Any) -> None:
    """Raise wire.Problem when a key stands twice among the sysctls, or one's value is no string."""
    seen: set[str] = set()
    for name, node in tree:
        if name.lower() != "sysctl" or node is None:
            continue
        if not isinstance(node, wire.Members):
            fit(Struct("sysctlCheck", {"sysctl": Map(STRING, "map[main.sysctlKey]string")}), tree)
        for key, value in node:
            if key in seen:
                raise wire.Problem("duplicated sysctl keys are not allowed")
            seen.add(key)
            if value is not None:
                fit(STRING, value, f"sysctlCheck.sysctl.{key}")


def _mac_of_arguments(text: str) -> str:
    """`MAC=` of CNI_ARGS. Raises wire.Problem for pairs that cannot be read, or are unknown and not to be ignored."""
    mac, ignore, unknown = "", False, []
    for pair in text.split(";"):
        key, equals, value = pair.partition("=")
        if not equals or "=" in value:
            raise wire.Problem(f"ARGS: invalid pair {wire.quote(pair)}")
        if key == "MAC":
            mac = value
        elif key == "IgnoreUnknown":
            lowered = value.lower()
            if lowered not in ("1", "true", "0", "false"):
                words = f"boolean unmarshal error: invalid input {lowered}"
                raise wire.Problem(f"ARGS: error parsing value of pair {wire.quote(pair)}: {words}")
            ignore = lowered in ("1", "true")
        elif key == "CommonArgs":
            raise wire.Problem(
                "ARGS: cannot unmarshal into field 'CommonArgs' - type '*types.CommonArgs' does not implement "
                "encoding.TextUnmarshaler"
            )
        else:
            unknown.append(wire.quote(pair))
    if unknown and not ignore:
        raise wire.Problem(f"ARGS: unknown args [{' '.join(unknown)}]")
    return mac
