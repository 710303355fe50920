"""The constructors of API errors: code, reason and upstream's text."""

from collections.abc import Callable

import pytest

from podsysctl.base.errors import FieldError, StatusError
from podsysctl.objects import kinds, status

PODS = kinds.builtin_by_resource("", "v1", "pods")
DEPLOYMENTS = kinds.builtin_by_resource("apps", "v1", "deployments")
NODE_RULE = 'User "u" cannot get resource "nodes" in API group "" at the cluster scope'
LOG_RULE = 'User "u" cannot get resource "pods/log" in API group "" in the namespace "d"'


@pytest.mark.parametrize(
    ("make", "code", "reason", "message"),
    [
        (lambda: status.not_found(PODS, "a"), 404, "NotFound", 'pods "a" not found'),
        (lambda: status.not_found(DEPLOYMENTS, "a"), 404, "NotFound", 'deployments.apps "a" not found'),
        (lambda: status.already_exists(PODS, "a"), 409, "AlreadyExists", 'pods "a" already exists'),
        (
            lambda: status.generate_name_conflict(PODS, "a"),
            409,
            "AlreadyExists",
            'pods "a" already exists, the server was not able to generate a unique name for the object',
        ),
        (
            lambda: status.conflict(DEPLOYMENTS, "a"),
            409,
            "Conflict",
            'Operation cannot be fulfilled on deployments.apps "a": the object has been modified; please apply your '
            "changes to the latest version and try again",
        ),
        (lambda: status.forbidden(PODS, "a", "no"), 403, "Forbidden", 'pods "a" is forbidden: no'),
        (
            lambda: status.forbidden_request(user="u", verb="get", group="", resource="nodes"),
            403,
            "Forbidden",
            f"nodes is forbidden: {NODE_RULE}",
        ),
        (
            lambda: status.forbidden_request(
                user="u", verb="get", group="", resource="pods", subresource="log", namespace="d", name="p"
            ),
            403,
            "Forbidden",
            f'pods "p" is forbidden: {LOG_RULE}',
        ),
        (
            lambda: status.forbidden_path(user="u", verb="get", path="/metrics"),
            403,
            "Forbidden",
            'forbidden: User "u" cannot get path "/metrics"',
        ),
        (lambda: status.unauthorized(), 401, "Unauthorized", "Unauthorized"),
        (
            lambda: status.too_old_resource_version(5, 9),
            410,
            "Expired",
            "too old resource version: 5 (9)",
        ),
        (
            lambda: status.too_large_resource_version(9, 5),
            504,
            "Timeout",
            "Timeout: Too large resource version: 9, current: 5",
        ),
        (lambda: status.internal("x"), 500, "InternalError", "Internal error occurred: x"),
        (lambda: status.body_too_large(5), 413, "RequestEntityTooLarge", "Request entity too large: limit is 5"),
        (
            lambda: status.method_not_supported(PODS, "delete"),
            405,
            "MethodNotAllowed",
            'delete is not supported on resources of kind "pods"',
        ),
    ],
)
def test_error_has_upstreams_text(make: Callable[[], StatusError], code: int, reason: str, message: str) -> None:
    """Code, reason and message to the byte."""
    error = make()
    assert (error.code, error.status_reason, error.message) == (code, reason, message)


def test_invalid_lists_causes_and_joins_texts_once() -> None:
    """Every error is a cause; equal texts appear once in the message."""
    first = FieldError("FieldValueRequired", "spec.a", "Required value")
    second = FieldError("FieldValueInvalid", "spec.b", 'Invalid value: "x": no')
    body = status.invalid(DEPLOYMENTS, "d", [first, second, first]).to_dict()
    assert body["message"] == (
        'Deployment.apps "d" is invalid: [spec.a: Required value, spec.b: Invalid value: "x": no]'
    )
    assert body["details"]["group"] == "apps"
    assert body["details"]["kind"] == "Deployment"
    assert [cause["field"] for cause in body["details"]["causes"]] == ["spec.a", "spec.b", "spec.a"]
    assert body["code"] == 422
    assert status.invalid(PODS, "p", [first]).message == 'Pod "p" is invalid: spec.a: Required value'
