"""`drain`: cordon a node and evict its pods, as gently as their disruption budgets want.

What is evicted and the texts: kubectl pkg/drain, v1.36.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import dataclass

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError
from podsysctl.cli import connect, cordon, failures, flags, results, targets
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Object

HELP = """Cordon a node and evict its pods.

examples:
  podsysctl drain n1 --ignore-daemonsets --delete-emptydir-data
  podsysctl drain n1 --force"""

RETRY_S = 5.0
POLL_S = 1.0
FINISHED = ("Succeeded", "Failed")

DAEMON_SET = (
    "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)",
    "ignoring DaemonSet-managed Pods",
)
LOCAL_STORAGE = (
    "cannot delete Pods with local storage (use --delete-emptydir-data to override)",
    "deleting Pods with local storage",
)
UNMANAGED = (
    "cannot delete Pods that declare no controller (use --force to override)",
    "deleting Pods that declare no controller",
)


class DrainError(PodsysctlError):
    """A node that could not be drained."""

    reason = "DrainFailed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pod goes; `text` is a warning, or with `fatal` the reason why nothing goes."""

    evict: bool
    text: str = ""
    fatal: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `drain`."""
    cordon.add_arguments(parser)
    parser.add_argument("--force", action="store_true", help="also pods that no controller would start again")
    parser.add_argument("--ignore-daemonsets", action="store_true", help="leave pods of DaemonSets")
    parser.add_argument("--delete-emptydir-data", action="store_true", help="also pods whose emptyDir data is lost")
    parser.add_argument("--grace-period", type=int, metavar="SECONDS", default=-1, help="time to end in peace")
    parser.add_argument("--timeout", metavar="DURATION", default="0", help="give up after this time")
    parser.add_argument("--pod-selector", metavar="LABELS", default="", help="only pods with these labels")
    parser.add_argument("--disable-eviction", action="store_true", help="delete pods, against their disruption budgets")


def run(args: argparse.Namespace) -> int:
    """Run `drain`."""
    return connect.run(args, _drain)


async def _drain(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    nodes = await cordon.nodes(connection, args, errors)
    for node in nodes:
        await cordon.mark(connection, args, node, True)
    pending: dict[str, str] = {}
    for node in nodes:
        try:
            await _drain_node(connection, args, node)
            results.print_line(node.title, "drained" + results.SUFFIXES[args.dry_run])
        except (DrainError, StatusError) as error:
            sys.stderr.write(
                f'error: unable to drain node "{node.name}" due to error: {error.message}, continuing command...\n'
            )
            pending[node.name] = error.message
    failures.raise_all(errors)
    if pending:
        sys.stderr.write("There are pending nodes to be drained:\n" + "".join(f" {name}\n" for name in pending))
        sys.stderr.write("".join(f"{text}\n" for text in pending.values()))
        return 1
    return 0


async def _drain_node(connection: Connection, args: argparse.Namespace, node: targets.Item) -> None:
    kind = await connection.find("pods")
    found = await connection.client.list(
        kind,
        field_selector=f"spec.nodeName={node.name}",
        label_selector=args.pod_selector,
        limit=limits.LIST_PAGE_ITEMS,
    )
    verdicts = [(pod, await judge(connection, args, pod)) for pod in found.items]
    _raise_fatal(verdicts)
    warnings = _grouped([(pod, v.text) for pod, v in verdicts if v.text])
    if warnings:
        sys.stderr.write(f"Warning: {'; '.join(warnings)}\n")
    going = [pod for pod, verdict in verdicts if verdict.evict]
    if args.dry_run == "client":
        for pod in going:
            sys.stdout.write(f"evicting pod {_where(pod)} (dry run)\n")
        return
    timeout_s = flags.parse_duration(args.timeout)
    try:
        async with asyncio.timeout(timeout_s or None):
            async with asyncio.TaskGroup() as group:
                for pod in going:
                    group.create_task(_remove(connection, args, pod))
    except TimeoutError as error:
        raise DrainError(f"global timeout reached: {args.timeout}") from error
    except ExceptionGroup as errors:
        texts = [e.message for e in errors.exceptions if isinstance(e, PodsysctlError)]
        raise DrainError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]") from errors


async def judge(connection: Connection, args: argparse.Namespace, pod: Object) -> Verdict:
    """Whether a pod goes; the last rule with something to say decides, a rule against it at once."""
    metadata, finished = pod["metadata"], (pod.get("status") or {}).get("phase") in FINISHED
    owner = next((o for o in metadata.get("ownerReferences") or () if o.get("controller")), None)
    verdict = Verdict(True)
    if owner is not None and owner.get("kind") == "DaemonSet" and not finished:
        verdict = await _judge_daemon(connection, args, pod, owner)
        if not verdict.evict:
            return verdict
    if "kubernetes.io/config.mirror" in (metadata.get("annotations") or {}):
        return Verdict(False)
    volumes = (pod.get("spec") or {}).get("volumes") or ()
    if not finished and any("emptyDir" in volume for volume in volumes):
        if not args.delete_emptydir_data:
            return Verdict(False, LOCAL_STORAGE[0], fatal=True)
        verdict = Verdict(True, LOCAL_STORAGE[1])
    if not finished and owner is None:
        if not args.force:
            return Verdict(False, UNMANAGED[0], fatal=True)
        verdict = Verdict(True, UNMANAGED[1])
    return verdict


async def _judge_daemon(connection: Connection, args: argparse.Namespace, pod: Object, owner: Object) -> Verdict:
    path = f"/apis/apps/v1/namespaces/{pod['metadata']['namespace']}/daemonsets/{owner['name']}"
    try:
        await connection.client.request("GET", path)
    except StatusError as error:
        if error.code == 404 and args.force:
            return Verdict(True, error.message)
        return Verdict(False, error.message, fatal=True)
    return Verdict(False, DAEMON_SET[1]) if args.ignore_daemonsets else Verdict(False, DAEMON_SET[0], fatal=True)


def _where(pod: Object) -> str:
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _grouped(entries: list[tuple[Object, str]]) -> list[str]:
    groups: dict[str, list[str]] = {}
    for pod, text in entries:
        groups.setdefault(text, []).append(_where(pod))
    return [f"{text}: {', '.join(pods)}" for text, pods in groups.items()]


def _raise_fatal(verdicts: list[tuple[Object, Verdict]]) -> None:
    texts = _grouped([(pod, v.text) for pod, v in verdicts if v.fatal])
    if texts:
        raise DrainError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")


async def _remove(connection: Connection, args: argparse.Namespace, pod: Object) -> None:
    """Evict or delete one pod and wait until it is gone. Raises DrainError."""
    metadata = pod["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    kind = await connection.find("pods")
    if args.disable_eviction:
        await connection.client.delete(
            kind, name, namespace, grace_period_s=args.grace_period if args.grace_period >= 0 else None
        )
        word = "deleted"
    else:
        if not await _evict(connection, args, name, namespace):
            return
        word = "evicted"
    if args.dry_run == "server":
        return
    while True:
        try:
            now = await connection.client.get(kind, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise DrainError(
                    f'error when waiting for pod "{name}" in namespace "{namespace}" to terminate: {error.message}'
                ) from error
            break
        if now["metadata"].get("uid") != metadata.get("uid"):
            break
        await asyncio.sleep(POLL_S)
    results.print_line(f"pod/{name}", word)


async def _evict(connection: Connection, args: argparse.Namespace, name: str, namespace: str) -> bool:
    """Ask for the eviction until the pod's budget allows it; False when the pod is gone already."""
    options: Object = {} if args.grace_period < 0 else {"gracePeriodSeconds": args.grace_period}
    if args.dry_run == "server":
        options["dryRun"] = ["All"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": options,
    }
    kind = await connection.find("pods")
    while True:
        suffix = " (server dry run)" if args.dry_run == "server" else ""
        sys.stdout.write(f"evicting pod {namespace}/{name}{suffix}\n")
        sys.stdout.flush()
        try:
            await connection.client.create(kind, eviction, namespace=namespace, name=name, subresource="eviction")
            return True
        except StatusError as error:
            if error.code == 404:
                return False
            if error.code != 429:
                raise DrainError(f'error when evicting pods/"{name}" -n "{namespace}": {error.message}') from error
            sys.stderr.write(
                f'error when evicting pods/"{name}" -n "{namespace}" (will retry after {RETRY_S:g}s): {error.message}\n'
            )
        await asyncio.sleep(RETRY_S)
