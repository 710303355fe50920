"""`rollout pause` and `rollout resume`."""

from __future__ import annotations

import argparse

from podsysctl.cli import failures, flags, results, rollouts
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item

HELP = """Stop a Deployment from rolling out (pause), or let it go on (resume).

examples:
  podsysctl rollout pause deployment/web
  podsysctl rollout resume deployment/web"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout pause` and `rollout resume`."""
    rollouts.add_arguments(parser)
    flags.add_field_manager(parser, "kubectl-rollout")


def run(args: argparse.Namespace) -> int:
    """Run `rollout pause` or `rollout resume`."""
    return rollouts.run(args, _one, ("deployments.apps",))


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    pausing = args.command.endswith("pause")
    if bool(item.object["spec"].get("paused")) == pausing:
        state = "is already paused" if pausing else "is not paused"
        raise failures.PlainError(f'{item.kind.qualified} "{item.name}" {state}')
    await connection.client.patch(
        item.kind,
        item.name,
        {"spec": {"paused": True if pausing else None}},
        namespace=item.namespace,
        patch_type="strategic",
        field_manager=args.field_manager,
    )
    results.print_line(item.title, "paused" if pausing else "resumed")
