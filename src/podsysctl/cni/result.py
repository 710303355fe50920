"""Results of CNI plugins: read at one version, changed, printed at another.

Three shapes: 0.1/0.2 with one address of each family, 0.3/0.4 with addresses that say their family, 1.x without.
Source: cni pkg/types/{020,040,100}, v1.1.2 (in plugins 1.1.1) and v1.2.3.
"""

from __future__ import annotations

from podsysctl.cni import wire
from podsysctl.cni.shape import INT, STRING, List, Struct, Text, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from podsysctl.cni.profile import Profile


def _read_ip(text: str) -> str:
    """An address in Go's spelling, '' for none. Raises Problem."""
    if text == "":
        return ""
    return _canonical(text) or _fail(f"invalid IP address: {text}")


def _read_cidr(text: str) -> str:
    """An address with its prefix length. Raises Problem."""
    address, slash, length = text.partition("/")
    canonical = _canonical(address)
    bits = 32 if canonical and "." in canonical else 128
    if not slash or not canonical or not (length.isascii() and length.isdigit()) or int(length) > bits:
        return _fail(f"invalid CIDR address: {text}")
    return f"{canonical}/{int(length)}"


def _canonical(text: str) -> str:
    from _socket import AF_INET, AF_INET6, inet_ntop, inet_pton

    try:
        if ":" not in text:
            return str(inet_ntop(AF_INET, inet_pton(AF_INET, text)))
        packed = inet_pton(AF_INET6, text)
        if packed[:12] == bytes(10) + b"\xff\xff":
            return str(inet_ntop(AF_INET, packed[12:]))
        return str(inet_ntop(AF_INET6, packed))
    except (OSError, ValueError):
        return ""


def _fail(text: str) -> str:
    raise wire.Problem(text)


_IP = Text(_read_ip, "net.IP")
_CIDR = Text(_read_cidr, "string")
_STRINGS = List(STRING, "[]string")
_DNS = Struct("DNS", {"nameservers": _STRINGS, "domain": STRING, "search": _STRINGS, "options": _STRINGS}, "types.DNS")
_ROUTE = Struct("route", {"dst": _CIDR, "gw": _IP}, opaque=True)
_ROUTE_NUMBERS = ("mtu", "advmss", "priority", "table", "scope")
_ROUTE_NEW = Struct("route", {"dst": _CIDR, "gw": _IP, **dict.fromkeys(_ROUTE_NUMBERS, INT)}, opaque=True)
_INTERFACE = Struct("Interface", {"name": STRING, "mac": STRING, "sandbox": STRING})
_INTERFACE_NEW = Struct(
    "Interface",
    {"name": STRING, "mac": STRING, "mtu": INT, "sandbox": STRING, "socketPath": STRING, "pciID": STRING},
)
_VERSIONS_020 = ("", "0.1.0", "0.2.0")
_VERSIONS_040 = ("0.3.0", "0.3.1", "0.4.0")


class Result:
    """One result in the members of 1.x: interfaces, ips (each with `version` where 0.3/0.4 gave it), routes, dns.

    `four` and `six` hold the addresses of 0.1/0.2.
    """

    __slots__ = ("dns", "four", "interfaces", "ips", "routes", "six", "version")

    def __init__(self, version: str, fields: dict[str, Any]) -> None:
        self.version = version
        self.interfaces: list[dict[str, Any]] = fields.get("interfaces") or []
        self.ips: list[dict[str, Any]] = fields.get("ips") or []
        self.routes: list[dict[str, Any]] = fields.get("routes") or []
        self.dns: dict[str, Any] = fields.get("dns") or {}
        self.four: dict[str, Any] | None = fields.get("ip4")
        self.six: dict[str, Any] | None = fields.get("ip6")


def parse(node: Any, conf_version: str, profile: Profile) -> Result:
    """The previous result, read as the configuration's version has it. Raises wire.Problem."""
    members = wire.plain(node)
    if not members.get("CNIVersion"):
        members["CNIVersion"] = conf_version
    tree = wire.Members(sorted(members.items()))
    try:
        return _create(_members(tree), conf_version, profile)
    except wire.Problem as problem:
        raise wire.Problem(f"could not parse prevResult: {problem}") from problem


def _members(node: Any) -> Any:
    """Dicts back to members, sorted, and whole numbers without a point, as a round trip through Go makes them."""
    if isinstance(node, wire.Members):
        return wire.Members([(key, _members(value)) for key, value in node])
    if isinstance(node, dict):
        return wire.Members([(key, _members(node[key])) for key in sorted(node)])
    if isinstance(node, list):
        return [_members(item) for item in node]
    if isinstance(node, wire.Fraction):
        number = float(node)
        return int(number) if number.is_integer() and abs(number) < 1e21 else node
    return node


def _create(tree: Any, version: str, profile: Profile) -> Result:
    route = _ROUTE_NEW if profile.newest else _ROUTE
    current = ("1.0.0", "1.1.0") if profile.newest else ("1.0.0",)
    fields: dict[str, Any] = {"cniVersion": STRING, "dns": _DNS}
    if version in _VERSIONS_020:
        supported: tuple[str, ...] = _VERSIONS_020
        address = Struct("ipConfig", {"ip": _CIDR, "gateway": _IP, "routes": List(route, "[]types.Route")}, opaque=True)
        fields |= {"ip4": address, "ip6": address}
    else:
        supported = _VERSIONS_040 if version in _VERSIONS_040 else current
        members = {"interface": INT, "address": _CIDR, "gateway": _IP}
        if version in _VERSIONS_040:
            members["version"] = STRING
        interface = _INTERFACE_NEW if profile.newest and supported is current else _INTERFACE
        fields["interfaces"] = List(interface, "[]*types100.Interface")
        fields["ips"] = List(Struct("ipConfig", members, opaque=True), "[]*types100.IPConfig")
        fields["routes"] = List(route, "[]*types.Route")
    if version not in supported:
        raise wire.Problem(f"unsupported CNI result version {wire.quote(version)}")
    found = fit(Struct("Result", fields), tree)
    own = found.get("cniVersion", "")
    if own not in supported:
        words = " ".join(supported)
        raise wire.Problem(f"result type supports [{words}] but unmarshalled CNIVersion is {wire.quote(own)}")
    return Result(own or "0.1.0", found)


def convert(result: Result, version: str, profile: Profile) -> Result:
    """The same result at another version, losing what that has no place for. Raises wire.Problem."""
    version = version or "0.1.0"
    if result.version == version:
        return result
    if version not in profile.versions:
        raise wire.Problem(f"no converter for CNI result version {result.version} to {version}")
    out = Result(version, {"dns": result.dns})
    if result.version in _VERSIONS_020:
        if version in _VERSIONS_020:
            out.four, out.six = result.four, result.six
            return out
        for family, address in (("4", result.four), ("6", result.six)):
            if address is not None:
                out.ips.append({"version": family, "address": address.get("ip"), "gateway": address.get("gateway")})
                out.routes += address.get("routes") or []
        return out
    out.interfaces, out.routes = result.interfaces, result.routes
    out.ips = [{**ip, "version": _family(ip, result.version)} for ip in result.ips]
    return _to_020(out) if version in _VERSIONS_020 else out


def _family(ip: dict[str, Any], version: str) -> str:
    if version in _VERSIONS_040:
        return str(ip.get("version", ""))
    return "4" if "." in (ip.get("address") or "") else "6"


def _to_020(result: Result) -> Result:
    out = Result(result.version, {"dns": result.dns})
    for ip in result.ips:
        address: dict[str, Any] = {"ip": ip.get("address"), "gateway": ip.get("gateway"), "routes": []}
        if ip["version"] == "4" and out.four is None:
            out.four = address
        elif ip["version"] == "6" and out.six is None:
            out.six = address
    for route in result.routes:
        home = out.four if "." in (route.get("dst") or "") else out.six
        if home is not None:
            home["routes"].append(route)
    if out.four is None and out.six is None:
        raise wire.Problem("cannot convert: no valid IP addresses")
    return out


def current_version(profile: Profile) -> str:
    """The newest version the profile knows."""
    return profile.versions[-1]


def text(result: Result, profile: Profile) -> str:
    """The result as upstream prints it."""
    out: dict[str, Any] = {"cniVersion": result.version}
    if result.version in _VERSIONS_020:
        for name, address in (("ip4", result.four), ("ip6", result.six)):
            if address is not None:
                out[name] = _present({"ip": address.get("ip") or "<nil>", "gateway": address.get("gateway"),
                                      "routes": _routes(address.get("routes") or [])})  # fmt: skip
    else:
        old = result.version in _VERSIONS_040
        out["interfaces"] = [_interface(item, old=old) for item in result.interfaces]
        out["ips"] = [_ip(item, old=old) for item in result.ips]
        out["routes"] = _routes(result.routes)
    out = _present(out)
    out["dns"] = _present({key: result.dns.get(key) for key in ("nameservers", "domain", "search", "options")})
    if profile.newest and result.version.startswith("1."):
        if not out["dns"]:
            del out["dns"]
        out = _sorted(out)
    return wire.indent(out)


def _present(members: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty, as `omitempty`; 0 behind a pointer is there."""
    return {key: value for key, value in members.items() if value not in (None, "", [])}


def _interface(item: dict[str, Any], *, old: bool) -> dict[str, Any]:
    if old:
        return {"name": item.get("name", ""), **_present({key: item.get(key) for key in ("mac", "sandbox")})}
    names = ("mac", "mtu", "sandbox", "socketPath", "pciID")
    return {"name": item.get("name", ""), **_present({key: item.get(key) or None for key in names})}


def _ip(item: dict[str, Any], *, old: bool) -> dict[str, Any]:
    out = {"version": item.get("version", "")} if old else {}
    if item.get("interface") is not None:
        out["interface"] = item["interface"]
    out["address"] = item.get("address") or "<nil>"
    return out | _present({"gateway": item.get("gateway")})


def _routes(routes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for route in routes:
        members = {"dst": route.get("dst") or "<nil>", "gw": route.get("gw")}
        for key in ("mtu", "advmss", "priority"):
            members[key] = route.get(key) or None
        out.append(_present({**members, "table": route.get("table"), "scope": route.get("scope")}))
    return out


def _sorted(value: Any) -> Any:
    """Members by name: what Go's detour through a map does to results of 1.x since cni 1.2."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value
