"""`cordon` and `uncordon`: whether new pods may come to a node."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, results, targets
from podsysctl.cli.connect import Connection

HELP = """Mark nodes as unschedulable (cordon) or schedulable (uncordon).

examples:
  podsysctl cordon n1
  podsysctl uncordon -l pool=latency"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `cordon` and `uncordon`."""
    parser.add_argument("names", nargs="*", metavar="NODE", help="names of nodes")
    flags.add_selector(parser, all_namespaces=False, fields=False)
    flags.add_dry_run(parser)


def run(args: argparse.Namespace) -> int:
    """Run `cordon` or `uncordon`."""
    desired = not args.command.endswith("uncordon")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        errors: list[PodsysctlError] = []
        for item in await nodes(connection, args, errors):
            try:
                await mark(connection, args, item, desired)
            except StatusError as error:
                errors.append(error)
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


async def nodes(connection: Connection, args: argparse.Namespace, errors: list[PodsysctlError]) -> list[targets.Item]:
    """The nodes that names or a selector mean. Raises UsageError."""
    if not args.names and not args.selector:
        raise UsageError("no node was named", hint=f"podsysctl {args.command} NODE, or -l LABELS")
    if args.names and args.selector:
        raise UsageError("cannot specify both a node name and a --selector option")
    names = [name.removeprefix("node/").removeprefix("nodes/") for name in args.names]
    return await targets.select(connection, args, ["nodes", *names], errors=errors)


async def mark(connection: Connection, args: argparse.Namespace, item: targets.Item, desired: bool) -> None:
    """Make a node unschedulable or schedulable, and say so. Raises StatusError."""
    word = "cordoned" if desired else "uncordoned"
    suffix = results.SUFFIXES[args.dry_run]
    if bool((item.object.get("spec") or {}).get("unschedulable")) == desired:
        results.print_line(item.title, f"already {word}{suffix}")
        return
    if args.dry_run != "client":
        await connection.client.patch(
            item.kind,
            item.name,
            {"spec": {"unschedulable": True if desired else None}},
            patch_type="strategic",
            dry_run=args.dry_run == "server",
        )
    results.print_line(item.title, word + suffix)
