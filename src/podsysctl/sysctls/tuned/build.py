"""Makes the plan of a profile: loads, merges, evaluates, and checks every key and value against what is known.

What cannot be applied becomes a Problem that names its place and the rule; what TuneD would do and this program does
not becomes a NotApplied. Nothing is read from the machine: what functions ask of it is in MachineFacts. The kernel's
own word (does the file exist, does it take the value) is `node/tuning`'s step. Source: tuned plugin_sysctl.py,
plugin_sysfs.py, units/manager.py.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from podsysctl.base import limits
from podsysctl.base.errors import NameSyntaxError, ValueSyntaxError
from podsysctl.sysctls import catalogue, spelling
from podsysctl.sysctls.name import SysctlName, interface_hint, parse_name
from podsysctl.sysctls.tuned import functions, loader, merger, parser, requirements, shipped, sysfs
from podsysctl.sysctls.tuned.loader import Directory, Text
from podsysctl.sysctls.tuned.merger import Merged, Unit
from podsysctl.sysctls.tuned.plan import (
    Guard,
    MachineFacts,
    NotApplied,
    Place,
    Plan,
    Problem,
    Requirement,
    Setting,
    SysfsSetting,
)
from podsysctl.sysctls.tuned.variables import Variables
from podsysctl.sysctls.value import ValueKind, parse_value

DIRECTORY = "/var/lib/ocp-tuned/profiles"
SHIPPED_DIRECTORY = "/usr/lib/tuned/profiles"
"""What TuneD's messages call the places of a node's own and of the shipped profiles."""

DEPRECATED = ("base_reachable_time", "retrans_time")
"""Parameters that TuneD refuses to set; each has a successor in milliseconds."""

_QUOTED = re.compile(r'"(.*)"')
_INTEGER = re.compile(r"\s*[+-]?[0-9]+\s*")

_WHY_NOT = {
    "bootloader": "kernel arguments are not changed by this program",
    "cpu": "processor governors and latencies are not set by this program",
    "script": "scripts are not run",
    "service": "services are not started or stopped",
    "systemd": "systemd's configuration is not changed",
}


@dataclass(slots=True)
class _Building:
    profile: str
    variables: Variables
    type: str = merger.VARIABLES
    sysctls: list[Setting] = field(default_factory=list)
    sysfs: list[SysfsSetting] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    not_applied: list[NotApplied] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, text: Text, message: str, value: str | None = None) -> None:
        """Note what cannot be applied."""
        self.problems.append(Problem(text.place, message, text.value if value is None else value, self.type))


def build_plan(
    name: str, profiles: Mapping[str, str], facts: MachineFacts, shipped: Mapping[str, str] = shipped.PROFILES
) -> Plan:
    """What the profile of this name asks of a machine.

    `profiles` are texts by name, which go before the shipped ones and may include their namesakes there. Raises
    ProfileError, with TuneD's own words, when the profile cannot be loaded.
    """
    return build(name, (Directory(SHIPPED_DIRECTORY, shipped), Directory(DIRECTORY, profiles)), facts)


def build(name: str, directories: Sequence[Directory], facts: MachineFacts) -> Plan:
    """The same for profiles of any directories, the later ones winning. Raises ProfileError."""
    variables = Variables(facts)
    try:
        loaded = loader.load(name, directories, lambda text: variables.expand(text).text)
        merged = merger.merge(loaded)
        _check_size(name, merged)
        building = _Building(name, variables)
        _define(building, merged.variables, facts)
        for unit in _ordered(building, merged, facts):
            _add_unit(building, unit)
    except functions.AssertionFailed as error:
        raise loader.refused(name, str(error)) from error
    return Plan(
        profile=name,
        profiles=tuple(profile.name for profile in loaded),
        sysctls=tuple(building.sysctls),
        sysfs=tuple(building.sysfs),
        requirements=tuple(building.requirements),
        not_applied=tuple(building.not_applied),
        problems=tuple(building.problems),
    )


def unquoted(value: str) -> str:
    """The value without the double quotes around it, which TuneD takes off before anything else.

    >>> unquoted('"4096 87380 16777216"')
    '4096 87380 16777216'
    """
    found = _QUOTED.fullmatch(value)
    return found[1] if found else value


def guarded(value: str) -> tuple[Guard, str]:
    """The guard that an expanded value begins with, and the rest.

    >>> guarded(">2048")
    (<Guard.RAISE: '>'>, '2048')
    """
    if len(value) > 1 and value[0] in "<>":
        return Guard(value[0]), value[1:].strip()
    return Guard.NONE, value


def _check_size(name: str, merged: Merged) -> None:
    count = len(merged.variables) + sum(len(unit.options) + 1 for unit in merged.units.values())
    if count > limits.TUNED_SETTINGS:
        raise loader.refused(name, f"The profile has {count} keys, more than {limits.TUNED_SETTINGS}.")


def _define(building: _Building, variables: Mapping[str, Text], facts: MachineFacts) -> None:
    for name, text in variables.items():
        if name != "include":
            wrong = building.variables.define(name, text)
            if wrong:
                building.problem(text, wrong)
            continue
        content = dict(facts.files).get(text.value)
        if content is None:
            building.problem(text, f"unable to find variables_file: '{text.value}'")
            continue
        read = parser.parse(f"[include]\n{content}")
        if read.bad:
            building.problem(text, f"error parsing variables_file: '{text.value}'")
            continue
        for keys in read.sections().values():
            for key, item in keys.items():
                variable = Text(item.value, Place(text.value, "", key, item.line - 1))
                wrong = building.variables.define(key, variable)
                if wrong:
                    building.problem(variable, wrong)


def _ordered(building: _Building, merged: Merged, facts: MachineFacts) -> list[Unit]:
    """The sections that concern this machine, by priority, then in order."""
    chosen: list[tuple[int, Unit]] = []
    for unit in merged.units.values():
        building.type = unit.type
        if unit.enabled and _matches(building, unit, facts):
            priority = 0
            if unit.priority is not None:
                if _INTEGER.fullmatch(unit.priority.value) and len(unit.priority.value) < 20:
                    priority = int(unit.priority.value)
                else:
                    building.problem(unit.priority, f"the priority {unit.priority.value!r} is not a number")
            chosen.append((priority, unit))
    return [unit for _, unit in sorted(chosen, key=lambda pair: pair[0])]


def _matches(building: _Building, unit: Unit, facts: MachineFacts) -> bool:
    cpuinfo = functions.file(facts, "/proc/cpuinfo")
    for pattern, text in ((unit.cpuinfo_regex, cpuinfo), (unit.uname_regex, facts.uname)):
        if pattern is None:
            continue
        expanded = building.variables.expand(pattern.value)
        try:
            found = functions.search(expanded.text, text, multiline=True)
        except functions.FunctionFailed as error:
            building.problem(pattern, str(error))
            return False
        if not found:
            return False
    return True


def _add_unit(building: _Building, unit: Unit) -> None:
    building.type = unit.type
    add = {"sysctl": _add_sysctl, "sysfs": _add_sysfs, requirements.TYPE: _add_requirement}.get(unit.type)
    if add is None:
        why = _WHY_NOT.get(unit.type, "this program applies only sysctl, sysfs and requirements sections")
        building.not_applied.append(NotApplied(unit.profile, unit.name, unit.type, why))
        return
    for key, text in unit.scripts.items():
        building.not_applied.append(NotApplied(text.place.profile, unit.name, key, _WHY_NOT["script"]))
    owner = unit.options.pop("owner", None) if unit.type == requirements.TYPE else None
    for key, text in unit.options.items():
        add(building, key, text, "" if owner is None else building.variables.expand(owner.value).text)


def _expanded(building: _Building, text: Text, value: str) -> str | None:
    if "\n" in value:
        more = value.split("\n")[1].strip()
        building.problem(text, f"the value has several lines: {more!r} below it is indented and continues it")
        return None
    try:
        found = building.variables.expand(value)
    except functions.AssertionFailed as error:
        building.problem(text, str(error))
        return None
    for problem in found.problems:
        building.problem(text, problem, found.text)
    return None if found.problems else found.text


def _add_sysctl(building: _Building, key: str, text: Text, _: str) -> None:
    name = _name(building, key, text)
    value = _expanded(building, text, unquoted(text.value))
    if name is None or value is None:
        return
    guard, value = guarded(value)
    if guard and not _INTEGER.fullmatch(value):
        building.problem(text, f"{name}: {guard} compares numbers, and {value!r} is none", value)
        return
    row = catalogue.find(name)
    if row is not None and row.access is catalogue.Access.READ_ONLY:
        building.problem(text, f"{name}: the kernel lets nobody write this parameter")
        return
    if guard and row is not None and row.spec.kind is not ValueKind.INTEGER:
        building.problem(text, f"{name}: {guard} compares one number, and this parameter is a {row.spec.kind}")
        return
    try:
        parse_value(None if row is None else row.spec, value, name=name.dotted)
    except ValueSyntaxError as error:
        building.problem(text, error.message, value)
        return
    building.sysctls.append(Setting(name, value, guard, text.place))


def _name(building: _Building, key: str, text: Text) -> SysctlName | None:
    """A key's parameter: TuneD swaps dots and slashes, so the slashed spelling names nothing."""
    if spelling.first_separator(key) == "/":
        other = key.translate(str.maketrans("./", "/."))
        building.problem(text, f"{key}: dots separate the parts of a key, slashes stand for dots; write {other}")
        return None
    try:
        name = parse_name(key)
    except NameSyntaxError as error:
        building.problem(text, error.message)
        return None
    if name.segments[-1] in DEPRECATED:
        building.problem(text, f"Refusing to set deprecated sysctl option {key}; write {key}_ms, in milliseconds")
        return None
    hint = interface_hint(key)
    if hint:
        building.problem(text, f"{key}: {hint}")
        return None
    return name


def _add_sysfs(building: _Building, key: str, text: Text, _: str) -> None:
    wrong = sysfs.problem_of_path(key)
    if wrong:
        building.problem(text, f"{key}: {wrong}")
        return
    value = _expanded(building, text, text.value)
    if value is not None:
        building.sysfs.append(SysfsSetting(key, value, text.place))


def _add_requirement(building: _Building, key: str, text: Text, owner: str) -> None:
    if key[-1:] in "<>":
        bare = key[:-1].rstrip()
        building.problem(text, f"{key}={text.value}: the first = separates; write {bare} = {key[-1]}={text.value}")
        return
    name = _name(building, key, text)
    value = _expanded(building, text, text.value)
    if name is None or value is None:
        return
    try:
        low, high = requirements.parse_bounds(value.strip(), name)
    except ValueSyntaxError as error:
        building.problem(text, error.message)
        return
    building.requirements.append(Requirement(name, low, high, owner, text.place))
