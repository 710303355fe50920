"""The constraints that the repository ships, read from their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from podsysctl.base.versions import KernelVersion
from podsysctl.policy.scc.constraint import Constraint
from podsysctl.policy.scc.namespace_range import NamespaceRanges
from podsysctl.policy.scc.ordering import sort_constraints
from podsysctl.policy.scc.provider import Provider
from podsysctl.sysctls import safe

DIRECTORY = Path(__file__).resolve().parents[2] / "deploy" / "scc"
NAMESPACE = NamespaceRanges("demo", "1000660000/10000", "1000660000/10000", "s0:c26,c5")
SAFE = frozenset(safe.scc_safe(KernelVersion(6, 1)))


def objects() -> list[dict[str, Any]]:
    """Every shipped constraint."""
    paths = sorted(DIRECTORY.glob("*.yaml"))
    return [yaml.safe_load(path.read_text()) for path in paths if path.name != "access.yaml"]


def providers(*more: dict[str, Any], without: tuple[str, ...] = ()) -> list[Provider]:
    """Shipped constraints, and others, ready for the namespace `demo`, in order of evaluation."""
    parsed = [Constraint.parse(obj) for obj in (*objects(), *more) if obj["metadata"]["name"] not in without]
    return [Provider(constraint, NAMESPACE, SAFE) for constraint in sort_constraints(parsed)]


def provider(name: str, **changes: Any) -> Provider:
    """One shipped constraint with fields replaced."""
    obj = next(o for o in objects() if o["metadata"]["name"] == name)
    return Provider(Constraint.parse({**obj, **changes}), NAMESPACE, SAFE)
