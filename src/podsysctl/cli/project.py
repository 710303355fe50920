"""`project [NAME]`: show or switch the namespace in use, as oc does."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import StatusError
from podsysctl.cli import config_files, connect, failures
from podsysctl.cli.connect import Connection

HELP = """Show the namespace in use, or switch to another.

examples:
  podsysctl project
  podsysctl project demo"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `project`."""
    parser.add_argument("name", nargs="?", metavar="NAME", default="", help="the namespace to switch to")
    parser.add_argument("-q", "--short", action="store_true", help="print the name alone")


def run(args: argparse.Namespace) -> int:
    """Run `project`."""

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        server = connection.client.config.server
        if not args.name:
            text = (
                connection.namespace if args.short else f'Using project "{connection.namespace}" on server "{server}".'
            )
            sys.stdout.write(text + "\n")
            return 0
        try:
            await connection.client.request("GET", f"/api/v1/namespaces/{args.name}")
        except StatusError as error:
            if error.code != 404:
                raise
            raise failures.PlainError(
                f'A project named "{args.name}" does not exist on "{server}".',
                hint=f"podsysctl new-project {args.name}",
            ) from error
        switch(args, args.name)
        sys.stdout.write(f'Now using project "{args.name}" on server "{server}".\n')
        return 0

    return connect.run(args, body)


def switch(args: argparse.Namespace, namespace: str) -> None:
    """Make a namespace the one in use, in the context in use."""
    name = config_files.context_name(args, config_files.read(args))
    config_files.change_context(args, name, {"namespace": namespace})
