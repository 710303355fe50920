"""What one node's Profile asks of the machine, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned.plan import Guard, Place, Plan, Requirement


@dataclass(frozen=True, slots=True)
class Wish:
    """One node's plan, and the requirements of every profile that matches it.

    `reapply` tells whether the host's own files beat the profile, `corrects` whether drift is put right,
    `protects_kernel_defaults` whether the node's kubelet would refuse to start beside other values than its own.
    """

    node: str
    plan: Plan
    requirements: tuple[Requirement, ...] = ()
    reapply: bool = True
    corrects: bool = False
    protects_kernel_defaults: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What one node wants of one parameter: the profile's value, or the one of a host file that beats it.

    `place` is the profile's entry, `said` tells where the value stands, and `beaten` is the profile's own value, ""
    unless a file won with another text.
    """

    node: str
    name: SysctlName
    value: str
    guard: Guard
    place: Place
    said: str
    beaten: str = ""


@dataclass(frozen=True, slots=True)
class FileClaim:
    """What one node wants of one file below /sys."""

    node: str
    path: str
    value: str
    said: str


class Reason(StrEnum):
    """Why a node's profile is not in force as it stands: reasons of the condition Degraded."""

    AS_EXPECTED = "AsExpected"
    ERROR = "TunedError"
    DEFERRED = "TunedDeferredUpdate"
    OVERRIDE = "TunedSysctlOverride"
    WARNING = "TunedWarning"
    SHARED_KERNEL = "NodesShareKernel"
    REQUIREMENTS = "RequirementConflict"
    NETWORKING = "WouldBreakPodNetworking"
    DRIFT = "Drift"
    SECTIONS = "SectionsNotApplied"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing of a node's profile is applied."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Target:
    """The value a parameter is to have, or to keep when it has it, and who says so.

    `nodes` are those whose wish it is. `bounds` are given where nobody asked for a value: lowest and highest;
    `satisfied` is then True when the machine's own value lies within them, so that nothing is written.
    """

    value: str
    said: str
    nodes: tuple[str, ...]
    satisfied: bool = False
    bounds: tuple[int | None, int | None] | None = None
    corrects: bool = False


@dataclass(frozen=True, slots=True)
class Drifted:
    """One parameter that somebody else changed: what it was to be, and what it is now ("" when it is gone).

    `corrected` tells that it has been set back, `tired` that it was too often already.
    """

    name: SysctlName
    expected: str
    live: str
    said: str
    nodes: tuple[str, ...]
    corrected: bool = False
    tired: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one node's wish."""

    wish: Wish
    refusal: Refusal | None = None
    warnings: tuple[str, ...] = ()
    claims: tuple[Claim, ...] = ()
    targets: Mapping[SysctlName, Target] = field(default_factory=dict)
    drifted: tuple[Drifted, ...] = ()
