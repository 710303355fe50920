"""What stands beside a pod in the same files, when no cluster is asked: judged as if it had been applied before.

Namespaces, kubelet configurations, constraints with the roles that let somebody use them, and network definitions. An
object that is not well-formed counts as not there; `podsysctl check` says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import machineconfig, selectors
from podsysctl.policy.scc import defaulting, validation
from podsysctl.policy.scc.constraint import GROUP, PLURAL, Constraint
from podsysctl.policy.scc.shape import type_problem
from podsysctl.policy.situation import Namespace

Object = dict[str, Any]

_KUBELET = "kubelet.config.k8s.io"
_RBAC = "rbac.authorization.k8s.io"


@dataclass(frozen=True, slots=True)
class Companions:
    """The objects that matter for verdicts, by what they are."""

    namespaces: Mapping[str, Namespace] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()
    kubelet_configs: tuple[Object, ...] = ()
    kubelet_files: tuple[Object, ...] = ()
    definitions: tuple[Object, ...] = ()
    roles: Mapping[tuple[str, str, str], Object] = field(default_factory=dict)
    bindings: tuple[Object, ...] = ()

    def kubelet_config(self, labels: Mapping[str, str]) -> Object | None:
        """The KubeletConfig that decides for a pool: of several the last by name."""
        selecting = [config for config in self.kubelet_configs if _selects(config, labels)]
        return max(selecting, key=_name, default=None)

    def may_use(self, constraint: str, namespace: str, users: frozenset[str], groups: frozenset[str]) -> bool:
        """Whether a role among the objects lets one of these use a constraint in a namespace."""
        for binding in self.bindings:
            if binding.get("kind") == "RoleBinding" and _namespace(binding) != namespace:
                continue
            if any(_is_subject(subject, users, groups, namespace) for subject in _items(binding.get("subjects"))):
                reference = binding.get("roleRef")
                role = self.roles.get(_role_key(reference, namespace)) if isinstance(reference, dict) else None
                if role is not None and any(_allows(rule, constraint) for rule in _items(role.get("rules"))):
                    return True
        return False


def companions_of(objects: Iterable[Any], namespace: str) -> Companions:
    """Sort the objects of the files; those without a namespace are for the one that is asked about."""
    namespaces: dict[str, Namespace] = {}
    kinds: dict[str, list[Object]] = {}
    roles: dict[tuple[str, str, str], Object] = {}
    for obj in _flat(objects):
        group, kind = str(obj.get("apiVersion", "")).rpartition("/")[0], str(obj.get("kind", ""))
        placed = {**obj, "metadata": {"namespace": namespace, **_metadata(obj)}}
        if (group, kind) == ("", "Namespace"):
            namespaces[_name(obj)] = Namespace(_name(obj), _texts(obj, "labels"), _texts(obj, "annotations"))
        elif group == _RBAC and kind in ("Role", "ClusterRole"):
            roles[kind, "" if kind == "ClusterRole" else _namespace(placed), _name(obj)] = obj
        else:
            kinds.setdefault(f"{kind}.{group}", []).append(placed)
    return Companions(
        namespaces,
        tuple(_constraints(kinds.get(f"SecurityContextConstraints.{GROUP}", ()))),
        tuple(config for config in kinds.get(f"KubeletConfig.{machineconfig.GROUP}", ()) if _name(config)),
        tuple(kinds.get(f"KubeletConfiguration.{_KUBELET}", ())),
        tuple(kinds.get("NetworkAttachmentDefinition.k8s.cni.cncf.io", ())),
        roles,
        (*kinds.get(f"RoleBinding.{_RBAC}", ()), *kinds.get(f"ClusterRoleBinding.{_RBAC}", ())),
    )


def patterns_of(fields: Any) -> tuple[str, ...]:
    """The list of allowed sysctls of a kubelet configuration; empty when it is none."""
    listed = fields.get("allowedUnsafeSysctls") if isinstance(fields, dict) else None
    return tuple(entry for entry in _items(listed) if isinstance(entry, str))


def kubelet_fields(config: Mapping[str, Any]) -> Any:
    """The kubelet's fields inside a KubeletConfig."""
    spec = config.get("spec")
    return spec.get("kubeletConfig") if isinstance(spec, dict) else None


def _flat(objects: Iterable[Any]) -> Iterator[Object]:
    """Every object, also those in lists; one whose name is no text is none that a cluster could have."""
    for obj in objects:
        if isinstance(obj, dict):
            if str(obj.get("kind") or "").endswith("List") and isinstance(obj.get("items"), list):
                yield from _flat(obj["items"])
            elif all(isinstance(_metadata(obj).get(key) or "", str) for key in ("name", "namespace")):
                yield obj


def _constraints(objects: Iterable[Object]) -> Iterator[Constraint]:
    for obj in objects:
        if not type_problem(obj):
            completed = defaulting.apply_defaults(obj)
            if not validation.validate(completed):
                yield Constraint.parse(completed)


def _selects(config: Object, labels: Mapping[str, str]) -> bool:
    spec = config.get("spec")
    selector = spec.get("machineConfigPoolSelector") if isinstance(spec, dict) else None
    if not isinstance(selector, dict) or not selector:
        return False
    try:
        return bool(selectors.from_object(selector).matches(labels))
    except (PodsysctlError, AttributeError, TypeError, KeyError):
        return False  # a selector of other types selects nothing


def _metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = obj.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _name(obj: Mapping[str, Any]) -> str:
    return str(_metadata(obj).get("name") or "")


def _namespace(obj: Mapping[str, Any]) -> str:
    return str(_metadata(obj).get("namespace") or "")


def _texts(obj: Object, key: str) -> dict[str, str]:
    found = _metadata(obj).get(key)
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _role_key(reference: Mapping[str, Any], namespace: str) -> tuple[str, str, str]:
    kind = str(reference.get("kind", ""))
    return kind, "" if kind == "ClusterRole" else namespace, str(reference.get("name", ""))


def _is_subject(subject: Any, users: frozenset[str], groups: frozenset[str], namespace: str) -> bool:
    if not isinstance(subject, dict):
        return False
    kind, name = subject.get("kind"), str(subject.get("name", ""))
    if kind == "Group":
        return name in groups
    if kind == "ServiceAccount":
        name = f"system:serviceaccount:{subject.get('namespace') or namespace}:{name}"
    return name in users


def _allows(rule: Any, constraint: str) -> bool:
    """Whether a rule of a role lets its holder use a constraint."""
    if not isinstance(rule, dict):
        return False
    wanted = (("apiGroups", GROUP), ("resources", PLURAL), ("verbs", "use"))
    if not all({"*", word} & set(map(str, _items(rule.get(key)))) for key, word in wanted):
        return False
    names = _items(rule.get("resourceNames"))
    return not names or constraint in names
