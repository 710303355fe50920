"""Whether a user may act as another one: the verb `impersonate` on users, groups, uids and extra values."""

from __future__ import annotations

from podsysctl.apiserver.auth.rbac import Attributes, Authorizer
from podsysctl.apiserver.auth.user import AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP, UserInfo
from podsysctl.objects import status

_AUTHENTICATION = "authentication.k8s.io"


def check(authorizer: Authorizer, user: UserInfo, acting: UserInfo) -> None:
    """Raises StatusError 403 naming the first thing that may not be impersonated."""
    for asked in _questions(user, acting):
        if not authorizer.authorize(asked).allowed:
            raise status.forbidden_request(
                user=user.name,
                verb="impersonate",
                group=asked.group,
                resource=asked.resource,
                subresource=asked.subresource,
                namespace=asked.namespace,
                name=asked.name,
            )


def _questions(user: UserInfo, acting: UserInfo) -> list[Attributes]:
    out = []
    prefix = "system:serviceaccount:"
    if acting.name.startswith(prefix) and acting.name.count(":") == 3:
        _, _, namespace, name = acting.name.split(":")
        implied = {"system:serviceaccounts", f"system:serviceaccounts:{namespace}"}
        out.append(Attributes(user, "impersonate", resource="serviceaccounts", namespace=namespace, name=name))
    else:
        implied = set()
        out.append(Attributes(user, "impersonate", resource="users", name=acting.name))
    for group in acting.groups:
        if group not in implied and group not in (AUTHENTICATED_GROUP, UNAUTHENTICATED_GROUP):
            out.append(Attributes(user, "impersonate", resource="groups", name=group))
    if acting.uid:
        out.append(Attributes(user, "impersonate", _AUTHENTICATION, resource="uids", name=acting.uid))
    for key, values in acting.extra.items():
        out += [
            Attributes(
                user, "impersonate", _AUTHENTICATION, resource="userextras", subresource=key, name=value
            )
            for value in values
        ]
    return out
