"""Who is that: SelfSubjectReview and TokenReview."""

from __future__ import annotations

from aiohttp import web

from podsysctl.apiserver import respond
from podsysctl.apiserver.auth.tokens import AUDIENCES
from podsysctl.apiserver.context import Call
from podsysctl.apiserver.reviews.access import read
from podsysctl.objects import fielderrors, status


async def self_subject(call: Call) -> web.StreamResponse:
    """The caller, as the server sees them."""
    await read(call)
    review = {
        "kind": "SelfSubjectReview",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {"creationTimestamp": call.server.now()},
        "status": {"userInfo": call.user.to_dict()},
    }
    return respond.send_other(call, review, 201)


async def token(call: Call) -> web.StreamResponse:
    """The user of a bearer token."""
    review = await read(call)
    spec = review.get("spec") or {}
    text, audiences = spec.get("token", ""), tuple(spec.get("audiences") or AUDIENCES)
    if not text:
        error = fielderrors.required("spec.token", "token must be provided")
        raise status.invalid(call.resource.kind, "", [error])
    checked = call.server.tokens.check(text, audiences)
    if checked is None:
        user = call.server.authenticator.static_user(text)
        checked = None if user is None else (user, audiences)
    if checked is None:
        review["status"] = {"user": {}, "error": "invalid bearer token"}
    else:
        user, matching = checked
        review["status"] = {"authenticated": True, "user": user.to_dict(), "audiences": list(matching)}
    return respond.send_other(call, review, 201)
