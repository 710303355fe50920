"""Wishes made of profile texts, and an arbiter that keeps its files in a test's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.wish import Wish
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.tuned import requirements
from podsysctl.sysctls.tuned.build import build_plan
from podsysctl.sysctls.tuned.plan import MachineFacts, Plan


def no_dangers(_: Plan) -> Sequence[object]:
    """A guard that never objects."""
    return ()


def wish(node: str, text: str, others: dict[str, str] | None = None, **options: object) -> Wish:
    """A node's wish for a profile of its own, named p, which may include others; its requirements are the owner's o."""
    plan = build_plan("p", {"p": text, **(others or {})}, MachineFacts())
    found = requirements.of_owner(plan.requirements, f"owner-of-{node}")
    return Wish(node, plan, found, **options)  # type: ignore[arg-type]


def sysctls(**values: str) -> str:
    """A profile's text: keyword arguments with two underscores for each dot."""
    return "[sysctl]\n" + "".join(f"{name.replace('__', '.')}={value}\n" for name, value in values.items())


def arbiter(data_dir: Path, root: Path | None = None) -> Arbiter:
    """An arbiter, not opened, that sees no files of the host."""
    return Arbiter(data_dir, no_dangers, root=root or data_dir / "no-root", shared=data_dir / "shared")


def name(text: str) -> SysctlName:
    """A parameter's name."""
    return parse_name(text)
