"""The firewall rules of the pod network: pods' traffic to elsewhere is masqueraded, and forwarding lets it pass.

Each of our rules carries a comment with the bridge's name, and that is how they are found again. The portmap
plugin makes chains of its own for host ports, which it leaves behind empty; `remove` takes those that nobody
uses any more (plugins: plugins/meta/portmap/portmap.go).
"""

from __future__ import annotations

import ipaddress
import logging
import shlex
import shutil
from collections.abc import Iterable, Sequence

from podsysctl.runtime import commands

_log = logging.getLogger(__name__)

_PORTMAP_CHAINS = ("CNI-HOSTPORT-DNAT", "CNI-HOSTPORT-SETMARK", "CNI-HOSTPORT-MASQ")
_LOCK_WAIT_S = "5"

Subnet = ipaddress.IPv4Network | ipaddress.IPv6Network


def available(version: int = 4) -> bool:
    """Whether rules can be written at all for this version of IP."""
    return shutil.which(_tool(version, "-restore"), path="/usr/sbin:/sbin:/usr/bin:/bin") is not None


async def ensure(bridge: str, subnets: Sequence[Subnet]) -> bool:
    """Write our rules once, replacing older ones. True when IPv4 traffic of pods is masqueraded.

    A host whose iptables does not work (no nat in its kernel, say) keeps pods to itself: False, and a warning.
    """
    done = {subnet.version: await _ensure_version(bridge, subnet) for subnet in subnets}
    return done.get(4, False)


async def remove(bridge: str) -> None:
    """Remove our rules and portmap's chains that serve nobody. Idempotent."""
    for version in (4, 6):
        if available(version):
            saved = await commands.run(_tool(version, "-save"))
            lines = _delete_lines(saved, bridge, portmap=True)
            if lines:
                await commands.run(_tool(version, "-restore"), "--noflush", "-w", _LOCK_WAIT_S, stdin=_document(lines))


async def _ensure_version(bridge: str, subnet: Subnet) -> bool:
    if not available(subnet.version):
        _log.warning("%s is not installed: pods reach this machine only", _tool(subnet.version, ""))
        return False
    try:
        saved = await commands.run(_tool(subnet.version, "-save"))
        lines = _delete_lines(saved, bridge, portmap=False) + _our_rules(bridge, subnet)
        await commands.run(_tool(subnet.version, "-restore"), "--noflush", "-w", _LOCK_WAIT_S, stdin=_document(lines))
    except commands.CommandError as error:
        _log.warning("pods reach this machine only, since the firewall refused: %s", error.message)
        return False
    return True


def _tool(version: int, suffix: str) -> str:
    return ("iptables" if version == 4 else "ip6tables") + suffix


def _our_rules(bridge: str, subnet: Subnet) -> list[tuple[str, str]]:
    """Table and rule, with what it does to the chain."""
    comment = f'-m comment --comment "podsysctl {bridge}"'
    return [
        ("nat", f"-A POSTROUTING -s {subnet} ! -o {bridge} {comment} -j MASQUERADE"),
        ("filter", f"-I FORWARD -i {bridge} {comment} -j ACCEPT"),
        ("filter", f"-I FORWARD -o {bridge} {comment} -j ACCEPT"),
    ]


def _delete_lines(saved: str, bridge: str, *, portmap: bool) -> list[tuple[str, str]]:
    """Table and line that undo what the text of `iptables-save` shows of us."""
    rules = list(_rules(saved))
    out = [(table, f"-D {rule}") for table, rule in rules if f"podsysctl {bridge}" in shlex.split(rule)]
    if not portmap or any(rule.startswith(_PORTMAP_CHAINS[0] + " ") for _, rule in rules):
        return out
    chains = [(table, chain) for table, chain in _chains(saved) if chain in _PORTMAP_CHAINS]
    for table, rule in rules:
        words = shlex.split(rule)
        if "-j" in words and words[words.index("-j") + 1] in _PORTMAP_CHAINS:
            out.append((table, f"-D {rule}"))
    out += [(table, f"-F {chain}") for table, chain in chains]
    out += [(table, f"-X {chain}") for table, chain in chains]
    return out


def _rules(saved: str) -> Iterable[tuple[str, str]]:
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith("-A "):
            yield table, line[3:]


def _chains(saved: str) -> Iterable[tuple[str, str]]:
    table = ""
    for line in saved.splitlines():
        if line.startswith("*"):
            table = line[1:]
        elif line.startswith(":"):
            yield table, line[1:].split()[0]


def _document(lines: Sequence[tuple[str, str]]) -> str:
    out = []
    for table in dict.fromkeys(table for table, _ in lines):
        out += [f"*{table}", *(line for of, line in lines if of == table), "COMMIT", ""]
    return "\n".join(out)
