"""Makes of several settings of one parameter what they come to together, whatever the value before.

Sections of one plan may name a parameter more than once; they are applied one after the other. Since a guard looks at
the value that the setting before it left, the last one alone is not the answer: `10`, then `>5`, leaves 10.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from podsysctl.base.errors import ValueSyntaxError
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned.plan import Guard, Setting
from podsysctl.sysctls.value import parse_number


def fold(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """For each name one value, or one bound, or a lower and an upper bound of which the lower is not above the other.

    Names stay in the order in which they are mentioned last. Applying the result gives what applying all gives.
    """
    out: dict[SysctlName, tuple[Setting, ...]] = {}
    for setting in settings:
        before = out.pop(setting.name, ())
        out[setting.name] = _after(before, setting)
    return tuple(setting for found in out.values() for setting in found)


def _after(before: tuple[Setting, ...], setting: Setting) -> tuple[Setting, ...]:
    number = _number(setting)
    if setting.guard is Guard.NONE or number is None:
        return (setting,)
    numbers = {item.guard: _number(item) for item in before}
    if None in numbers.values():
        return (*before, setting)  # no number before it: whoever applies them will refuse the comparison
    out = {item.guard: item for item in before}
    wins = int.__gt__ if setting.guard is Guard.RAISE else int.__lt__
    fixed = numbers.get(Guard.NONE)
    if fixed is not None:
        return (replace(setting, guard=Guard.NONE),) if wins(number, fixed) else before
    other = Guard.LOWER if setting.guard is Guard.RAISE else Guard.RAISE
    limit = numbers.get(other)
    if limit is not None and wins(number, limit):
        return (replace(setting, guard=Guard.NONE),)  # beyond the other bound: every value becomes this one
    same = numbers.get(setting.guard)
    if same is None or wins(number, same):
        out[setting.guard] = setting
    return tuple(out[guard] for guard in (Guard.RAISE, Guard.LOWER) if guard in out)


def _number(setting: Setting) -> int | None:
    try:
        return parse_number(setting.value.strip())
    except ValueSyntaxError:
        return None
