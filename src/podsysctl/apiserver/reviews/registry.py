"""Which reviews exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from podsysctl.apiserver.context import Call
from podsysctl.apiserver.reviews import access, identity
from podsysctl.objects.kinds import Kind

Handler = Callable[[Call], Awaitable[web.StreamResponse]]

_HANDLERS: dict[str, Handler] = {
    "authorization.k8s.io/selfsubjectaccessreviews": access.self_subject_access,
    "authorization.k8s.io/subjectaccessreviews": access.subject_access,
    "authorization.k8s.io/localsubjectaccessreviews": access.local_subject_access,
    "authorization.k8s.io/selfsubjectrulesreviews": access.self_subject_rules,
    "authentication.k8s.io/selfsubjectreviews": identity.self_subject,
    "authentication.k8s.io/tokenreviews": identity.token,
}


def handler(kind: Kind) -> Handler | None:
    """The handler of a review kind, None for kinds that are stored."""
    return _HANDLERS.get(f"{kind.group}/{kind.plural}")
