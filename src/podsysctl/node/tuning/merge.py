"""What the nodes of one kernel want together: conflicts between them, or one value for each parameter. Pure.

Wishes conflict only where they differ: equal values, guards and requirements go together. A guard (`>` or `<`) is a
bound like a requirement: the value before ours is kept where it lies within all bounds, else a bound is taken, as
`requirements.choose` tells.
Nodes in conflict get nothing at all, neither the one that came first nor the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from podsysctl.node.tuning.wish import Claim, FileClaim, Reason, Refusal, Target, Wish
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.tuned import requirements
from podsysctl.sysctls.tuned.plan import Guard, Requirement, Setting
from podsysctl.sysctls.value import parse_number, values_equal


@dataclass(frozen=True, slots=True)
class Merged:
    """The targets of all nodes but those that are refused."""

    targets: dict[SysctlName, Target] = field(default_factory=dict)
    files: dict[str, Target] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Bound:
    """A requirement, or a guard seen as one, and the node that has it."""

    node: str
    item: Requirement
    is_requirement: bool

    def __str__(self) -> str:
        verb = "required by" if self.is_requirement else "wanted by"
        place = self.item.place
        return (
            f"{format_bounds(self.item.at_least, self.item.at_most)}, {verb} {self.item.owner} "
            f"(profile {place.profile}, section [{place.section}], line {place.line})"
        )


def merge(
    wishes: Sequence[Wish],
    claims: Sequence[Claim],
    bases: Mapping[SysctlName, str],
    files: Sequence[FileClaim] = (),
) -> Merged:
    """Find conflicts and compute the targets.

    `bases` holds for every name the value before ours. Every claim with a guard and every requirement speaks of a
    parameter that is one number (`check` sees to that).
    """
    refusals = _conflicts(wishes, claims, files)
    left = [wish for wish in wishes if wish.node not in refusals]
    corrects = {wish.node for wish in left if wish.corrects}
    targets: dict[SysctlName, Target] = {}
    plain, bounds = _sort(left, [claim for claim in claims if claim.node not in refusals])
    for name in dict.fromkeys([claim.name for claim in claims] + [r.name for w in wishes for r in w.requirements]):
        said = plain.get(name, [])
        limits = bounds.get(name, [])
        nodes = tuple(dict.fromkeys([claim.node for claim in said] + [bound.node for bound in limits]))
        if said:
            targets[name] = Target(said[0].value, said[0].said, nodes, corrects=bool(corrects & set(nodes)))
        elif limits:
            targets[name] = _within(limits, bases[name], nodes, bool(corrects & set(nodes)))
    return Merged(targets, _files([item for item in files if item.node not in refusals]), refusals)


def _files(claims: Iterable[FileClaim]) -> dict[str, Target]:
    """The files of /sys; what is left agrees."""
    nodes: dict[str, list[str]] = defaultdict(list)
    found: dict[str, FileClaim] = {}
    for claim in claims:
        found[claim.path] = claim
        nodes[claim.path].append(claim.node)
    return {path: Target(claim.value, claim.said, tuple(nodes[path])) for path, claim in found.items()}


def format_bounds(at_least: int | None, at_most: int | None) -> str:
    """Words for limits.

    >>> format_bounds(1, None), format_bounds(None, 5), format_bounds(1, 5)
    ('at least 1', 'at most 5', 'from 1 to 5')
    """
    if at_most is None:
        return f"at least {at_least}"
    return f"at most {at_most}" if at_least is None else f"from {at_least} to {at_most}"


def _sort(
    wishes: Iterable[Wish], claims: Iterable[Claim]
) -> tuple[dict[SysctlName, list[Claim]], dict[SysctlName, list[_Bound]]]:
    """Claims of plain values, and everything that is a bound, by parameter."""
    plain: dict[SysctlName, list[Claim]] = defaultdict(list)
    bounds: dict[SysctlName, list[_Bound]] = defaultdict(list)
    for claim in claims:
        if claim.guard is Guard.NONE:
            plain[claim.name].append(claim)
        else:
            number = parse_number(claim.value)
            low, high = (number, None) if claim.guard is Guard.RAISE else (None, number)
            item = Requirement(claim.name, low, high, f"profile {claim.place.profile}", claim.place)
            bounds[claim.name].append(_Bound(claim.node, item, is_requirement=False))
    for wish in wishes:
        for item in wish.requirements:
            bounds[item.name].append(_Bound(wish.node, item, is_requirement=True))
    return plain, bounds


def _conflicts(wishes: Sequence[Wish], claims: Sequence[Claim], files: Sequence[FileClaim]) -> dict[str, Refusal]:
    """Each node in conflict with its first reason. Pairs suffice: intervals that meet pairwise have a common point."""
    found: dict[str, Refusal] = {}
    plain, bounds = _sort(wishes, claims)
    for name in dict.fromkeys([*plain, *bounds]):
        spec = catalogue.spec_of(name)
        for one, other in combinations(plain[name], 2):
            if not values_equal(spec, one.value, other.value):
                _refuse(found, (one.node, other.node), _shared(name, one, other))
        for claim in plain[name]:
            setting = Setting(name, claim.value, Guard.NONE, claim.place)
            for bound in bounds[name]:
                for conflict in requirements.resolve([bound.item], {}, [setting]).conflicts:
                    note = f"; the value is that of {claim.said}" if claim.beaten else ""
                    _refuse(found, (claim.node, bound.node), _apart(conflict.message + note, claim.node, bound))
        for one_bound, other_bound in combinations(bounds[name], 2):
            for conflict in requirements.resolve([one_bound.item, other_bound.item], {}).conflicts:
                deciding = one_bound if one_bound.is_requirement else other_bound
                node = other_bound.node if deciding is one_bound else one_bound.node
                _refuse(found, (one_bound.node, other_bound.node), _apart(conflict.message, node, deciding))
    for left, right in combinations(files, 2):
        if left.path == right.path and left.value != right.value and left.node != right.node:
            _refuse(found, (left.node, right.node), _shared(left.path, left, right))
    return found


def _refuse(found: dict[str, Refusal], nodes: Iterable[str], refusal: Refusal) -> None:
    for node in nodes:
        found.setdefault(node, refusal)


def _shared(name: SysctlName | str, one: Claim | FileClaim, other: Claim | FileClaim) -> Refusal:
    text = (
        f"nodes {one.node} and {other.node} share one kernel and want different values of {name}: "
        f'{one.node} wants "{one.value}" ({one.said}), {other.node} wants "{other.value}" ({other.said}); '
        "nothing of either profile is applied"
    )
    return Refusal(Reason.SHARED_KERNEL, text)


def _apart(message: str, node: str, bound: _Bound) -> Refusal:
    reason = Reason.ERROR if node == bound.node else Reason.SHARED_KERNEL
    if bound.is_requirement:
        reason = Reason.REQUIREMENTS
    whose = "" if node == bound.node else f"nodes {node} and {bound.node} share one kernel: "
    return Refusal(reason, f"{whose}{message}; nothing of the profile is applied")


def _within(limits: Sequence[_Bound], base: str, nodes: tuple[str, ...], corrects: bool) -> Target:
    """What guards make of the value before ours if all bounds allow it, else the smallest that satisfies what is
    required."""
    items = [bound.item for bound in limits]
    low = max((item.at_least for item in items if item.at_least is not None), default=None)
    high = min((item.at_most for item in items if item.at_most is not None), default=None)
    said = "; ".join(dict.fromkeys(str(bound) for bound in limits))
    floor = any(bound.is_requirement and bound.item.at_least is not None for bound in limits)
    number = parse_number(base.strip())
    guards = [bound.item for bound in limits if not bound.is_requirement]
    guarded = max([number, *(item.at_least for item in guards if item.at_least is not None)])
    guarded = min([guarded, *(item.at_most for item in guards if item.at_most is not None)])
    chosen = requirements.choose(guarded, low, high, floor=floor)
    value = base if chosen == number else str(chosen)
    return Target(value, said, nodes, satisfied=chosen == number, bounds=(low, high), corrects=corrects)
