"""Merges profiles section by section: a later one overrides key by key, or replaces, or drops.

The merged section keeps of every key who wrote it. Variables are collected the same way and evaluated afterwards
(`variables.py`), so that a child's variable changes what a parent writes. Source: tuned profiles/merger.py, unit.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from podsysctl.sysctls.tuned.loader import Profile, Text

_TRUE = ("True", "true", "1")
_DROP_SEPARATOR = re.compile(r"\b\s*[,;]\s*")
VARIABLES = "variables"
SCRIPTS = ("script_pre", "script_post")
PROPERTIES = frozenset(
    {"type", "enabled", "replace", "prepend", "drop", "priority", "cpuinfo_regex", "uname_regex", "devices",
     "devices_udev_regex", *SCRIPTS}
)  # fmt: skip
"""Keys that say something of their section and are none of its settings."""


@dataclass(slots=True)
class Unit:
    """One section after merging; the properties that TuneD takes out of the keys have fields of their own."""

    name: str
    profile: str
    type: str
    enabled: bool
    replace: bool
    prepend: bool
    drop: tuple[str, ...]
    priority: Text | None
    cpuinfo_regex: Text | None
    uname_regex: Text | None
    scripts: dict[str, Text]
    options: dict[str, Text]


@dataclass(slots=True)
class Merged:
    """Everything that all profiles together say: variables in order, and the sections in order."""

    variables: dict[str, Text] = field(default_factory=dict)
    units: dict[str, Unit] = field(default_factory=dict)


def merge(profiles: Iterable[Profile]) -> Merged:
    """Merge in the given order, the most general profile first."""
    out = Merged()
    for profile in profiles:
        for name, keys in profile.sections.items():
            if name == "main":
                continue
            unit = _unit(profile.name, name, dict(keys))
            if unit.type == VARIABLES:
                _merge_variables(out.variables, unit)
            elif unit.replace or name not in out.units:
                out.units[name] = unit
            else:
                _merge_unit(out.units[name], unit)
    return out


def _unit(profile: str, name: str, keys: dict[str, Text]) -> Unit:
    def flag(key: str, default: bool) -> bool:
        text = keys.pop(key, None)
        return default if text is None else text.value in _TRUE

    kind, drop = keys.pop("type", None), keys.pop("drop", None)
    unit = Unit(
        name=name,
        profile=profile,
        type=name if kind is None else kind.value,
        enabled=flag("enabled", True),
        replace=flag("replace", False),
        prepend=flag("prepend", False),
        drop=() if drop is None else tuple(_DROP_SEPARATOR.split(drop.value)),
        priority=keys.pop("priority", None),
        cpuinfo_regex=keys.pop("cpuinfo_regex", None),
        uname_regex=keys.pop("uname_regex", None),
        scripts={key: keys.pop(key) for key in SCRIPTS if key in keys},
        options=keys,
    )
    for key in ("devices", "devices_udev_regex"):
        keys.pop(key, None)
    return unit


def _merge_variables(variables: dict[str, Text], unit: Unit) -> None:
    if unit.replace:
        variables.clear()
    for key in unit.drop:
        variables.pop(key, None)
    if unit.prepend:
        first = {key: text for key, text in unit.options.items() if key not in variables}
        rest = variables | {key: text for key, text in unit.options.items() if key in variables}
        variables.clear()
        variables.update(first | rest)
    else:
        variables.update(unit.options)


def _merge_unit(into: Unit, unit: Unit) -> None:
    into.profile, into.type, into.enabled = unit.profile, unit.type, unit.enabled
    into.priority = unit.priority or into.priority
    into.cpuinfo_regex = unit.cpuinfo_regex or into.cpuinfo_regex
    into.uname_regex = unit.uname_regex or into.uname_regex
    into.scripts.update(unit.scripts)
    for key in unit.drop:
        into.options.pop(key, None)
    into.options.update(unit.options)
