"""What a profile asks of a node, after includes, inheritance and variables: values, requirements, and what is left out.

Every entry keeps its place (profile, section, key, line), so that whoever refuses it can name it. How a plan is made of
texts is `build.py`; how it reaches the kernel is `node/tuning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from podsysctl.base.errors import PodsysctlError
from podsysctl.sysctls.name import SysctlName


class ProfileError(PodsysctlError):
    """A profile that cannot be loaded at all: absent, unreadable, or including what is absent."""

    reason = "InvalidProfile"


class Guard(StrEnum):
    """When a value is written: always, only where it raises the present one, only where it lowers it."""

    NONE = ""
    RAISE = ">"
    LOWER = "<"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: the profile that holds it, its section, its key (as written) and its line, from 1."""

    profile: str
    section: str
    key: str
    line: int

    def __str__(self) -> str:
        return f"profile {self.profile}, section [{self.section}], {self.key} (line {self.line})"


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter and the value it is to have; `value` is expanded, and without the guard and its quotes."""

    name: SysctlName
    value: str
    guard: Guard
    place: Place


@dataclass(frozen=True, slots=True)
class SysfsSetting:
    """One file below /sys (a path that may hold wildcards) and the text to write."""

    path: str
    value: str
    place: Place


@dataclass(frozen=True, slots=True)
class Requirement:
    """Bounds for a parameter of one number, both inclusive, on behalf of an owner; at least one is given."""

    name: SysctlName
    at_least: int | None
    at_most: int | None
    owner: str
    place: Place


@dataclass(frozen=True, slots=True)
class NotApplied:
    """A section that is understood by TuneD and not applied by us, and why."""

    profile: str
    section: str
    type: str
    why: str


@dataclass(frozen=True, slots=True)
class Problem:
    """An entry that cannot be applied: its place, the rule it breaks, and the value as far as it could be evaluated.

    The others of the plan can still be. `type` is that of its section.
    """

    place: Place
    message: str
    value: str = ""
    type: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Plan:
    """All that one node's profile asks for, in the order in which it is applied.

    `profiles` are the names of everything loaded, the chosen one last. `reapply_sysctl` is TuneD's own default and may
    be overruled by the node's configuration.
    """

    profile: str
    profiles: tuple[str, ...] = ()
    sysctls: tuple[Setting, ...] = ()
    sysfs: tuple[SysfsSetting, ...] = ()
    requirements: tuple[Requirement, ...] = ()
    not_applied: tuple[NotApplied, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What functions of the language may ask of the machine; made by the caller, so that this package stays pure.

    `virtualization` is what systemd-detect-virt prints (`none` on bare metal), `cpus` the online processors, `uname`
    the words of uname(2) with spaces between them. `files` are texts by path: /proc/cpuinfo,
    /sys/devices/system/cpu/present and every processor's topology/physical_package_id are looked at, and what a
    profile's `[variables]` include.
    """

    virtualization: str = "none"
    cpus: tuple[int, ...] = (0,)
    files: tuple[tuple[str, str], ...] = ()
    uname: str = ""
