"""May this user do that: SelfSubjectAccessReview, SubjectAccessReview, SelfSubjectRulesReview.

Source of texts: Kubernetes 1.36 `pkg/apis/authorization/validation`, `pkg/registry/authorization`.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from podsysctl.apiserver import body as bodies
from podsysctl.apiserver import options, respond
from podsysctl.apiserver.auth.rbac import Attributes
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.context import Call
from podsysctl.base.errors import FieldError
from podsysctl.objects import fielderrors, status

Object = dict[str, Any]


async def read(call: Call) -> Object:
    """The review in the request's body."""
    raw = await bodies.read(call.http)
    wanted = options.parse_write(call.query, "CreateOptions")
    kind = call.resource.kind
    decoded = bodies.decode_as(call.http, raw, call.resource.schema, kind)
    return bodies.judge(call, decoded, wanted.field_validation, kind)


async def self_subject_access(call: Call) -> web.StreamResponse:
    """About the caller."""
    review = await read(call)
    return _answer(call, review, call.user)


async def subject_access(call: Call) -> web.StreamResponse:
    """About somebody else."""
    review = await read(call)
    return _answer(call, review, _subject(call, review))


async def local_subject_access(call: Call) -> web.StreamResponse:
    """About somebody else in this namespace."""
    review = await read(call)
    named = ((review.get("spec") or {}).get("resourceAttributes") or {}).get("namespace", "")
    if named != call.info.namespace:
        text = f"spec.resourceAttributes.namespace must match namespace: {call.info.namespace}"
        raise status.bad_request(text)
    return _answer(call, review, _subject(call, review))


async def self_subject_rules(call: Call) -> web.StreamResponse:
    """All rules that hold for the caller in a namespace."""
    review = await read(call)
    namespace = (review.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise status.bad_request("no namespace on request")
    resource_rules, other_rules = [], []
    for rule in call.server.authorizer.rules_for(call.user, namespace):
        if rule.get("resources"):
            kept = ("verbs", "apiGroups", "resources", "resourceNames")
            resource_rules.append({key: list(rule[key]) for key in kept if rule.get(key)})
        if rule.get("nonResourceURLs"):
            other_rules.append({key: list(rule[key]) for key in ("verbs", "nonResourceURLs")})
    review["status"] = {"resourceRules": resource_rules, "nonResourceRules": other_rules, "incomplete": False}
    return respond.send_other(call, review, 201)


def _subject(call: Call, review: Object) -> UserInfo:
    spec = review.get("spec") or {}
    if not spec.get("user") and not spec.get("groups"):
        error = fielderrors.required("spec.user", "at least one of user or group must be specified")
        raise status.invalid(call.resource.kind, "", [error])
    extra = {key: tuple(values or ()) for key, values in (spec.get("extra") or {}).items()}
    return UserInfo(spec.get("user", ""), tuple(spec.get("groups") or ()), spec.get("uid", ""), extra)


def _answer(call: Call, review: Object, user: UserInfo) -> web.Response:
    spec = review.get("spec") or {}
    resource: Any = spec.get("resourceAttributes")
    path: Any = spec.get("nonResourceAttributes")
    errors = _errors(resource, path)
    if errors:
        raise status.invalid(call.resource.kind, "", errors)
    if resource is not None:
        asked = Attributes(
            user,
            verb=resource.get("verb", ""),
            group=resource.get("group", ""),
            version=resource.get("version", ""),
            resource=resource.get("resource", ""),
            subresource=resource.get("subresource", ""),
            namespace=resource.get("namespace", ""),
            name=resource.get("name", ""),
        )
    else:
        asked = Attributes(user, verb=path.get("verb", ""), path=path.get("path", "") or "/")
    decision = call.server.authorizer.authorize(asked)
    review["status"] = {"allowed": decision.allowed}
    if decision.reason:
        review["status"]["reason"] = decision.reason
    return respond.send_other(call, review, 201)


def _errors(resource: Any, path: Any) -> list[FieldError]:
    if resource is not None and path is not None:
        text = "cannot be specified in combination with resourceAttributes"
        return [fielderrors.invalid("spec.nonResourceAttributes", path, text)]
    if resource is None and path is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        return [fielderrors.invalid("spec.resourceAttributes", None, text)]
    return []
