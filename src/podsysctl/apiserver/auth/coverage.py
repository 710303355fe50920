"""Which rights a set of rules lacks to cover another: what stops people from giving away more than they have.

Source: Kubernetes 1.36 `component-helpers/auth/rbac/validation/policy_comparator.go`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from podsysctl.apiserver.auth.rbac import Rule, path_matches
from podsysctl.objects.quote import quote


def missing_rules(held: Sequence[Rule], wanted: Iterable[Rule]) -> list[dict[str, Any]]:
    """The single rights of `wanted` that no rule of `held` covers, those that differ by verb alone put together."""
    together: dict[tuple[Any, ...], dict[str, Any]] = {}
    for rule in wanted:
        for single in _singles(rule):
            if any(_covers(owner, single) for owner in held):
                continue
            rest = {name: value for name, value in single.items() if name != "verbs"}
            key = tuple((name, tuple(value)) for name, value in rest.items())
            known = together.setdefault(key, {**rest, "verbs": []})
            known["verbs"] += [verb for verb in single["verbs"] if verb not in known["verbs"]]
    return list(together.values())


def count(rules: Iterable[Rule]) -> int:
    """How many single rights rules have."""

    def size(rule: Rule, name: str) -> int:
        return len(rule.get(name) or ())

    total = 0
    for rule in rules:
        objects = size(rule, "apiGroups") * size(rule, "resources") * max(1, size(rule, "resourceNames"))
        total += size(rule, "verbs") * (objects + size(rule, "nonResourceURLs"))
    return total


def describe(rule: Rule) -> str:
    """A rule in Go's compact form: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`."""
    names = ("APIGroups", "Resources", "NonResourceURLs", "ResourceNames", "Verbs")
    parts = []
    for name in names:
        key = "apiGroups" if name == "APIGroups" else name[0].lower() + name[1:]
        if rule.get(key):
            parts.append(f"{name}:{quoted_list(rule[key])}")
    return f"{{{', '.join(parts)}}}"


def quoted_list(values: Iterable[str]) -> str:
    """Texts as Go prints a slice with %q."""
    return f"[{' '.join(map(quote, values))}]"


def _singles(rule: Rule) -> Iterator[dict[str, list[str]]]:
    for verb in rule.get("verbs") or ():
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                base = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                names = rule.get("resourceNames") or ()
                for name in names:
                    yield {**base, "resourceNames": [name]}
                if not names:
                    yield base
        for path in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [path], "verbs": [verb]}


def _covers(owner: Rule, single: dict[str, list[str]]) -> bool:
    if not _has(owner.get("verbs"), single["verbs"][0]):
        return False
    if "nonResourceURLs" in single:
        wanted = single["nonResourceURLs"][0]
        return any(path_matches(pattern, wanted) for pattern in owner.get("nonResourceURLs") or ())
    resource = single["resources"][0]
    resources = owner.get("resources") or ()
    subresource = resource.partition("/")[2]
    if not _has(resources, resource) and not (subresource and f"*/{subresource}" in resources):
        return False
    if not _has(owner.get("apiGroups"), single["apiGroups"][0]):
        return False
    names = owner.get("resourceNames") or ()
    return not names or ("resourceNames" in single and single["resourceNames"][0] in names)


def _has(values: Iterable[str] | None, wanted: str) -> bool:
    listed = values or ()
    return "*" in listed or wanted in listed
