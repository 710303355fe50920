"""What a test of a script asks of the present value, and what an action under it comes to: a guard, or unclear."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from podsysctl.policy.migration.effects import Effects, Exit
from podsysctl.policy.migration.shell_commands import Present, Value

PROC_SYS = "/proc/sys/"


@dataclass(frozen=True, slots=True)
class Condition:
    """What a test asks. `relation` of the present value to `operand`: lt, gt or ne; `exists` only asks for a file."""

    name: str = ""
    relation: str = ""
    operand: str = ""


def dotted(name: str) -> str:
    """A path below /proc/sys, or a name with slashes, as a dotted name; a dot in it becomes a slash."""
    slash, dot = name.find("/"), name.find(".")
    return name.translate({ord("/"): ".", ord("."): "/"}) if slash >= 0 and (dot < 0 or slash < dot) else name


def read_test(values: Sequence[Value], path: Callable[[str], str]) -> Condition | None:
    """What the words of a test ask."""
    if values and values[0] == "!":
        return negated(read_test(values[1:], path))
    if len(values) == 2 and values[0] in ("-e", "-f", "-w", "-r") and isinstance(values[1], str):
        place = path(values[1])
        name = dotted(place.removeprefix(PROC_SYS)) if place.startswith(PROC_SYS) else place
        return Condition(name, "exists")
    if len(values) != 3:
        return None
    left, operator, right = values
    mirrored = {"-lt": "-gt", "-gt": "-lt", "-le": "-ge", "-ge": "-le"}
    if isinstance(left, str) and isinstance(right, Present) and isinstance(operator, str):
        left, operator, right = right, mirrored.get(operator, operator), left
    if not isinstance(left, Present) or not isinstance(right, str):
        return None
    relation = {"-lt": "lt", "-le": "lt", "-gt": "gt", "-ge": "gt", "-ne": "ne", "!=": "ne", "-eq": "eq", "=": "eq",
                "==": "eq"}.get(str(operator), "")  # fmt: skip
    return Condition(left.name, relation, right) if relation else None


def negated(condition: Condition | None) -> Condition | None:
    """The opposite question."""
    opposite = {"lt": "gt", "gt": "lt", "ne": "eq", "eq": "ne", "exists": "missing", "missing": "exists"}
    return None if condition is None else replace(condition, relation=opposite[condition.relation])


def guarded(found: Effects, condition: Condition | None) -> Effects:
    """What is done under a condition: the guard that says the same, or unclear."""
    found = replace(found, exits=min(found.exits, Exit.MAYBE))
    if found.changes_nothing or found.unclear:
        return found
    guards = {"lt": ">", "gt": "<", "ne": "", "exists": ""}
    why = ""
    if condition is None or condition.relation not in guards:
        return replace(found, unclear=["something done under a condition that is not understood"])
    if condition.relation == "exists":
        if any(w.name != condition.name for w in found.writes) or any(p != condition.name for p, _ in found.sysfs):
            why = f"something done only where {condition.name} exists"
    elif found.sysfs or any(w.name != condition.name for w in found.writes):
        why = f"something done that depends on the present {condition.name}"
    elif any(w.value != condition.operand for w in found.writes):
        why = f"{condition.name} is compared with another value than the one it gets"
    guard, compared = guards[condition.relation], condition.relation != "exists"
    if any({guard, w.guard} == {"<", ">"} for w in found.writes):
        why = f"something done that two questions about the present {condition.name} exclude"
    if why:
        return replace(found, unclear=[why])
    writes = [replace(w, guard=w.guard or guard, compared=w.compared or compared) for w in found.writes]
    return replace(found, writes=writes)
