"""Rules of Roles and their bindings (Kubernetes 1.36 pkg/apis/rbac/validation)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from podsysctl.objects import names
from podsysctl.objects.validation.fields import Errors, each, invalid, not_supported, required
from podsysctl.objects.validation.meta import validate_metadata, validate_selector, validate_update_metadata
from podsysctl.objects.validation.workloads import selector_of

Object = Mapping[str, Any]

_GROUP = "rbac.authorization.k8s.io"


def _validate_rule(rule: Object, namespaced: bool, errors: Errors, path: str) -> None:
    if not rule.get("verbs"):
        errors.append(required(f"{path}.verbs", "verbs must contain at least one value"))
    urls = rule.get("nonResourceURLs")
    if urls:
        where = f"{path}.nonResourceURLs"
        if namespaced:
            errors.append(invalid(where, list(urls), "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            errors.append(invalid(where, list(urls), text))
        return
    if not rule.get("apiGroups"):
        errors.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
    if not rule.get("resources"):
        errors.append(required(f"{path}.resources", "resource rules must supply at least one resource"))


def _validate_rules(obj: Object, namespaced: bool, errors: Errors) -> None:
    validate_metadata(obj.get("metadata") or {}, namespaced, names.name_path_segment, errors)
    for index, rule in enumerate(obj.get("rules") or ()):
        _validate_rule(rule, namespaced, errors, f"rules[{index}]")


def validate_role(obj: Object, errors: Errors) -> None:
    """A new Role."""
    _validate_rules(obj, True, errors)


def validate_cluster_role(obj: Object, errors: Errors, old: Object | None = None) -> None:
    """A new ClusterRole, or one that replaces `old`."""
    _validate_rules(obj, False, errors)
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return
    path = "aggregationRule.clusterRoleSelectors"
    chosen = aggregation.get("clusterRoleSelectors") or ()
    if not chosen:
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        errors.append(required(path, text))
    any_values = _has_bad_values((old or {}).get("aggregationRule"))
    for index, selector in enumerate(chosen):
        where = f"{path}[{index}]"
        validate_selector(selector, errors, where, any_values=any_values)
        if selector_of(selector) is None:
            errors.append(invalid(where, None, "invalid label selector."))


def _has_bad_values(aggregation: Object | None) -> bool:
    for selector in (aggregation or {}).get("clusterRoleSelectors") or ():
        for row in selector.get("matchExpressions") or ():
            if any(names.label_value(value) for value in row.get("values") or ()):
                return True
    return False


def validate_role_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed Role."""
    validate_role(new, errors)
    validate_update_metadata(new, old, errors)


def validate_cluster_role_update(new: Object, old: Object, errors: Errors) -> None:
    """A changed ClusterRole."""
    validate_cluster_role(new, errors, old)
    validate_update_metadata(new, old, errors)


def _validate_binding(namespaced: bool, obj: Object, errors: Errors) -> None:
    validate_metadata(obj.get("metadata") or {}, namespaced, names.name_path_segment, errors)
    ref = obj.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if namespaced else ("ClusterRole",)
    if (ref.get("apiGroup") or "") != _GROUP:
        errors.append(not_supported("roleRef.apiGroup", ref.get("apiGroup") or "", (_GROUP,)))
    if ref.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", ref.get("kind") or "", kinds))
    name = ref.get("name") or ""
    if not name:
        errors.append(required("roleRef.name"))
    else:
        each(errors, "roleRef.name", name, names.name_path_segment(name))
    for index, subject in enumerate(obj.get("subjects") or ()):
        _validate_subject(subject, namespaced, errors, f"subjects[{index}]")


validate_role_binding = partial(_validate_binding, True)
validate_cluster_role_binding = partial(_validate_binding, False)


def _validate_subject(subject: Object, namespaced: bool, errors: Errors, path: str) -> None:
    name, kind, group = (subject.get(key) or "" for key in ("name", "kind", "apiGroup"))
    if not name:
        errors.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            each(errors, f"{path}.name", name, names.name_subdomain(name))
        if group:
            errors.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != _GROUP:
            errors.append(not_supported(f"{path}.apiGroup", group, (_GROUP,)))
    else:
        errors.append(not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))


def _validate_binding_update(namespaced: bool, new: Object, old: Object, errors: Errors) -> None:
    _validate_binding(namespaced, new, errors)
    validate_update_metadata(new, old, errors)
    refs = [_internal_ref(obj.get("roleRef") or {}) for obj in (new, old)]
    if refs[0] != refs[1]:
        errors.append(invalid("roleRef", refs[0], "cannot change roleRef"))


def _internal_ref(ref: Object) -> dict[str, str]:
    """A reference as upstream's internal type shows it."""
    return {"APIGroup": ref.get("apiGroup") or "", "Kind": ref.get("kind") or "", "Name": ref.get("name") or ""}


validate_role_binding_update = partial(_validate_binding_update, True)
validate_cluster_role_binding_update = partial(_validate_binding_update, False)
