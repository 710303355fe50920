"""Tables of policies, leases, classes and bindings.

Source: Kubernetes 1.36 `pkg/printers/internalversion/printers.go`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables.base import AGE, NAME, Column, Object, Printer, created, name, section, whole, wide


def _budget(obj: Object, now: datetime) -> list[Any]:
    spec = section(obj, "spec")
    bounds = [str(spec[key]) if spec.get(key) is not None else "N/A" for key in ("minAvailable", "maxUnavailable")]
    return [name(obj), *bounds, whole(section(obj, "status").get("disruptionsAllowed")), created(obj, now)]


def _lease(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), section(obj, "spec").get("holderIdentity") or "", created(obj, now)]


def _priority_class(obj: Object, now: datetime) -> list[Any]:
    default = bool(obj.get("globalDefault"))
    return [name(obj), whole(obj.get("value")), default, created(obj, now), obj.get("preemptionPolicy") or ""]


def _binding(obj: Object, now: datetime) -> list[Any]:
    reference = section(obj, "roleRef")
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for subject in obj.get("subjects") or ():
        kind, shown = subject.get("kind", ""), subject.get("name", "")
        if kind == "ServiceAccount":
            shown = f"{subject.get('namespace', '')}/{shown}"
        by_kind.setdefault(kind, []).append(shown)
    return [
        name(obj),
        f"{reference.get('kind', '')}/{reference.get('name', '')}",
        created(obj, now),
        *(", ".join(by_kind[kind]) for kind in ("User", "Group", "ServiceAccount")),
    ]


BUDGET = Printer(
    (
        NAME,
        Column("Min Available"),
        Column("Max Unavailable"),
        Column("Allowed Disruptions", "integer"),
        AGE,
    ),
    _budget,
)
LEASE = Printer((NAME, Column("Holder"), AGE), _lease)
PRIORITY_CLASS = Printer(
    (NAME, Column("Value", "integer"), Column("Global-Default", "boolean"), AGE, Column("PreemptionPolicy")),
    _priority_class,
)
BINDING = Printer((NAME, Column("Role"), AGE, *wide("Users", "Groups", "ServiceAccounts")), _binding)
