"""`create token SERVICEACCOUNT`: a token that says its bearer is that account."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import StatusError
from podsysctl.cli import connect, flags, formats
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object

HELP = """Ask the server for a token of a ServiceAccount.

example:
  podsysctl create token builder --duration 10m"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `create token`."""
    parser.add_argument("name", metavar="SERVICEACCOUNT", help="the account")
    parser.add_argument("--audience", metavar="NAME", action="append", default=[], help="who may accept the token")
    flags.add_output(parser, "json|yaml|name|jsonpath=")
    parser.add_argument("--duration", metavar="DURATION", default="0", help="how long it is good")


def run(args: argparse.Namespace) -> int:
    """Run `create token`."""
    return connect.run(args, _create)


async def _create(connection: Connection, args: argparse.Namespace) -> int:
    spec: Object = {"audiences": args.audience} if args.audience else {}
    seconds = int(flags.parse_duration(args.duration))
    if seconds:
        spec["expirationSeconds"] = seconds
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": spec}
    kind = await connection.find("serviceaccounts")
    try:
        answer = await connection.client.create(
            kind, request, namespace=connection.namespace, name=args.name, subresource="token"
        )
    except StatusError as error:
        text = f"failed to create token: {error.message}"
        raise StatusError(error.code, error.status_reason, text, error.details) from error
    if args.output:
        metadata = {**(answer.get("metadata") or {}), "name": args.name}
        formats.printer(args)({**request, **answer, "metadata": metadata})
    else:
        sys.stdout.write(answer["status"]["token"] + "\n")
    return 0
