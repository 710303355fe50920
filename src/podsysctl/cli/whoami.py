"""`whoami`: the user name alone, as `oc whoami` prints it."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import auth_whoami, connect
from podsysctl.cli.connect import Connection

HELP = "Print the user name that the server knows you by."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `whoami`."""
    parser.add_argument("--show-server", action="store_true", help="print the server's address instead")
    parser.add_argument("--show-context", "-c", action="store_true", help="print the kubeconfig's context instead")


def run(args: argparse.Namespace) -> int:
    """Run `whoami`."""
    if args.show_server or args.show_context:
        chosen = connect.client_config(args)
        sys.stdout.write(f"{chosen.server if args.show_server else chosen.context}\n")
        return 0

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        review = await auth_whoami.ask(connection)
        sys.stdout.write(f"{review['status']['userInfo'].get('username', '')}\n")
        return 0

    return connect.run(args, body)
