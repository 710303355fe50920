"""What is wrong with a profile on every machine, for whoever judges it without one.

A profile may depend on the machine: two quite different ones are tried, and what both object to is told. A node may
still find more.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from podsysctl.sysctls.tuned import shipped
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan, Problem, ProfileError

MACHINES: Final = (
    MachineFacts(virtualization="none", cpus=tuple(range(64))),
    MachineFacts(virtualization="kvm", cpus=(0, 1)),
)

_OF_THE_MACHINE: Final = "variables_file"
"""In problems about a file of variables, which only the node can read."""


def plans(
    name: str, profiles: Mapping[str, str], known: Mapping[str, str] = shipped.PROFILES
) -> tuple[Plan | ProfileError, ...]:
    """What the profile comes to on each of the machines."""
    return tuple(_plan(name, profiles, machine, known) for machine in MACHINES)


def error(found: tuple[Plan | ProfileError, ...]) -> ProfileError | None:
    """Why no machine can load the profile; None when one can."""
    errors = [item for item in found if isinstance(item, ProfileError)]
    return errors[0] if len(errors) == len(found) else None


def problems(found: tuple[Plan | ProfileError, ...]) -> tuple[Problem, ...]:
    """The entries that no machine would apply; none when a machine cannot load the profile at all."""
    of_plans = [item.problems for item in found if isinstance(item, Plan)]
    if len(of_plans) < len(found):
        return ()
    return tuple(
        problem
        for problem in of_plans[0]
        if _OF_THE_MACHINE not in problem.message and all(problem in others for others in of_plans[1:])
    )


def _plan(
    name: str, profiles: Mapping[str, str], machine: MachineFacts, known: Mapping[str, str]
) -> Plan | ProfileError:
    try:
        return build_plan(name, profiles, machine, known)
    except ProfileError as refused:
        return refused
