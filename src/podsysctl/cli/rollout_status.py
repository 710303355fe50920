"""`rollout status` (kubectl pkg/polymorphichelpers/rollout_status.go, v1.36)."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import failures, flags, rollout_pools, rollouts, waiting
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object
from podsysctl.objects import machineconfig as names

HELP = """Wait until a rollout has ended, and tell how it goes.

example:
  podsysctl rollout status deployment/web --timeout=60s
  podsysctl rollout status machineconfigpool/worker"""

WEEK_S = 168 * 3600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout status`."""
    rollouts.add_arguments(parser)
    flags.add_bool(parser, "-w", "--watch", default=True, help="wait for the end")
    parser.add_argument("--timeout", metavar="DURATION", default="0", help="give up after this time")
    parser.add_argument("--revision", type=int, metavar="N", default=0, help="fail when another revision rolls out")


def run(args: argparse.Namespace) -> int:
    """Run `rollout status`."""
    return rollouts.run(args, _one, (*rollouts.WORKLOADS, names.POOL.qualified))


async def _one(connection: Connection, args: argparse.Namespace, item: Item) -> None:
    timeout_s = flags.parse_duration(args.timeout) or WEEK_S
    if item.kind.qualified == names.POOL.qualified:
        await rollout_pools.follow(connection, item.name, timeout_s, watch=args.watch)
        return
    last = ""

    def settled(obj: Object | None) -> bool:
        nonlocal last
        if obj is None:
            raise failures.PlainError("object has been deleted")
        text, done = progress({**obj, "kind": item.kind.kind}, args.revision)
        if text != last:
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            last = text
        return done or not args.watch

    await waiting.until(connection.client, item.kind, item.name, item.namespace, settled, timeout_s)


def progress(obj: Object, revision: int = 0) -> tuple[str, bool]:
    """How a rollout stands, and whether it has ended. Raises PlainError when it cannot succeed."""
    readers = {"Deployment": _deployment, "DaemonSet": _daemon_set, "StatefulSet": _stateful_set}
    return readers[obj["kind"]](obj, revision)


def _counts(obj: Object, *names: str) -> list[int]:
    status = obj.get("status") or {}
    return [int(status.get(name) or 0) for name in names]


def _observed(obj: Object) -> bool:
    return int(obj["metadata"].get("generation") or 0) <= _counts(obj, "observedGeneration")[0]


def _deployment(obj: Object, revision: int) -> tuple[str, bool]:
    name = obj["metadata"]["name"]
    running = int((obj["metadata"].get("annotations") or {}).get(rollouts.REVISION) or 0)
    if revision and revision != running:
        raise failures.PlainError(f"desired revision ({revision}) is different from the running revision ({running})")
    if not _observed(obj):
        return "Waiting for deployment spec update to be observed...", False
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Progressing" and condition.get("reason") == "ProgressDeadlineExceeded":
            raise failures.PlainError(f'deployment "{name}" exceeded its progress deadline')
    wanted = obj["spec"].get("replicas", 1)
    updated, total, available = _counts(obj, "updatedReplicas", "replicas", "availableReplicas")
    head = f'Waiting for deployment "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new replicas have been updated...", False
    if total > updated:
        return f"{head} {total - updated} old replicas are pending termination...", False
    if available < updated:
        return f"{head} {available} of {updated} updated replicas are available...", False
    return f'deployment "{name}" successfully rolled out', True


def _daemon_set(obj: Object, revision: int) -> tuple[str, bool]:
    name = obj["metadata"]["name"]
    if ((obj["spec"].get("updateStrategy") or {}).get("type") or "RollingUpdate") != "RollingUpdate":
        raise failures.PlainError("rollout status is only available for RollingUpdate strategy type")
    if not _observed(obj):
        return "Waiting for daemon set spec update to be observed...", False
    wanted, updated, available = _counts(obj, "desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable")
    head = f'Waiting for daemon set "{name}" rollout to finish:'
    if updated < wanted:
        return f"{head} {updated} out of {wanted} new pods have been updated...", False
    if available < wanted:
        return f"{head} {available} of {wanted} updated pods are available...", False
    return f'daemon set "{name}" successfully rolled out', True


def _stateful_set(obj: Object, revision: int) -> tuple[str, bool]:
    strategy = obj["spec"].get("updateStrategy") or {}
    if (strategy.get("type") or "RollingUpdate") != "RollingUpdate":
        raise failures.PlainError("rollout status is only available for RollingUpdate strategy type")
    status = obj.get("status") or {}
    if not status.get("observedGeneration") or not _observed(obj):
        return "Waiting for statefulset spec update to be observed...", False
    wanted = obj["spec"].get("replicas", 1)
    ready, updated, current = _counts(obj, "readyReplicas", "updatedReplicas", "currentReplicas")
    if ready < wanted:
        return f"Waiting for {wanted - ready} pods to be ready...", False
    rolling = strategy.get("rollingUpdate")
    if rolling is not None:
        partition = rolling.get("partition")
        if partition is not None and updated < wanted - partition:
            text = f"{updated} out of {wanted - partition} new pods have been updated..."
            return f"Waiting for partitioned roll out to finish: {text}", False
        return f"partitioned roll out complete: {updated} new pods have been updated...", True
    if status.get("updateRevision") != status.get("currentRevision"):
        text = f"{updated} pods at revision {status.get('updateRevision')}..."
        return f"waiting for statefulset rolling update to complete {text}", False
    return f"statefulset rolling update complete {current} pods at revision {status.get('currentRevision')}...", True
