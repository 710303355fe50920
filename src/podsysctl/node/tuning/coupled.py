"""Which other parameters the kernel may change when one is written: their values are saved and put back as well."""

from __future__ import annotations

from collections.abc import Iterable

from podsysctl.base.errors import KernelError
from podsysctl.kernel import procsys
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName, parse_name


def partners(names: Iterable[SysctlName]) -> dict[SysctlName, set[SysctlName]]:
    """What may move with these, and with which of them, they themselves left out: `vm.dirty_ratio` with
    `vm.dirty_bytes`, and every interface's setting with the one of `all`.
    """
    given = list(dict.fromkeys(names))
    out: dict[SysctlName, set[SysctlName]] = {}
    for name in given:
        found: dict[SysctlName, None] = {}
        row = catalogue.find(name)
        for text in row.coupled if row is not None else ():
            other = parse_name(text)
            found.update(dict.fromkeys(_of_interfaces(other) if other.is_template else [other]))
        if name.is_interface_specific and name.segments[3] == "all":
            found.update(dict.fromkeys(_of_interfaces(name)))
        for other in found:
            if other not in given and procsys.exists(other):
                out.setdefault(other, set()).add(name)
    return out


def _of_interfaces(name: SysctlName) -> list[SysctlName]:
    """The same setting of every interface there is now, of `all` and `default`."""
    try:
        entries = procsys.list_entries(SysctlName(name.segments[:3]))
    except KernelError:
        return []  # an address family that this kernel does not have
    return [entry.name for entry in entries if entry.name.segments[-1] == name.segments[-1] and entry.writable]
