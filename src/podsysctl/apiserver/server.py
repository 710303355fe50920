"""Starting and stopping one API server: files, store, definitions, bootstrap objects, listener, upkeep."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
from pathlib import Path

from aiohttp import web

from podsysctl.apiserver import shipped, upkeep
from podsysctl.apiserver.admission.chain import Chain
from podsysctl.apiserver.app import Application, create_app
from podsysctl.apiserver.audit import AuditLog
from podsysctl.apiserver.auth.authenticate import Authenticator
from podsysctl.apiserver.auth.rbac import Authorizer
from podsysctl.apiserver.auth.tokens import TokenIssuer
from podsysctl.apiserver.auth.user import AUTHENTICATED_GROUP, MASTERS_GROUP, UserInfo
from podsysctl.apiserver.bootstrap import namespacecontent, objects
from podsysctl.apiserver.config import ServerConfig
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.definitions import loading
from podsysctl.apiserver.definitions.serving import Definitions
from podsysctl.apiserver.inprocess import InProcess
from podsysctl.apiserver.metrics import Metrics
from podsysctl.apiserver.pki import Authority, Credential
from podsysctl.apiserver.registry import Registry
from podsysctl.apiserver.store import Store
from podsysctl.base import durable, limits
from podsysctl.base.errors import PodsysctlError

_KEEPALIVE_S = 120
_SHUTDOWN_S = 3
"""Time for answers under way when the server stops; watches have been ended before."""

_log = logging.getLogger("podsysctl.apiserver")


class ListenError(PodsysctlError):
    """The port is taken or may not be used."""

    reason = "ListenFailed"


class ApiServer:
    """One API server over one data directory; use as an async context manager or with start and stop."""

    def __init__(self, config: ServerConfig) -> None:
        self.config = config
        self._context: ServerContext | None = None
        self._application: Application | None = None
        self._runner: web.AppRunner | None = None
        self._upkeep: asyncio.Task[None] | None = None
        self.port = config.port
        """The port listened on, once started."""

    async def __aenter__(self) -> ApiServer:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def context(self) -> ServerContext:
        """The server's parts, once started."""
        if self._context is None:
            raise PodsysctlError("the API server is not started")
        return self._context

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"https://{self.config.address}:{self.port}"

    @property
    def authority(self) -> Authority:
        """The certificate authority, for further client and serving certificates."""
        return self.context.authority

    def credential(self, file_name: str, user: str, groups: tuple[str, ...] = ()) -> Credential:
        """A client certificate for a component, kept in the data directory under `file_name`."""
        return self.authority.client_credential(file_name, user, groups)

    def in_process(self, user: str, groups: tuple[str, ...] = ()) -> InProcess:
        """The way of a component of this process to the server, as a user that needs no proof."""
        return InProcess(
            UserInfo(user, (*groups, AUTHENTICATED_GROUP)),
            lambda: self._application.handle if self._application is not None else None,
            lambda: self._runner.server if self._runner is not None else None,
        )

    async def start(self) -> None:
        """Open the store, write what must exist, and listen. Raises PodsysctlError."""
        config = self.config
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = _listen(config.address, config.port)
        self.port = listener.getsockname()[1]
        store = Store(config.store_dir)
        try:
            await store.open()
            context = self._context = _assemble(config, store, self.port)
            tls = context.authority.server_context((config.address, socket.gethostname(), *config.extra_names))
            await self._bootstrap(context)
            application = Application(context)
            self._runner = web.AppRunner(
                create_app(application),
                handler_cancellation=True,
                access_log=None,
                keepalive_timeout=_KEEPALIVE_S,
                shutdown_timeout=_SHUTDOWN_S,
            )
            await self._runner.setup()
            await web.SockSite(self._runner, listener, ssl_context=tls, backlog=limits.LISTEN_BACKLOG).start()
            self._application = application
        except BaseException:
            listener.close()
            await store.close()
            raise
        self._upkeep = asyncio.create_task(upkeep.run(context), name="apiserver-upkeep")

    async def _bootstrap(self, context: ServerContext) -> None:
        async def fill(namespace: str) -> None:
            await namespacecontent.fill(context, namespace)

        await objects.ensure_all(context)
        for namespace in objects.NAMESPACES:
            await namespacecontent.fill(context, namespace)
        await loading.load_directory(context, self.config.crd_dir)
        await shipped.ensure_constraints(context)
        context.fill_namespace = fill
        context.ready = True

    async def stop(self) -> None:
        """End watches and connections, write what is waiting, close the store."""
        context = self._context
        if context is None:
            return
        context.stopping = True
        self._application = None
        if self._upkeep is not None:
            self._upkeep.cancel()
            await asyncio.gather(self._upkeep, return_exceptions=True)
        context.store.end_watches()
        if self._runner is not None:
            await self._runner.shutdown()
            await self._runner.cleanup()
        await context.store.close()
        context.audit.close()
        self._context = None


def _assemble(config: ServerConfig, store: Store, port: int) -> ServerContext:
    registry = Registry()
    served = Definitions(registry, store)
    served.start()
    authority = Authority(config.pki_dir)

    def uid_of(plural: str, namespace: str, name: str) -> str | None:
        return loading.live_uid(registry, store, plural, namespace, name)

    tokens = TokenIssuer(authority.token_key, config.clock, uid_of)
    admin = UserInfo("kubernetes-admin", (MASTERS_GROUP, AUTHENTICATED_GROUP))
    static = {_admin_token(config.pki_dir / "admin.token"): admin}
    return ServerContext(
        config=config,
        port=port,
        store=store,
        registry=registry,
        definitions=served,
        authority=authority,
        tokens=tokens,
        authenticator=Authenticator(tokens, static),
        authorizer=Authorizer(store),
        admission=Chain(),
        audit=AuditLog(config.audit_log, config.clock),
        metrics=Metrics(store, registry, config.clock),
    )


def _admin_token(path: Path) -> str:
    """The administrator's bearer token, made at the first start, or when a full disk left the file empty."""
    token = path.read_text().strip() if path.exists() else ""
    if not token:
        token = secrets.token_urlsafe(32)
        durable.write(path, token + "\n")
    return token


def _listen(address: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address, port))
    except OSError as error:
        listener.close()
        raise ListenError(
            f"cannot listen on {address}:{port}: {error.strerror}", hint="choose another port with --port"
        ) from error
    listener.setblocking(False)
    return listener


