"""Requirements instead of values: bounds that several owners state for one parameter, and what satisfies them all.

A section `[requirements]` (or of another name with `type=requirements`) is this program's addition to the language:
`vm.max_map_count = >=262144`, `<=N` or `LOW..HIGH`, and `owner=NAME`. What is resolved here is written by the node
like any other setting; nothing is written when the node satisfies it already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned.folding import fold
from podsysctl.sysctls.tuned.plan import Guard, Place, Requirement, Setting
from podsysctl.sysctls.value import ValueKind, parse_number

TYPE = "requirements"
"""The type of a section of requirements."""

_RANGE = re.compile(r"(?P<low>\S+?)\s*\.\.\s*(?P<high>\S+)")


@dataclass(frozen=True, slots=True)
class Satisfied:
    """A parameter whose present value satisfies everyone, so that nothing is written for them."""

    name: SysctlName
    value: str
    owners: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} is {self.value}, which satisfies {', '.join(self.owners)}"


@dataclass(frozen=True, slots=True)
class Conflict:
    """A parameter for which no value satisfies everyone; the message names each owner, bound and place."""

    name: SysctlName
    owners: tuple[str, ...]
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Resolution:
    """What is to be written for requirements, what is not, and what cannot be. The guard of a setting is NONE."""

    settings: tuple[Setting, ...] = ()
    satisfied: tuple[Satisfied, ...] = ()
    conflicts: tuple[Conflict, ...] = ()


def parse_bounds(text: str, name: SysctlName) -> tuple[int | None, int | None]:
    """The bounds that a value of the section states. Raises ValueSyntaxError.

    >>> from podsysctl.sysctls.name import parse_name
    >>> parse_bounds(">=262144", parse_name("vm.max_map_count"))
    (262144, None)
    """
    label = f"{name}: "
    row = catalogue.find(name)
    if row is not None and row.spec.kind is not ValueKind.INTEGER:
        raise ValueSyntaxError(f"{label}a requirement bounds one number, and this is {_shape(row.spec.kind)}")
    ranged = _RANGE.fullmatch(text)
    if text.startswith(">="):
        low, high = parse_number(text[2:].strip(), label), None
    elif text.startswith("<="):
        low, high = None, parse_number(text[2:].strip(), label)
    elif ranged:
        low, high = parse_number(ranged["low"], label), parse_number(ranged["high"], label)
        if low > high:
            raise ValueSyntaxError(f"{label}the range starts at {low} and ends below it at {high}")
    else:
        raise ValueSyntaxError(f"{label}{text!r} is no requirement: write >=N, <=N or LOW..HIGH")
    if row is not None:
        maximum, minimum = row.spec.maximum, row.spec.minimum
        if low is not None and maximum is not None and low > maximum:
            raise ValueSyntaxError(f"{label}{low} is above {maximum}, the largest value there is")
        if high is not None and minimum is not None and high < minimum:
            raise ValueSyntaxError(f"{label}{high} is below {minimum}, the smallest value there is")
    return low, high


def of_owner(requirements: Iterable[Requirement], owner: str) -> tuple[Requirement, ...]:
    """The same requirements, those without an owner of their own on behalf of this one."""
    return tuple(item if item.owner else replace(item, owner=owner) for item in requirements)


def resolve(
    requirements: Iterable[Requirement], current: Mapping[SysctlName, str], wanted: Iterable[Setting] = ()
) -> Resolution:
    """The smallest values that satisfy all requirements, or why there are none.

    `current` are the node's values before its profile is applied (a name may be absent), `wanted` what the profile
    sets, in order. A profile's value that breaks a requirement is a conflict; its `>` and `<` are bounds like others,
    and what they make of the node's value is kept where it satisfies all.
    """
    values: dict[SysctlName, list[Setting]] = {}
    for setting in fold(wanted):
        values.setdefault(setting.name, []).append(setting)
    by_name: dict[SysctlName, list[Requirement]] = {}
    for item in requirements:
        by_name.setdefault(item.name, []).append(item)
    settings: list[Setting] = []
    satisfied: list[Satisfied] = []
    conflicts: list[Conflict] = []
    for name in sorted(by_name):
        found = _resolve_one(name, by_name[name], current.get(name), values.get(name, []))
        if isinstance(found, Setting):
            settings.append(found)
        elif isinstance(found, Satisfied):
            satisfied.append(found)
        elif found is not None:
            conflicts.append(found)
    return Resolution(tuple(settings), tuple(satisfied), tuple(conflicts))


def _resolve_one(
    name: SysctlName, stated: list[Requirement], current: str | None, wanted: list[Setting]
) -> Setting | Satisfied | Conflict | None:
    lows = [(item.at_least, item) for item in stated if item.at_least is not None]
    highs = [(item.at_most, item) for item in stated if item.at_most is not None]
    for setting in wanted:
        value = _number(setting.value)
        if value is None:
            text = f"{name}: {setting.place} sets {setting.value!r}, which is no number to compare with {_told(stated)}"
            return Conflict(name, _owners(stated), text)
        own = Requirement(name, value, value, f"profile {setting.place.profile}", setting.place)
        if setting.guard is not Guard.LOWER:
            lows.append((value, own))
        if setting.guard is not Guard.RAISE:
            highs.append((value, own))
    low, lowest = max(lows, key=lambda pair: pair[0], default=(None, None))
    high, highest = min(highs, key=lambda pair: pair[0], default=(None, None))
    if low is not None and high is not None and low > high and lowest is not None and highest is not None:
        text = f"{name}: {_least(lowest, low)}, but {_most(highest, high)}; no value satisfies both"
        return Conflict(name, tuple(dict.fromkeys((lowest.owner, highest.owner))), text)
    if any(setting.guard is Guard.NONE for setting in wanted):
        return None  # the profile's own value is within the bounds, and is written as it is
    number = _number(current) if current is not None else None
    floor = any(item.at_least is not None for item in stated)
    chosen = choose(_guarded(number, wanted), low, high, floor=floor)
    if chosen == number:
        return Satisfied(name, str(number), _owners(stated))
    decider = lowest if chosen == low else highest
    return None if decider is None else Setting(name, str(chosen), Guard.NONE, decider.place)


def _guarded(number: int | None, wanted: list[Setting]) -> int | None:
    """What a profile's `>` and `<` make of a number, all others aside."""
    if number is None:
        return None
    for setting in wanted:
        value = _number(setting.value)
        if value is not None:
            number = max(number, value) if setting.guard is Guard.RAISE else min(number, value)
    return number


def choose(number: int | None, low: int | None, high: int | None, *, floor: bool) -> int | None:
    """The value between bounds that do not exclude each other: the present one if it is, else the smallest there is.

    Where nobody requires a lower bound (`floor`; one that a `>` states only raises), a number that is too high goes
    to the upper one.

    >>> choose(9, 2, 5, floor=True), choose(9, 2, 5, floor=False), choose(3, 2, 5, floor=True)
    (2, 5, 3)
    """
    if number is None:
        return high if low is None else low
    if low is not None and number < low:
        return low
    if high is not None and number > high:
        return low if floor and low is not None else high
    return number


def _least(item: Requirement, number: int) -> str:
    return f"{item.owner or 'an unnamed owner'} needs at least {number} ({_where(item.place)})"


def _most(item: Requirement, number: int) -> str:
    return f"{item.owner or 'an unnamed owner'} allows at most {number} ({_where(item.place)})"


def _where(place: Place) -> str:
    return f"profile {place.profile}, section [{place.section}], line {place.line}"


def _told(stated: list[Requirement]) -> str:
    return "the requirement of " + ", ".join(_owners(stated))


def _owners(stated: list[Requirement]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(item.owner or "an unnamed owner" for item in stated))


def _number(text: str) -> int | None:
    try:
        return parse_number(text.strip())
    except ValueSyntaxError:
        return None


def _shape(kind: ValueKind) -> str:
    return {ValueKind.VECTOR: "several numbers", ValueKind.RANGE: "two numbers"}.get(kind, f"a {kind}")
