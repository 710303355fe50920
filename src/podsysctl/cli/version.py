"""`version`: of this program and of the server."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from podsysctl.base import versions
from podsysctl.cli import connect, formats
from podsysctl.cli.connect import Connection

HELP = """Print the versions of this program and of the server.

examples:
  podsysctl version
  podsysctl version --client"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `version`."""
    parser.add_argument("--client", action="store_true", help="only this program's, without asking the server")
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", choices=("", "json", "yaml"), help="json|yaml")


def run(args: argparse.Namespace) -> int:
    """Run `version`."""
    if args.client:
        _print(args, None)
        return 0
    answer: list[Any] = []

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        answer.append(await connection.client.request("GET", "/version"))
        return 0

    try:
        return connect.run(args, body)
    finally:  # this program's own version is told whether or not a server answers
        _print(args, answer[0] if answer else None)


def _print(args: argparse.Namespace, server: Any) -> None:
    client = {"gitVersion": f"v{versions.PROGRAM_VERSION}", "kubernetes": versions.KUBERNETES_VERSION}
    if args.output:
        body = {"clientVersion": client, **({"serverVersion": server} if server else {})}
        formats.printer(args)(body)
        return
    sys.stdout.write(f"Client Version: {client['gitVersion']}\n")
    if server:
        sys.stdout.write(f"Server Version: {server.get('gitVersion', '')}\n")
