"""From flags to an open client: which cluster, as whom, in which namespace."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from podsysctl.base import limits
from podsysctl.base.errors import NoClusterError, UsageError
from podsysctl.cli import flags
from podsysctl.cli.machine_files import DATA_DIR, MachineFiles
from podsysctl.client import config, loop
from podsysctl.client.config import ClientConfig
from podsysctl.client.discovery import Found, Mapper, discover
from podsysctl.client.rest import Client, Object


class Connection:
    """An open client with the namespace in use and the server's kinds, asked for once."""

    def __init__(self, client: Client, namespace: str, *, explicit: bool) -> None:
        self.client = client
        self.namespace = namespace
        self.namespace_is_explicit = explicit
        self._mapper: Mapper | None = None

    async def mapper(self) -> Mapper:
        """The server's kinds."""
        if self._mapper is None:
            self._mapper = await discover(self.client)
        return self._mapper

    async def find(self, word: str) -> Found:
        """The kind that a word means. Raises UnknownResourceError."""
        return (await self.mapper()).find(word)

    async def get(self, kind: Found, name: str, namespace: str | None = None) -> Object:
        """One object, from the namespace in use unless another is given."""
        return await self.client.get(kind, name, self.scope(kind, namespace))

    def scope(self, kind: Found, namespace: str | None = None) -> str | None:
        """The namespace for a kind: None for cluster-scoped kinds."""
        return (namespace or self.namespace) if kind.namespaced else None


def client_config(args: argparse.Namespace) -> ClientConfig:
    """The configuration that flags, kubeconfig and environment give. Raises UsageError."""
    base = _from_files(args)
    changes: dict[str, object] = {}
    if args.server:
        changes["server"] = args.server.rstrip("/") if "://" in args.server else f"https://{args.server.rstrip('/')}"
    if args.token:
        changes |= {"token": args.token, "token_file": "", "exec_plugin": None, "username": ""}
    for flag, key in (
        ("certificate_authority", "ca"),
        ("client_certificate", "client_cert"),
        ("client_key", "client_key"),
    ):
        path = getattr(args, flag)
        if path:
            changes[key] = _read(path)
    if args.insecure_skip_tls_verify:
        changes["insecure"] = True
    if args.impersonate:
        changes |= {
            "impersonate_user": args.impersonate,
            "impersonate_groups": tuple(args.impersonate_groups or ()),
        }
    elif args.impersonate_groups:
        raise UsageError("--as-group needs --as", hint="name a user to act as with --as")
    return replace(base, **changes)  # type: ignore[arg-type]


def _from_files(args: argparse.Namespace) -> ClientConfig:
    paths = kubeconfig_paths(args)
    if not any(config.is_present(p) for p in paths) and not args.kubeconfig:
        if "KUBERNETES_SERVICE_HOST" in os.environ:
            return config.load_in_cluster()
        if args.server:
            return ClientConfig(server=args.server)
        if os.environ.get("KUBECONFIG"):
            raise NoClusterError(
                f"no cluster is configured: $KUBECONFIG names {', '.join(map(str, paths))}, which is not there",
                hint="start a cluster with `podsysctl up`, which says where its kubeconfig is",
            )
    document = config.read_kubeconfig(paths, must_exist=bool(args.kubeconfig))
    return config.resolve(document, context=args.context, cluster=args.cluster, user=args.user)


def kubeconfig_paths(args: argparse.Namespace) -> list[Path]:
    """The kubeconfig files in use; the one-machine cluster's own when there is no other."""
    paths = config.kubeconfig_paths(args.kubeconfig)
    own = MachineFiles(DATA_DIR).kubeconfig
    if args.kubeconfig or "KUBECONFIG" in os.environ or any(map(config.is_present, paths)):
        return paths
    return [own] if config.is_present(own) else paths


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


class Warnings:
    """Prints each warning of the server once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def __call__(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            sys.stdout.flush()
            sys.stderr.write(f"Warning: {text}\n")


@asynccontextmanager
async def connect(args: argparse.Namespace) -> AsyncIterator[Connection]:
    """An open connection. Raises UsageError."""
    chosen = client_config(args)
    timeout_s = flags.parse_duration(args.request_timeout) or limits.REQUEST_TIMEOUT_S
    async with Client(chosen, on_warning=Warnings(), request_timeout_s=timeout_s) as client:
        yield Connection(client, args.namespace or chosen.namespace, explicit=bool(args.namespace))


def run(args: argparse.Namespace, command: Callable[[Connection, argparse.Namespace], Awaitable[int]]) -> int:
    """Run a command that needs a server; its exit code."""

    async def body() -> int:
        async with connect(args) as connection:
            return await command(connection, args)

    return loop.run(_unwrapped(body()), uvloop=False)


async def _unwrapped(body: Awaitable[int]) -> int:
    """Task groups wrap errors; a command's first error is the one to show."""
    try:
        return await body
    except BaseExceptionGroup as group:
        raise _first(group) from group


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        real = [e for e in error.exceptions if not isinstance(e, asyncio.CancelledError)]
        error = (real or error.exceptions)[0]
    return error
