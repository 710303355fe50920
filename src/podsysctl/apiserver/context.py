"""What every handler works with: the server's parts, and one request on its way through them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.registry import Registry
from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.apiserver.resource import Resource
from podsysctl.apiserver.store import Store
from podsysctl.base.clock import Clock, format_time

if TYPE_CHECKING:
    from podsysctl.apiserver.admission.chain import Chain
    from podsysctl.apiserver.audit import AuditLog
    from podsysctl.apiserver.auth.authenticate import Authenticator
    from podsysctl.apiserver.auth.rbac import Authorizer
    from podsysctl.apiserver.auth.tokens import TokenIssuer
    from podsysctl.apiserver.definitions.serving import Definitions
    from podsysctl.apiserver.metrics import Metrics
    from podsysctl.apiserver.pki import Authority


@dataclass(slots=True, eq=False)
class ServerContext:
    """The parts of one API server."""

    config: ServerConfig
    port: int
    store: Store
    registry: Registry
    definitions: Definitions
    authority: Authority
    tokens: TokenIssuer
    authenticator: Authenticator
    authorizer: Authorizer
    admission: Chain
    audit: AuditLog
    metrics: Metrics
    fill_namespace: Callable[[str], Awaitable[None]] | None = None
    """Called for every new namespace before its creation is answered."""
    ready: bool = False
    """Whether bootstrap objects and definitions are loaded; before that /readyz fails."""
    stopping: bool = False
    watches: int = 0
    """Open watches."""

    @property
    def clock(self) -> Clock:
        """The server's time."""
        return self.config.clock

    def now(self) -> str:
        """The time as `meta/v1.Time`."""
        return format_time(self.config.clock.now())


@dataclass(slots=True, eq=False)
class Call:
    """One authorized request for a resource."""

    server: ServerContext
    http: web.Request
    info: RequestInfo
    query: Mapping[str, str]
    user: UserInfo
    resource: Resource
    warnings: list[str] = field(default_factory=list)
    audit: dict[str, Any] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        """The server's store."""
        return self.server.store

    def warn(self, text: str) -> None:
        """Tell the client something in a Warning header; each text once."""
        if text not in self.warnings:
            self.warnings.append(text)
