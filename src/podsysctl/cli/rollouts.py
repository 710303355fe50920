"""What rollout commands share: the workloads they take, and the revisions of a Deployment."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, targets, waiting
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object

REVISION = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
WORKLOADS = ("deployments.apps", "daemonsets.apps", "statefulsets.apps")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every rollout command."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME..., TYPE/NAME...")
    flags.add_files(parser, "meant")
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")


def run(
    args: argparse.Namespace,
    one: Callable[[Connection, argparse.Namespace, Item], Awaitable[None]],
    kinds: tuple[str, ...] = WORKLOADS,
) -> int:
    """Do something to each workload that is meant."""
    if not args.words and not args.filenames:
        raise UsageError("required resource not specified", hint="for example: deployment/web")

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        errors: list[PodsysctlError] = []
        for item in await targets.select(connection, args, args.words, errors=errors):
            verb = args.command.rpartition(" ")[2]
            try:
                if item.kind.qualified not in kinds:
                    raise failures.PlainError(f'{item.kind.qualified} "{item.name}" {verb} is not supported')
                await one(connection, args, item)
            except (StatusError, failures.PlainError, waiting.WaitTimeoutError) as error:
                errors.append(error)
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


async def revisions(connection: Connection, deployment: Object) -> dict[int, Object]:
    """The Deployment's ReplicaSets by revision, in order."""
    kind = await connection.find("replicasets.apps")
    metadata = deployment["metadata"]
    found = await connection.client.list(kind, metadata["namespace"])
    out: dict[int, Object] = {}
    for item in found.items:
        owners = item["metadata"].get("ownerReferences") or ()
        number = (item["metadata"].get("annotations") or {}).get(REVISION, "")
        if any(o.get("uid") == metadata.get("uid") for o in owners) and number.isdigit():
            out[int(number)] = item
    return dict(sorted(out.items()))


def plain_template(template: Object) -> Object:
    """A pod template without the label that ReplicaSets add to tell theirs apart."""
    metadata = template.get("metadata") or {}
    labels = {k: v for k, v in (metadata.get("labels") or {}).items() if k != "pod-template-hash"}
    return {**template, "metadata": {**metadata, "labels": labels}}
