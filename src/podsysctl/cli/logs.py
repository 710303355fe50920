"""`logs`: what containers wrote (kubectl pkg/cmd/logs, v1.36)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, podpick
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object, quote_path

HELP = """Print the logs of containers.

examples:
  podsysctl logs web
  podsysctl logs -f --tail=20 web -c proxy
  podsysctl logs -l app=web --prefix
  podsysctl logs -p web                      what its previous container wrote"""

MAX_STREAMS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """One container's log."""

    namespace: str
    pod: str
    container: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `logs`."""
    parser.add_argument("words", nargs="*", metavar="POD", help="POD or TYPE/NAME, and perhaps a container")
    parser.add_argument("-c", "--container", metavar="NAME", default="", help="the container, the first one by default")
    parser.add_argument("--all-containers", action="store_true", help="every container of the pod")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("-p", "--previous", action="store_true", help="the container before the last restart")
    parser.add_argument("--tail", type=int, metavar="LINES", default=None, help="only the last lines")
    parser.add_argument("--since", metavar="DURATION", default="", help="only what is newer, such as 5m")
    parser.add_argument("--since-time", metavar="TIME", default="", help="only what is newer than an RFC 3339 time")
    parser.add_argument("--timestamps", action="store_true", help="the time before each line")
    parser.add_argument("--limit-bytes", type=int, metavar="N", default=0, help="stop after this many bytes")
    parser.add_argument("--prefix", action="store_true", help="pod and container before each line")
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="the pods with these labels")
    parser.add_argument("--ignore-errors", action="store_true", help="go on when one log cannot be read")
    parser.add_argument(
        "--max-log-requests", type=int, metavar="N", default=MAX_STREAMS, help="most logs followed at once"
    )


def run(args: argparse.Namespace) -> int:
    """Run `logs`."""
    if args.selector and args.words:
        raise UsageError("only a selector (-l) or a POD name is allowed")
    if (not args.selector and not args.words) or len(args.words) > 2:
        raise UsageError("expected 'logs [-f] [-p] (POD | TYPE/NAME) [-c CONTAINER]'.", hint="podsysctl logs POD")
    if len(args.words) == 2:
        if args.container:
            raise UsageError("only one of -c or an inline [CONTAINER] arg is allowed")
        args.container = args.words[1]
    if args.all_containers and args.container:
        raise UsageError(f"--all-containers=true should not be specified with container name {args.container}")
    if args.since and args.since_time:
        raise UsageError("at most one of `sinceTime` or `sinceSeconds` may be specified")
    if args.tail is not None and args.tail < -1:
        raise UsageError("--tail must be greater than or equal to -1")
    if args.tail is None and args.selector:
        args.tail = 10
    return connect.run(args, _logs)


async def _logs(connection: Connection, args: argparse.Namespace) -> int:
    sources = [source for pod in await _pods(connection, args) for source in _sources(pod, args)]
    if args.follow and len(sources) > args.max_log_requests:
        raise UsageError(
            f"you are attempting to follow {len(sources)} log streams, but maximum allowed concurrency is "
            f"{args.max_log_requests}, use --max-log-requests to increase the limit"
        )
    errors: list[PodsysctlError] = []

    async def one(source: Source) -> None:
        try:
            await _print(connection, args, source)
        except PodsysctlError as error:
            if not args.ignore_errors:
                raise
            errors.append(error)

    if args.follow and len(sources) > 1:
        async with asyncio.TaskGroup() as group:
            for source in sources:
                group.create_task(one(source))
    else:
        for source in sources:
            await one(source)
    for error in errors:
        sys.stderr.write(f"error: {error.message}\n")
    failures.raise_all([])
    return 0


async def _pods(connection: Connection, args: argparse.Namespace) -> list[Object]:
    if args.selector:
        kind = await connection.find("pods")
        found = await connection.client.list(
            kind, connection.namespace, label_selector=args.selector, limit=limits.LIST_PAGE_ITEMS
        )
        if not found.items:
            sys.stderr.write(f"No resources found in {connection.namespace} namespace.\n")
        return found.items
    try:
        return [await podpick.pod(connection, args.words[0])]
    except StatusError as error:
        if error.code != 404:
            raise
        raise failures.PlainError(
            f'error from server (NotFound): {error.message} in namespace "{connection.namespace}"'
        ) from error


def _sources(pod: Object, args: argparse.Namespace) -> list[Source]:
    metadata, spec = pod["metadata"], pod["spec"]
    where = metadata["namespace"], metadata["name"]
    if args.all_containers:
        groups = ("initContainers", "containers", "ephemeralContainers")
        return [Source(*where, c["name"]) for group in groups for c in spec.get(group) or ()]
    return [Source(*where, podpick.container(pod, args.container))]


def _params(args: argparse.Namespace, source: Source) -> dict[str, str]:
    params = {"container": source.container}
    for name in ("follow", "previous", "timestamps"):
        if getattr(args, name):
            params[name] = "true"
    if args.since:
        seconds = flags.parse_duration(args.since)
        if seconds <= 0:
            raise UsageError("--since must be greater than 0")
        params["sinceSeconds"] = str(max(1, round(seconds)))
    if args.since_time:
        params["sinceTime"] = args.since_time
    if args.tail is not None and args.tail >= 0:
        params["tailLines"] = str(args.tail)
    if args.limit_bytes:
        params["limitBytes"] = str(args.limit_bytes)
    return params


async def _print(connection: Connection, args: argparse.Namespace, source: Source) -> None:
    path = f"/api/v1/namespaces/{quote_path(source.namespace)}/pods/{quote_path(source.pod)}/log"
    timeout_s = None if args.follow else limits.STREAM_IDLE_TIMEOUT_S
    prefix = f"[pod/{source.pod}/{source.container}] ".encode() if args.prefix else b""
    out = sys.stdout.buffer
    async with connection.client.open(
        "GET", path, params=_params(args, source), accept="*/*", timeout_s=timeout_s
    ) as answer:
        rest = b""
        async for chunk in answer.iter_any():
            if prefix:
                *lines, rest = (rest + chunk).split(b"\n")
                chunk = b"".join(prefix + line + b"\n" for line in lines)
            out.write(chunk)
            out.flush()
        if rest:
            out.write(prefix + rest)
            out.flush()
