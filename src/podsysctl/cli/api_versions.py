"""`api-versions`: the API versions that the server has."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import connect
from podsysctl.cli.connect import Connection

HELP = "List the API versions that the server has, as group/version."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`api-versions` takes no arguments of its own."""


def run(args: argparse.Namespace) -> int:
    """Run `api-versions`."""
    return connect.run(args, _list)


async def _list(connection: Connection, args: argparse.Namespace) -> int:
    found = {resource.api_version for resource in await connection.mapper()}
    sys.stdout.write("".join(f"{version}\n" for version in sorted(found)))
    return 0
