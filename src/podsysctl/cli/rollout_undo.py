"""`rollout undo` (kubectl pkg/polymorphichelpers/rollback.go, v1.36)."""

from __future__ import annotations

import argparse

from podsysctl.cli import failures, flags, lastapplied, results, rollouts
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object

HELP = """Go back to the revision before, or to another one.

examples:
  podsysctl rollout undo deployment/web
  podsysctl rollout undo deployment/web --to-revision=3"""

KEPT = (
    lastapplied.ANNOTATION,
    rollouts.REVISION,
    "deployment.kubernetes.io/revision-history",
    "deployment.kubernetes.io/desired-replicas",
    "deployment.kubernetes.io/max-replicas",
    "deprecated.deployment.rollback.to",
)
"""Annotations that belong to the Deployment and not to a revision."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout undo`."""
    rollouts.add_arguments(parser)
    flags.add_dry_run(parser)
    parser.add_argument("--to-revision", type=int, metavar="N", default=0, help="the revision; 0 is the one before")


def run(args: argparse.Namespace) -> int:
    """Run `rollout undo`."""
    return rollouts.run(args, _one, ("deployments.apps",))


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    found = await rollouts.revisions(connection, item.object)
    chosen = choose(found, args.to_revision, item.name)
    if item.object["spec"].get("paused"):
        raise failures.PlainError(
            "you cannot rollback a paused deployment; resume it first with 'podsysctl rollout resume' and try again"
        )
    suffix = results.SUFFIXES[args.dry_run]
    template = rollouts.plain_template(chosen["spec"]["template"])
    if template == rollouts.plain_template(item.object["spec"]["template"]):
        results.print_line(
            item.title, f"skipped rollback (current template already matches revision {args.to_revision}){suffix}"
        )
        return
    own = item.object["metadata"].get("annotations") or {}
    earlier = chosen["metadata"].get("annotations") or {}
    annotations = {k: v for k, v in own.items() if k in KEPT} | {k: v for k, v in earlier.items() if k not in KEPT}
    if args.dry_run != "client":
        await connection.client.patch(
            item.kind,
            item.name,
            [
                {"op": "replace", "path": "/spec/template", "value": template},
                {"op": "replace", "path": "/metadata/annotations", "value": annotations},
            ],
            namespace=item.namespace,
            patch_type="json",
            dry_run=args.dry_run == "server",
        )
    results.print_line(item.title, "rolled back" + suffix)


def choose(found: dict[int, Object], wanted: int, name: str) -> Object:
    """The ReplicaSet of a revision; of 0, the one before the newest. Raises PlainError."""
    if wanted:
        if wanted not in found:
            raise failures.PlainError(f"unable to find specified revision {wanted} in history")
        return found[wanted]
    if len(found) < 2:
        raise failures.PlainError(f'no rollout history found for deployment "{name}"')
    return found[sorted(found)[-2]]
