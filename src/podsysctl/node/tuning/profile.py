"""What a Profile object asks of this node: its plan, its requirements, and the words of what cannot be loaded."""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.node.tuning.wish import Wish
from podsysctl.objects import tuning
from podsysctl.sysctls.tuned import requirements
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import MachineFacts, ProfileError, Requirement

Object = dict[str, Any]


def name_of(profile: Object) -> str:
    """The profile that was chosen for the node."""
    return str(((profile.get("spec") or {}).get("config") or {}).get("tunedProfile") or "")


def deferral(profile: Object) -> str:
    """`always`, `update`, or "" when changes are applied at once."""
    mode = _annotations(profile).get(tuning.DEFERRED, "")
    return mode if mode in ("always", "update") else ""


def texts(profile: Object) -> dict[str, str]:
    """The profiles of all Tuned objects by name."""
    listed = (profile.get("spec") or {}).get("profile") or ()
    return {str(item.get("name")): str(item.get("data") or "") for item in listed}


def read_wish(profile: Object, facts: MachineFacts, *, protects_kernel_defaults: bool = False) -> Wish:
    """The wish of a Profile. Raises ProfileError when it, or a profile whose requirements count, cannot be loaded.

    What else is wrong with a profile of which only the requirements count is no matter of this node.
    """
    spec = profile.get("spec") or {}
    config = spec.get("config") or {}
    defined = texts(profile)
    chosen = name_of(profile)
    plan = build_plan(chosen, defined, facts)
    found: dict[Requirement, None] = {}
    demands = [(str(item.get("profile")), str(item.get("owner") or "")) for item in spec.get("requirements") or ()]
    for name, owner in [*demands, (chosen, f"profile {chosen}")]:
        of_profile = plan if name == chosen else build_plan(name, defined, facts)
        wrong = [str(problem) for problem in of_profile.problems if problem.type == requirements.TYPE]
        if of_profile is not plan and wrong:
            raise ProfileError("; ".join(wrong))
        for item in requirements.of_owner(of_profile.requirements, owner):
            if all(item.place != earlier.place for earlier in found):
                found[item] = None
    settings = config.get("tunedConfig") or {}
    return Wish(
        node=str(profile["metadata"]["name"]),
        plan=plan,
        requirements=tuple(found),
        reapply=settings.get("reapply_sysctl") is not False,
        corrects=_annotations(profile).get(tuning.CORRECT_DRIFT) == "true",
        protects_kernel_defaults=protects_kernel_defaults,
    )


def load_failure(error: PodsysctlError, *, first: bool) -> str:
    """TuneD's line for a profile that cannot be loaded, at its start or later."""
    prefix = "Cannot set initial profile. No tunings will be enabled" if first else "Failed to reload TuneD"
    hint = f" ({error.hint})" if error.hint else ""
    return f"{prefix}: {error.message}{hint}"


def _annotations(profile: Object) -> dict[str, str]:
    return profile["metadata"].get("annotations") or {}
