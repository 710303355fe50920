"""What a user may do: the stored roles and bindings, evaluated as Kubernetes does.

The cache is rebuilt at the first question after a role or binding changed. ClusterRoles with an
aggregationRule are unions, computed here. Source: Kubernetes 1.36 `plugin/pkg/auth/authorizer/rbac`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from podsysctl.apiserver.auth.user import MASTERS_GROUP, UserInfo
from podsysctl.apiserver.store import Store
from podsysctl.apiserver.storeindex import Change
from podsysctl.base import limits
from podsysctl.base.errors import UsageError
from podsysctl.objects import selectors
from podsysctl.objects.quote import quote

_GROUP = "rbac.authorization.k8s.io"
_BUCKETS = tuple(f"{plural}.{_GROUP}" for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings"))
_ROLES, _CLUSTER_ROLES, _ROLE_BINDINGS, _CLUSTER_BINDINGS = _BUCKETS
FULL_GROUPS = frozenset({MASTERS_GROUP, "system:cluster-admins"})
"""Groups that may do everything, whatever is stored: a broken role must not lock the owner out."""

Rule = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attributes:
    """One question. `path` is set for paths that name no resource."""

    user: UserInfo
    verb: str
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and which binding gave it."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Binding:
    """One binding with its role's rules. `namespace` is empty for all namespaces."""

    description: str
    namespace: str
    rules: tuple[Rule, ...]


@dataclass(slots=True)
class _Cache:
    roles: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict)
    by_user: dict[str, list[_Binding]] = field(default_factory=dict)
    by_group: dict[str, list[_Binding]] = field(default_factory=dict)
    allowed: dict[tuple[Any, ...], Decision] = field(default_factory=dict)
    """What users may do to any object of a resource: components ask the same all the time."""


class Authorizer:
    """Answers from the roles and bindings in a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: _Cache | None = None
        store.observe(self._changed)

    def authorize(self, asked: Attributes) -> Decision:
        """Whether the user may do it."""
        if not FULL_GROUPS.isdisjoint(asked.user.groups):
            return Decision(True)
        cache = self._cache or self._build()
        user = asked.user
        key = (user.name, user.groups, asked.verb, asked.group, asked.resource, asked.subresource, asked.path)
        known = cache.allowed.get(key)
        if known is not None:
            return known
        for binding in self._bindings(user):
            if binding.namespace and binding.namespace != asked.namespace:
                continue
            for rule in binding.rules:
                if not rule_allows(rule, asked):
                    continue
                decision = Decision(True, f"RBAC: allowed by {binding.description}")
                if not binding.namespace and not rule.get("resourceNames"):
                    if len(cache.allowed) >= limits.AUTHORIZATIONS_KEPT:
                        cache.allowed.clear()
                    cache.allowed[key] = decision
                return decision
        return Decision(False)

    def rules_for(self, user: UserInfo, namespace: str) -> list[Rule]:
        """Every rule that holds for the user in a namespace."""
        if not FULL_GROUPS.isdisjoint(user.groups):
            everything = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}
            return [everything, {"verbs": ["*"], "nonResourceURLs": ["*"]}]
        out: list[Rule] = []
        for binding in self._bindings(user):
            if not binding.namespace or binding.namespace == namespace:
                out += binding.rules
        return out

    def role_rules(self, plural: str, namespace: str, name: str) -> tuple[Rule, ...] | None:
        """The rules of one role or clusterrole, None when there is none of that name."""
        cache = self._cache or self._build()
        return cache.roles.get(("" if plural == "clusterroles" else namespace, name))

    def _changed(self, change: Change) -> None:
        if change.resource in _BUCKETS:
            self._cache = None

    def _bindings(self, user: UserInfo) -> Iterator[_Binding]:
        cache = self._cache or self._build()
        yield from cache.by_user.get(user.name, ())
        for group in user.groups:
            yield from cache.by_group.get(group, ())

    def _build(self) -> _Cache:
        cluster_roles = {role["metadata"]["name"]: role for role in self._objects(_CLUSTER_ROLES)}
        cluster_rules = {name: _aggregate(role, cluster_roles) for name, role in cluster_roles.items()}
        roles = {(r["metadata"]["namespace"], r["metadata"]["name"]): _rules(r) for r in self._objects(_ROLES)}
        cache = _Cache({**roles, **{("", name): rules for name, rules in cluster_rules.items()}})
        for binding in self._objects(_CLUSTER_BINDINGS):
            reference = binding.get("roleRef") or {}
            self._file(cache, binding, cluster_rules.get(reference.get("name"), ()))
        for binding in self._objects(_ROLE_BINDINGS):
            reference = binding.get("roleRef") or {}
            name = reference.get("name")
            if reference.get("kind") == "ClusterRole":
                rules = cluster_rules.get(name, ())
            else:
                rules = roles.get((binding["metadata"]["namespace"], name), ())
            self._file(cache, binding, rules)
        self._cache = cache
        return cache

    def _objects(self, bucket: str) -> Iterator[dict[str, Any]]:
        for item in self._store.range(bucket):
            yield orjson.loads(item.data)

    @staticmethod
    def _file(cache: _Cache, binding: Mapping[str, Any], rules: tuple[Rule, ...]) -> None:
        metadata, reference = binding["metadata"], binding.get("roleRef") or {}
        namespace = metadata.get("namespace", "")
        kind, full = "ClusterRoleBinding", metadata["name"]
        if namespace:
            kind, full = "RoleBinding", f"{full}/{namespace}"
        role = f"{reference.get('kind', '')} {quote(reference.get('name', ''))}"
        for subject in binding.get("subjects") or ():
            described = f"{kind} {quote(full)} of {role} to {_subject_text(subject)}"
            entry = _Binding(described, namespace, rules)
            name = subject.get("name", "")
            if subject.get("kind") == "Group":
                cache.by_group.setdefault(name, []).append(entry)
            elif subject.get("kind") == "ServiceAccount":
                home = subject.get("namespace") or namespace
                cache.by_user.setdefault(f"system:serviceaccount:{home}:{name}", []).append(entry)
            else:
                cache.by_user.setdefault(name, []).append(entry)


def _subject_text(subject: Mapping[str, Any]) -> str:
    kind, name = subject.get("kind", ""), subject.get("name", "")
    if kind == "ServiceAccount":
        return f"{kind} {quote(name + '/' + subject.get('namespace', ''))}"
    return f"{kind} {quote(name)}"


def _rules(role: Mapping[str, Any]) -> tuple[Rule, ...]:
    return tuple(role.get("rules") or ())


def _aggregate(role: Mapping[str, Any], roles: Mapping[str, Mapping[str, Any]]) -> tuple[Rule, ...]:
    """The rules of all roles that a role selects, or that those select; each once, since they may select each other."""
    if not role.get("aggregationRule"):
        return _rules(role)
    out: list[Rule] = []
    seen, waiting = {role["metadata"]["name"]}, [role]
    while waiting:
        for wanted in waiting.pop()["aggregationRule"].get("clusterRoleSelectors") or ():
            try:
                selector = selectors.from_object(wanted)
            except UsageError:
                continue  # an invalid selector selects nothing; the API refuses new ones
            for name, other in roles.items():
                if name in seen or not selector.matches_object(other):
                    continue
                seen.add(name)
                if other.get("aggregationRule"):
                    waiting.append(other)
                else:
                    out += _rules(other)
    return tuple(out)


def rule_allows(rule: Rule, asked: Attributes) -> bool:
    """Whether one PolicyRule covers a question."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and asked.verb not in verbs:
        return False
    if asked.path:
        return any(path_matches(pattern, asked.path) for pattern in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and asked.group not in groups:
        return False
    combined = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    resources = rule.get("resources") or ()
    any_resource = bool(asked.subresource) and f"*/{asked.subresource}" in resources
    if "*" not in resources and combined not in resources and not any_resource:
        return False
    names = rule.get("resourceNames") or ()
    return not names or asked.name in names


def path_matches(pattern: str, path: str) -> bool:
    """Whether a nonResourceURL, which may end with a star, covers a path."""
    if pattern == "*" or pattern == path:
        return True
    return pattern.endswith("*") and path.startswith(pattern.rstrip("*"))
