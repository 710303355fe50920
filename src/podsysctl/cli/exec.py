"""`exec`: a command in a container."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect, podpick, terminal
from podsysctl.cli.connect import Connection

HELP = """Run a command in a container.

examples:
  podsysctl exec web -- sysctl net.ipv4.tcp_syncookies
  podsysctl exec -it web -c proxy -- /bin/sh
  podsysctl exec deploy/web -- cat /etc/hosts"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `exec`."""
    parser.add_argument("words", nargs="*", metavar="POD", help="POD or TYPE/NAME, then -- and the command")
    parser.add_argument("-c", "--container", metavar="NAME", default="", help="the container, the first one by default")
    parser.add_argument("-i", "--stdin", action="store_true", help="pass standard input on")
    parser.add_argument("-t", "--tty", action="store_true", help="give the command a terminal")
    parser.add_argument("-q", "--quiet", action="store_true", help="print only what the command prints")


def run(args: argparse.Namespace) -> int:
    """Run `exec`."""
    if not args.words:
        raise UsageError("pod, type/name or --filename must be specified", hint="podsysctl exec POD -- COMMAND")
    command = args.trailing if args.trailing is not None else []
    if len(args.words) > 1:
        raise UsageError(
            "exec [POD] [COMMAND] is not supported anymore. Use exec [POD] -- [COMMAND] instead",
            hint="podsysctl exec POD -- COMMAND",
        )
    if not command:
        raise UsageError(
            "you must specify at least one command for the container", hint="podsysctl exec POD -- COMMAND"
        )

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        return await execute(connection, args, args.words[0], command)

    return connect.run(args, body)


async def execute(connection: Connection, args: argparse.Namespace, word: str, command: list[str]) -> int:
    """Run a command in the pod that `word` means; its exit code."""
    pod = await podpick.pod(connection, word)
    podpick.refuse_finished(pod, "exec into")
    container = podpick.container(pod, args.container, quiet=args.quiet)
    is_tty = terminal.wants_tty(args.tty, args.stdin, quiet=args.quiet)
    metadata = pod["metadata"]
    return await terminal.run(
        connection,
        metadata["namespace"],
        metadata["name"],
        container,
        command,
        stdin=args.stdin,
        is_tty=is_tty,
    )
