"""From HTTP to a handler: who asks, whether they may, and which handler answers.

Every failure leaves as a Status. Order as upstream's filter chain: request info, authentication, impersonation,
authorization, then the resource's verb.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from aiohttp import web

from podsysctl.apiserver import dispatch, health, openapi, requestinfo, respond
from podsysctl.apiserver.audit import Trail
from podsysctl.apiserver.auth import authenticate, impersonation
from podsysctl.apiserver.auth.rbac import Attributes
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.apiserver.context import Call, ServerContext
from podsysctl.apiserver.discovery import Discovery
from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.apiserver.storelog import StoreFailedError
from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.objects import status

_log = logging.getLogger("podsysctl.apiserver")

_FAULT = "This request caused apiserver to panic. Look in the logs for details."
"""Upstream's words, which it sends as plain text (apiserver/pkg/server/filters/wrap.go, 1.36)."""

Plain = Callable[[web.Request], Awaitable[web.StreamResponse | None]]


class Application:
    """The request handler of one server."""

    def __init__(self, server: ServerContext) -> None:
        self._server = server
        self._discovery = Discovery(server)
        self._openapi = openapi.OpenApi(server)
        self._health = health.Health(server)

    async def handle(self, http: web.Request) -> web.StreamResponse:
        """Answer one request, whatever it is."""
        info = requestinfo.parse(http.method, http.path, http.query)
        with self._server.metrics.request(info) as outcome:
            try:
                response = await self._guarded(http, info)
            except asyncio.CancelledError:
                if http.writer.output_size > 0:  # the usual end of a watch: the client has what it wanted
                    outcome.code = 200
                raise
            outcome.code = response.status
            return response

    async def _guarded(self, http: web.Request, info: RequestInfo) -> web.StreamResponse:
        """The answer, every failure turned into a Status."""
        trail = Trail()
        try:
            if info.long_running:
                response = await self._answer(http, info, trail)
            else:
                async with asyncio.timeout(limits.REQUEST_TIMEOUT_S):
                    response = await self._answer(http, info, trail)
        except StatusError as error:
            failure = error
        except TimeoutError:
            failure = status.timeout("request did not complete within the allotted timeout")
        except StoreFailedError as error:
            _log.error("%s", error.message)
            failure = status.internal(error.message)
        except PodsysctlError as error:
            failure = status.internal(error.message)
        except web.HTTPException as error:
            failure = StatusError(error.status, "", error.reason)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end as a text that clients cannot read
            failure = status.internal(_FAULT)
            if not _has_left(http):
                _log.error("%s %s failed", http.method, http.path_qs, exc_info=error)
        else:
            self._server.audit.done(http, info, trail, response.status)
            return response
        self._server.audit.failed(http, info, trail, failure)
        if http.writer.output_size > 0 and http.transport is not None:
            http.transport.abort()  # part of an answer is out: only a broken connection tells that it is not whole
        return respond.error(http, failure, trail.warnings)

    async def _answer(self, http: web.Request, info: RequestInfo, trail: Trail) -> web.StreamResponse:
        user = self._server.authenticator.authenticate(http)
        trail.user = user.name
        acting = authenticate.impersonated(http)
        if acting is not None:
            impersonation.check(self._server.authorizer, user, acting)
            trail.user, trail.impersonated_by = acting.name, user.name
            user = acting
        self._authorize(info, user)
        if not info.is_resource:
            return await self._plain(http, user)
        resource = self._server.registry.find(info.group, info.version, info.resource)
        if resource is None:
            raise status.path_not_found()
        call = Call(self._server, http, info, http.query, user, resource, trail.warnings, trail.notes)
        return await dispatch.dispatch(call)

    def _authorize(self, info: RequestInfo, user: UserInfo) -> None:
        if info.is_resource:
            asked = Attributes(
                user, info.verb, info.group, info.version, info.resource, info.subresource, info.namespace, info.name
            )
        else:
            asked = Attributes(user, info.verb, path=info.path)
        decision = self._server.authorizer.authorize(asked)
        if decision.allowed:
            return
        if not info.is_resource:
            raise status.forbidden_path(user=user.name, verb=info.verb, path=info.path)
        raise status.forbidden_request(
            user=user.name,
            verb=info.verb,
            group=info.group,
            resource=info.resource,
            subresource=info.subresource,
            namespace=info.namespace,
            name=info.name,
        )

    async def _plain(self, http: web.Request, user: UserInfo) -> web.StreamResponse:
        for serve in (self._health.serve, self._discovery.serve, self._openapi.serve):
            response = serve(http)
            if response is not None:
                return response
        if http.path in ("/", "/index.html"):
            return respond.encode(http, {"paths": self._paths()})
        raise status.path_not_found()

    def _paths(self) -> list[str]:
        """The paths that name no resource, for whoever looks around (apiserver/pkg/server/routes/index.go, 1.36)."""
        return sorted([*self._health.paths(), *self._discovery.paths(), *self._openapi.paths()])


def _has_left(http: web.Request) -> bool:
    """Whether the client has closed the connection, after which whatever is written to it fails."""
    return http.transport is None or http.transport.is_closing()


def create_app(application: Application) -> web.Application:
    """The aiohttp application: one handler for all paths."""
    app = web.Application(client_max_size=limits.REQUEST_BODY_BYTES)
    app.router.add_route("*", "/{path:.*}", application.handle)
    return app
