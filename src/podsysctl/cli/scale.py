"""`scale`: the number of replicas (kubectl pkg/cmd/scale, v1.36)."""

from __future__ import annotations

import argparse

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, formats, results, targets, waiting
from podsysctl.cli.connect import Connection

HELP = """Set the number of replicas of a workload.

examples:
  podsysctl scale deployment web --replicas=3
  podsysctl scale --current-replicas=2 --replicas=3 deployment/web"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `scale`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME..., TYPE/NAME...")
    flags.add_files(parser, "to scale")
    flags.add_output(parser)
    flags.add_dry_run(parser)
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
    parser.add_argument("--all", action="store_true", help="every object of the kind")
    parser.add_argument("--replicas", type=int, metavar="N", default=-1, help="how many")
    parser.add_argument("--current-replicas", type=int, metavar="N", default=-1, help="only when it is this many now")
    parser.add_argument(
        "--timeout", metavar="DURATION", default="0", help="wait so long for the replicas; 0: do not wait"
    )


def run(args: argparse.Namespace) -> int:
    """Run `scale`."""
    if args.replicas < 0:
        raise UsageError("The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0")
    return connect.run(args, _scale)


async def _scale(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    for item in await targets.select(connection, args, args.words, all_flag=True, errors=errors):
        try:
            await _one(connection, args, item)
        except (StatusError, failures.PlainError) as error:
            errors.append(error)
    failures.raise_all(errors)
    return 0


async def _one(connection: Connection, args: argparse.Namespace, item: targets.Item) -> None:
    if "scale" not in item.kind.subresources:
        raise failures.PlainError(f"cannot scale {item.title}: kind {item.kind.kind} has no scale subresource")
    client = connection.client
    if args.current_replicas >= 0:
        now = await client.get(item.kind, item.name, item.namespace, "scale")
        present = (now.get("spec") or {}).get("replicas", 0)
        if present != args.current_replicas:
            raise failures.PlainError(f"Expected replicas to be {args.current_replicas}, was {present}")
    if args.dry_run != "client":
        await client.patch(
            item.kind,
            item.name,
            {"spec": {"replicas": args.replicas}},
            namespace=item.namespace,
            subresource="scale",
            dry_run=args.dry_run == "server",
        )
    timeout_s = flags.parse_duration(args.timeout)
    if timeout_s and args.dry_run == "none":
        await waiting.until(
            client,
            item.kind,
            item.name,
            item.namespace,
            lambda obj: obj is None or (obj.get("status") or {}).get("replicas", 0) == args.replicas,
            timeout_s,
        )
    if args.output:
        formats.printer(args)(await client.get(item.kind, item.name, item.namespace))
    else:
        results.print_line(item.title, "scaled" + results.SUFFIXES[args.dry_run])
