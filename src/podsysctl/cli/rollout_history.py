"""`rollout history` (kubectl pkg/polymorphichelpers/history.go, v1.36)."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import describe_core, failures, rollouts
from podsysctl.cli.connect import Connection
from podsysctl.cli.describe_text import Writer, align
from podsysctl.cli.targets import Item

HELP = """List the revisions of a Deployment, or show one.

examples:
  podsysctl rollout history deployment/web
  podsysctl rollout history deployment/web --revision=2"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout history`."""
    rollouts.add_arguments(parser)
    parser.add_argument("--revision", type=int, metavar="N", default=0, help="show this revision's pod template")


def run(args: argparse.Namespace) -> int:
    """Run `rollout history`."""
    return rollouts.run(args, _one, ("deployments.apps",))


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    found = await rollouts.revisions(connection, item.object)
    head = f"{item.title} "
    if not found:
        sys.stdout.write(f"{head}\nNo rollout history found.\n")
        return
    if args.revision:
        if args.revision not in found:
            raise failures.PlainError("unable to find the specified revision")
        w = Writer()
        describe_core.template(w, found[args.revision]["spec"]["template"])
        sys.stdout.write(f"{item.title} with revision #{args.revision}\n{w.raw()}\n")
        return
    lines = ["REVISION\tCHANGE-CAUSE"]
    for number, replica_set in found.items():
        cause = (replica_set["metadata"].get("annotations") or {}).get(rollouts.CHANGE_CAUSE) or "<none>"
        lines.append(f"{number}\t{cause}")
    sys.stdout.write(f"{head}\n" + align("\n".join(lines)) + "\n\n")
