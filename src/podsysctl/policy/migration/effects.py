"""What a container does to kernel parameters, and whether that is all it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum


class Exit(IntEnum):
    """Whether a command ends its shell."""

    NO = 0
    MAYBE = 1
    YES = 2


@dataclass(frozen=True, slots=True)
class Write:
    """One value written. `name` is as written; `guard` is `>` or `<` when it is written only if that raises or lowers.

    `compared` tells that the script looked at the value before, also where no guard is left of it; `host_net` and
    `host_ipc` that the command entered the node's own namespaces first.
    """

    name: str
    value: str
    guard: str = ""
    compared: bool = False
    host_net: bool = False
    host_ipc: bool = False


@dataclass(slots=True)
class Effects:
    """Everything a command does, as far as it was understood.

    `sysfs` are (path, value); `unknown` names that get a value only the run can tell; `unnamed` tells that not even
    the names of some are known; `notes` are things done that change nothing; `unclear` says what was not understood:
    while it is not empty, nothing may be taken away. `exits` tells whether the shell ended, so that what comes after
    never runs. `idles` when it then only waits, `repeats` when it writes again and again.
    """

    writes: list[Write] = field(default_factory=list)
    sysfs: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unnamed: bool = False
    notes: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    exits: Exit = Exit.NO
    idles: bool = False
    repeats: bool = False

    @property
    def only_sets(self) -> bool:
        """Whether it sets values and does nothing else."""
        return bool(self.writes or self.sysfs) and not self.unclear

    @property
    def changes_nothing(self) -> bool:
        """Whether it was understood and sets nothing."""
        return not (self.writes or self.sysfs or self.unclear)

    def add(self, other: Effects) -> None:
        """Do this as well."""
        self.writes += other.writes
        self.sysfs += other.sysfs
        self.unknown += other.unknown
        self.unnamed = self.unnamed or other.unnamed
        self.notes += other.notes
        self.unclear += other.unclear
        self.exits = max(self.exits, other.exits)
        self.idles = self.idles or other.idles
        self.repeats = self.repeats or other.repeats
