"""`api-resources`: the kinds that the server has."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import connect, flags, tables
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found

HELP = """List the kinds that the server has.

examples:
  podsysctl api-resources
  podsysctl api-resources --api-group=tuned.openshift.io -o wide"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `api-resources`."""
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", choices=("", "wide", "name"), help="wide|name")
    parser.add_argument("--api-group", metavar="GROUP", default=None, help="only this group; empty for the core")
    flags.add_bool(parser, "--namespaced", default=None, help="only kinds in namespaces, or with =false the others")
    parser.add_argument("--verbs", metavar="VERBS", default="", help="only kinds with all these verbs")
    parser.add_argument("--categories", metavar="NAMES", default="", help="only kinds in all these categories")
    parser.add_argument("--sort-by", metavar="COLUMN", default="", choices=("", "name", "kind"), help="name or kind")
    parser.add_argument("--no-headers", action="store_true", help="leave out the column names")
    parser.add_argument("--cached", action="store_true", help="accepted for compatibility; answers are always fresh")


def run(args: argparse.Namespace) -> int:
    """Run `api-resources`."""
    return connect.run(args, _list)


async def _list(connection: Connection, args: argparse.Namespace) -> int:
    chosen = [r for r in (await connection.mapper()).preferred() if _wanted(args, r)]
    field = {"kind": "kind", "name": "plural"}.get(args.sort_by, "group")
    chosen.sort(key=lambda r: (getattr(r, field), r.plural))
    if args.output == "name":
        sys.stdout.write("".join(f"{r.qualified}\n" for r in chosen))
        return 0
    headers = ["NAME", "SHORTNAMES", "APIVERSION", "NAMESPACED", "KIND"]
    rows = []
    for r in chosen:
        row = [r.plural, ",".join(r.short_names), r.api_version, "true" if r.namespaced else "false", r.kind]
        rows.append([*row, ",".join(r.verbs), ",".join(r.categories)] if args.output == "wide" else row)
    if args.output == "wide":
        headers += ["VERBS", "CATEGORIES"]
    tables.print_rows(sys.stdout, headers, rows, show_headers=not args.no_headers)
    return 0


def _wanted(args: argparse.Namespace, resource: Found) -> bool:
    verbs, categories = set(filter(None, args.verbs.split(","))), set(filter(None, args.categories.split(",")))
    return (
        bool(resource.verbs)
        and (args.api_group is None or args.api_group == resource.group)
        and (args.namespaced is None or args.namespaced == resource.namespaced)
        and verbs <= set(resource.verbs)
        and categories <= set(resource.categories)
    )
