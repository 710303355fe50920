"""Who a request comes from: client certificate, bearer token, and whom they speak for.

Source of rules and texts: Kubernetes 1.36 `apiserver/pkg/endpoints/filters/{authentication,impersonation}.go`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from aiohttp import web

from podsysctl.apiserver.auth import user as users
from podsysctl.apiserver.auth.tokens import TokenIssuer
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.objects import status

_ANONYMOUS = UserInfo(users.ANONYMOUS, (users.UNAUTHENTICATED_GROUP,))
_ANONYMOUS_PATHS = frozenset({"/livez", "/readyz", "/healthz", "/version"})
"""What anyone on this machine may ask: whether we live, and who we are."""

_PREFIX = "impersonate-"
_USER, _GROUP, _UID, _EXTRA = "Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "impersonate-extra-"


class Authenticator:
    """Turns the credentials of a request into a user. `static` maps bearer tokens to users."""

    def __init__(self, tokens: TokenIssuer, static: Mapping[str, UserInfo] | None = None) -> None:
        self._tokens = tokens
        self._static = dict(static or {})

    def authenticate(self, http: web.Request) -> UserInfo:
        """Raises StatusError 401; only probes are answered to strangers."""
        component: UserInfo | None = http.get_extra_info("user")
        if component is not None:
            return component  # a connection from within this process, see `inprocess`
        certificate = http.get_extra_info("peercert")
        if certificate:
            return certificate_user(certificate)
        token = bearer_token(http)
        if token is not None:
            found = self.token_user(token)
            if found is None:
                raise status.unauthorized()
            return found
        if http.path in _ANONYMOUS_PATHS:
            return _ANONYMOUS
        raise status.unauthorized()

    def token_user(self, token: str) -> UserInfo | None:
        """The user of a static or ServiceAccount token."""
        static = self.static_user(token)
        if static is not None:
            return static
        checked = self._tokens.check(token)
        return checked[0] if checked else None

    def static_user(self, token: str) -> UserInfo | None:
        """The user of a static token."""
        found = None
        for known, user in self._static.items():
            if hmac.compare_digest(known.encode(), token.encode(errors="surrogateescape")):
                found = user
        return found


def bearer_token(http: web.Request) -> str | None:
    """The token of the Authorization header, None without one."""
    scheme, _, token = http.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def certificate_user(certificate: Mapping[str, Any]) -> UserInfo:
    """Common name is the user, organizations are the groups."""
    name, groups = "", []
    for attributes in certificate.get("subject", ()):
        for key, value in attributes:
            if key == "commonName":
                name = value
            elif key == "organizationName":
                groups.append(value)
    if not name:
        raise status.unauthorized()
    return UserInfo(name, (*groups, users.AUTHENTICATED_GROUP))


def impersonated(http: web.Request) -> UserInfo | None:
    """Whom the request wants to act as, None when it does not. Raises StatusError 500 as upstream does."""
    headers = http.headers
    if not any(header[: len(_PREFIX)].lower() == _PREFIX for header in headers):
        return None
    name = _text(headers.get(_USER, ""))
    groups = tuple(map(_text, headers.getall(_GROUP, ())))
    extra: dict[str, tuple[str, ...]] = {}
    for header in headers:
        if header.lower().startswith(_EXTRA):
            key = unquote(header[len(_EXTRA) :].lower())
            extra[key] = tuple(map(_text, headers.getall(header)))
    uid = _text(headers.get(_UID, ""))
    if not name:
        if groups or extra or uid:
            parts = f"requested [{' '.join(groups)}] without impersonating a user"
            raise status.internal(parts)
        return None
    if name == users.ANONYMOUS:
        return UserInfo(name, groups or (users.UNAUTHENTICATED_GROUP,), uid, extra)
    if name.startswith("system:serviceaccount:") and not groups:
        _, _, namespace, account = [*name.split(":"), "", ""][:4]
        account_user = users.service_account(namespace, account, uid, extra)
        return UserInfo(name, account_user.groups, uid, extra)
    if users.AUTHENTICATED_GROUP not in groups:
        groups = (*groups, users.AUTHENTICATED_GROUP)
    return UserInfo(name, groups, uid, extra)


def _text(value: str) -> str:
    """A header's value, in which bytes that are no UTF-8 cannot stop the answer or the audit log."""
    return value.encode(errors="replace").decode()
