"""What a request asks for, read from its method, path and query alone.

Authorization, audit and routing all use this one reading. Rules follow Kubernetes 1.36
`apiserver/pkg/endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from podsysctl.objects import selectors
from podsysctl.objects.selectors import SelectorError

_VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_STREAM_SUBRESOURCES = frozenset({"log", "exec", "attach", "portforward", "proxy"})


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A path taken apart. For paths that name no resource, only `verb` (the method) and `path` are set."""

    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    extra_parts: tuple[str, ...] = ()
    field_selector: str = ""
    label_selector: str = ""

    @property
    def long_running(self) -> bool:
        """Whether the request may last: watches and streams have no request timeout."""
        return self.verb == "watch" or self.subresource in _STREAM_SUBRESOURCES


def parse(method: str, path: str, query: Mapping[str, str]) -> RequestInfo:
    """Read a request line; never fails, an odd path is simply no resource."""
    plain = RequestInfo(path=path, verb=method.lower())
    parts = path.strip("/").split("/")
    if len(parts) < 3 or parts[0] not in ("api", "apis"):
        return plain
    group = ""
    if parts[0] == "apis":
        if len(parts) < 4:
            return plain
        group = parts[1]
        version, parts = parts[2], parts[3:]
    else:
        version, parts = parts[1], parts[2:]
    verb = _VERBS.get(method, "")
    if parts[0] == "watch" and len(parts) > 1:
        verb, parts = "watch", parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    name = parts[1] if len(parts) > 1 else ""
    if not name:
        name = _selected_name(query) if verb == "get" else ""
        verb = _collective(verb, query)
    selecting = verb in ("list", "watch", "deletecollection")
    return RequestInfo(
        path=path,
        verb=verb,
        is_resource=True,
        group=group,
        version=version,
        namespace=namespace,
        resource=parts[0],
        name=name,
        subresource=parts[2] if len(parts) > 2 else "",
        extra_parts=tuple(parts[3:]),
        field_selector=query.get("fieldSelector", "") if selecting else "",
        label_selector=query.get("labelSelector", "") if selecting else "",
    )


def _collective(verb: str, query: Mapping[str, str]) -> str:
    """The verb when no name is given."""
    if verb == "get":
        return "watch" if is_true(query.get("watch")) else "list"
    return "deletecollection" if verb == "delete" else verb


def _selected_name(query: Mapping[str, str]) -> str:
    """The one name that a list or watch is limited to: a rule with `resourceNames` may allow it."""
    try:
        name = selectors.parse_field_selector(query.get("fieldSelector", "")).exact("metadata.name") or ""
    except SelectorError:
        return ""  # the handler refuses it
    return "" if name in (".", "..") or "/" in name or "%" in name else name


def is_true(value: str | None) -> bool:
    """A boolean query parameter: present and not `false` or `0`, as upstream converts it."""
    return value is not None and value.lower() not in ("false", "0")
