"""`rollout restart`: new pods from an unchanged template."""

from __future__ import annotations

import argparse

from podsysctl.base.clock import SystemClock, format_time
from podsysctl.cli import failures, flags, results, rollouts
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item

HELP = """Replace all pods of a workload.

example:
  podsysctl rollout restart deployment/web"""

ANNOTATION = "kubectl.kubernetes.io/restartedAt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout restart`."""
    rollouts.add_arguments(parser)
    flags.add_field_manager(parser, "kubectl-rollout")


def run(args: argparse.Namespace) -> int:
    """Run `rollout restart`."""
    return rollouts.run(args, _one)


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    if item.object["spec"].get("paused"):
        raise failures.PlainError("can't restart paused deployment (run rollout resume first)")
    now = format_time(SystemClock().now())
    await connection.client.patch(
        item.kind,
        item.name,
        {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: now}}}}},
        namespace=item.namespace,
        patch_type="strategic",
        field_manager=args.field_manager,
    )
    results.print_line(item.title, "restarted")
