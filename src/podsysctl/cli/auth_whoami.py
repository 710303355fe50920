"""`auth whoami`: who the server takes this client for."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import connect, formats, tables
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object

HELP = "Show who the server takes you for: user name, groups and extras."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `auth whoami`."""
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", help="json|yaml|jsonpath=")


def run(args: argparse.Namespace) -> int:
    """Run `auth whoami`."""
    return connect.run(args, _show)


async def ask(connection: Connection) -> Object:
    """The server's SelfSubjectReview."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    answer: Object = await connection.client.request(
        "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", body=body
    )
    return answer


async def _show(connection: Connection, args: argparse.Namespace) -> int:
    review = await ask(connection)
    if args.output:
        formats.printer(args)(review)
        return 0
    user = (review.get("status") or {}).get("userInfo") or {}
    rows = []
    if user.get("username"):
        rows.append(["Username", user["username"]])
    if user.get("uid"):
        rows.append(["UID", user["uid"]])
    if user.get("groups"):
        rows.append(["Groups", f"[{' '.join(user['groups'])}]"])
    rows += [[f"Extra: {key}", f"[{' '.join(values)}]"] for key, values in sorted((user.get("extra") or {}).items())]
    tables.print_rows(sys.stdout, ["ATTRIBUTE", "VALUE"], rows)
    return 0
