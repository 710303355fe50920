"""`podsysctl node dedicate`: keeps nodes for the pods that need a profile of kernel parameters.

A label lets a Tuned object and pods choose the node, a taint of the same name keeps every other pod away.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, cordon, failures, flags, formats, results
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.rest import Object
from podsysctl.objects import names, taints
from podsysctl.policy.migration.manifests import PROFILE_LABEL

HELP = f"""Dedicate nodes to the pods that need a profile of node-level sysctls: each gets the label KEY=NAME, by
which a Tuned object and pods choose it, and the taint KEY=NAME:NoSchedule, which keeps other pods away. What a pod
needs to come there is printed as YAML for its spec.

  podsysctl node dedicate n1 --for {PROFILE_LABEL}=database
  podsysctl node dedicate -l disk=ssd --for {PROFILE_LABEL}=database --effect NoExecute
  podsysctl node dedicate n1 --for {PROFILE_LABEL}=database --remove"""

EFFECTS = ("NoSchedule", "NoExecute")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `node dedicate`."""
    parser.add_argument("names", nargs="*", metavar="NODE", help="names of nodes")
    parser.add_argument("--for", dest="purpose", required=True, metavar="KEY=NAME",
                        help=f"label and taint, such as {PROFILE_LABEL}=database")  # fmt: skip
    parser.add_argument("--effect", choices=EFFECTS, default=EFFECTS[0],
                        help="NoExecute also evicts the pods that are there (default NoSchedule)")  # fmt: skip
    parser.add_argument("--remove", action="store_true", help="give the nodes back to all pods")
    parser.add_argument("--overwrite", action="store_true", help="take nodes that are dedicated to something else")
    flags.add_selector(parser, all_namespaces=False, fields=False)
    flags.add_dry_run(parser)
    parser.add_argument("--output", "-o", choices=("yaml", "json"), default="yaml", help="form of what pods need")


def run(args: argparse.Namespace) -> int:
    """Run `node dedicate`; the exit code."""
    key, value = parse_purpose(args.purpose)

    async def body(connection: Connection, args: argparse.Namespace) -> int:
        errors: list[PodsysctlError] = []
        nodes = await cordon.nodes(connection, args, errors)
        for item in nodes:
            try:
                await _one(connection, args, item, key, value)
            except (StatusError, failures.PlainError) as error:
                errors.append(error)
        if nodes and len(errors) < len(nodes) and not args.remove:
            await _tell(connection, args, nodes, key, value)
            _print(args, placement(key, value, args.effect))
        failures.raise_all(errors)
        return 0

    return connect.run(args, body)


def parse_purpose(text: str) -> tuple[str, str]:
    """Key and value of `--for`. Raises UsageError.

    >>> parse_purpose("sysctl-profile=database")
    ('sysctl-profile', 'database')
    """
    key, equals, value = text.partition("=")
    if not equals or not value:
        raise UsageError(f"--for {text!r} is not of the form KEY=NAME", hint=f"--for {PROFILE_LABEL}=database")
    problems = [*names.qualified_name(key), *names.label_value(value)]
    if problems:
        raise UsageError(f"--for {text!r}: {'; '.join(problems)}")
    return key, value


def placement(key: str, value: str, effect: str) -> Object:
    """What a pod's spec needs to come to the nodes, and to no others."""
    toleration = {"key": key, "operator": "Equal", "value": value, "effect": effect}
    return {"nodeSelector": {key: value}, "tolerations": [toleration]}


def change(node: Object, key: str, value: str, effect: str, *, remove: bool) -> Object | None:
    """The patch of a node; None when it is as wanted. Other taints and labels stay."""
    metadata, present = node["metadata"], (node.get("spec") or {}).get("taints") or []
    label = (metadata.get("labels") or {}).get(key)
    kept = [taint for taint in present if taint.get("key") != key or (remove and taint.get("value", "") != value)]
    wanted = kept if remove else [*kept, {"key": key, "value": value, "effect": effect}]
    label_wanted = None if remove and label == value else label if remove else value
    if label == label_wanted and sorted(map(repr, present)) == sorted(map(repr, wanted)):
        return None
    # With the version that was read: a taint that somebody else sets meanwhile is a conflict, and not lost.
    version = {"resourceVersion": metadata["resourceVersion"]}
    return {"metadata": {**version, "labels": {key: label_wanted}}, "spec": {"taints": wanted or None}}


async def _one(connection: Connection, args: argparse.Namespace, item: Item, key: str, value: str) -> None:
    """Dedicate one node, or give it back. Raises StatusError, PlainError."""
    node = item.object
    other = _other_purpose(node, key, value)
    if other and not args.remove and not args.overwrite:
        raise failures.PlainError(
            f"node {item.name} is dedicated to {key}={other}, and --overwrite is false",
            hint="a node takes one profile: choose another node, or --overwrite",
        )
    patch = change(node, key, value, args.effect, remove=args.remove)
    suffix = results.SUFFIXES[args.dry_run]
    if patch is None:
        _say(f"{item.title} is {'not' if args.remove else 'already'} dedicated to {key}={value}{suffix}")
        return
    if args.dry_run != "client":
        dry = args.dry_run == "server"
        await connection.client.patch(item.kind, item.name, patch, patch_type="merge", dry_run=dry)
    _say(f"{item.title} {'given back' if args.remove else f'dedicated to {key}={value}'}{suffix}")


def _other_purpose(node: Object, key: str, value: str) -> str:
    """What a node is dedicated to under the same key; empty when it is nothing, or the same."""
    label = (node["metadata"].get("labels") or {}).get(key, value)
    tainted = [t.get("value", "") for t in (node.get("spec") or {}).get("taints") or () if t.get("key") == key]
    return next((str(found) for found in (label, *tainted) if found != value), "")


async def _tell(connection: Connection, args: argparse.Namespace, nodes: Sequence[Item], key: str, value: str) -> None:
    """Say what follows: who stays, who has no place left, and whether anything tunes the nodes."""
    taint = {"key": key, "value": value, "effect": args.effect}
    dedicated = {item.name for item in nodes}
    pods = (await connection.client.list(await connection.find("pods"), None)).items
    foreign = [pod for pod in pods if pod["spec"].get("nodeName") in dedicated and _is_foreign(pod, taint)]
    if foreign:
        end = "will be evicted" if args.effect == "NoExecute" else "may stay"
        some = "1 pod there does" if len(foreign) == 1 else f"{len(foreign)} pods there do"
        _say(f"note: {some} not tolerate it and {end}")
    every = (await connection.client.list(await connection.find("nodes"), None)).items
    if not any(_takes_others(node) for node in every if node["metadata"]["name"] not in dedicated):
        _say("note: no node is left for pods without this toleration")
    if not await _is_tuned(connection, key, value):
        _say(f"note: no Tuned object recommends a profile for nodes with the label {key}={value} yet")


def _is_foreign(pod: Object, taint: Object) -> bool:
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    tolerations = pod["spec"].get("tolerations")
    return not ended and taints.first_untolerated([taint], tolerations, (taint["effect"],)) is not None


def _takes_others(node: Object) -> bool:
    spec = node.get("spec") or {}
    closed = any(t.get("effect") in EFFECTS for t in spec.get("taints") or ())
    return not closed and not spec.get("unschedulable")


async def _is_tuned(connection: Connection, key: str, value: str) -> bool:
    """Whether a Tuned object chooses nodes by this label. True where the server has no such objects."""
    try:
        kind = await connection.find("tuneds.tuned.openshift.io")
        found = (await connection.client.list(kind, None)).items
    except PodsysctlError:
        return True
    entries = [entry for tuned in found for entry in (tuned.get("spec") or {}).get("recommend") or ()]
    return any(_names_label(entry.get("match"), key, value) for entry in entries)


def _names_label(match: Any, key: str, value: str) -> bool:
    listed = match if isinstance(match, list) else []
    return any(
        (m.get("label") == key and m.get("value", value) == value) or _names_label(m.get("match"), key, value)
        for m in listed
    )


def _print(args: argparse.Namespace, wanted: Object) -> None:
    formats.printer(args)(wanted)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
