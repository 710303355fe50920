"""A value that the kernel refuses: the nearest one it takes, or none at all."""

from __future__ import annotations

from typing import Any

from podsysctl.base.errors import PodsysctlError, ValueSyntaxError
from podsysctl.policy import kubelet
from podsysctl.policy.remedy import Remedy, with_pod, without_sysctls
from podsysctl.policy.situation import Situation
from podsysctl.policy.verdict import Gate
from podsysctl.policy.whole import Report
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.value import ValueKind, ValueSpec, parse_number, parse_value


def propose(situation: Situation, report: Report) -> Remedy | None:
    """Correct values that no node's kernel takes."""
    refused = {
        v.subject for node in report.nodes for s in node.sysctls for v in s.verdicts if _is_value(v.gate, v.stops)
    }
    for name, text in situation.sysctls:
        if kubelet.normalize_name(name) not in refused:
            continue
        spec = _spec(name)
        if spec is None or _is_good(spec, text):
            continue
        nearest = nearest_value(spec, text)
        if nearest is None:
            title = f"Leave {name} out: {text!r} is no value for it, and nothing says which was meant"
            return Remedy(title, without_sysctls(situation, frozenset({name})))

        def change(pod: dict[str, Any], name: str = name, nearest: str = nearest) -> None:
            for entry in pod["spec"]["securityContext"]["sysctls"]:
                if entry["name"] == name:
                    entry["value"] = nearest

        title = f"Set {name} to {nearest!r}, the nearest to {text!r} that the kernel takes"
        return Remedy(title, with_pod(situation, change))
    return None


def nearest_value(spec: ValueSpec, text: str) -> str | None:
    """The text with each number moved into its bounds; None when that does not make it a value."""
    if spec.kind not in (ValueKind.INTEGER, ValueKind.VECTOR, ValueKind.RANGE):
        return None
    words = text.split()
    try:
        numbers = [parse_number(word) for word in words]
    except ValueSyntaxError:
        return None
    low, high = spec.minimum, spec.maximum
    moved = [max(n, low) if low is not None else n for n in numbers]
    moved = [min(n, high) if high is not None else n for n in moved]
    if spec.kind is ValueKind.RANGE:
        moved.sort()
    candidate = " ".join(str(number) for number in moved)
    return candidate if _is_good(spec, candidate) else None


def _is_value(gate: Gate, stops: bool) -> bool:
    return gate is Gate.KERNEL and stops


def _spec(name: str) -> ValueSpec | None:
    try:
        return catalogue.spec_of(kubelet.normalize_name(name))
    except PodsysctlError:
        return None


def _is_good(spec: ValueSpec, text: str) -> bool:
    try:
        parse_value(spec, text, partial=True)
    except ValueSyntaxError:
        return False
    return True
