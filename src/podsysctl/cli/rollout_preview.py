"""`rollout preview`: what a KubeletConfig would do, before it does it."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import RefusedError, UsageError
from podsysctl.cli import connect, flags, manifests
from podsysctl.cli.connect import Connection
from podsysctl.controllers.machineconfig.drain import NODE, POD
from podsysctl.controllers.machineconfig.preview import Entry, PoolPreview, preview
from podsysctl.objects import machineconfig as names
from podsysctl.policy.kubelet_config_fields import KubeletConfigError

HELP = """Tell what KubeletConfigs would do to the cluster, and change nothing.

Which nodes change, in which order; which pods are evicted, and which would then be admitted or refused; which entries
of allowedUnsafeSysctls are wider than the pods need. Exit code 3: the KubeletConfig would be refused.

example:
  podsysctl rollout preview -f kubeletconfig.yaml"""

ADMITTED = "would be admitted if it were made again, it is refused now"
REFUSED = "would be refused"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `rollout preview`."""
    flags.add_files(parser, "to judge")


def run(args: argparse.Namespace) -> int:
    """Run `rollout preview`."""
    if not args.filenames:
        raise UsageError("must specify -f", hint="podsysctl rollout preview -f kubeletconfig.yaml")
    return connect.run(args, _preview)


async def _preview(connection: Connection, args: argparse.Namespace) -> int:
    documents = manifests.read(args.filenames, recursive=args.recursive)
    configs = [d.object for d in documents if d.object["kind"] == "KubeletConfig"]
    if not configs:
        raise UsageError("there is no KubeletConfig in these files")
    client = connection.client
    pools, nodes, pods, machine_configs, kubelet_configs = [
        (await client.list(kind)).items for kind in (names.POOL, NODE, POD, names.MACHINE_CONFIG, names.KUBELET_CONFIG)
    ]
    for config in configs:
        name = config.get("metadata", {}).get("name", "")
        if not name or not isinstance(config.get("spec"), dict):
            raise UsageError("a KubeletConfig needs metadata.name and spec")
        try:
            found = preview(config, pools, nodes, pods, machine_configs, kubelet_configs)
        except KubeletConfigError as error:
            raise RefusedError(f'KubeletConfig "{name}" would be refused: {error.message}', hint=error.hint) from error
        sys.stdout.write(f'KubeletConfig "{name}"\n' + text(found))
    return 0


def text(found: list[PoolPreview]) -> str:
    """The preview for people."""
    if not found:
        return "  changes no node.\n"
    return "".join(f"  {line}".rstrip() + "\n" for pool in found for line in _pool(pool))


def _pool(pool: PoolPreview) -> list[str]:
    paused = "; the pool is paused: nothing moves until somebody unpauses it" if pool.is_paused else ""
    lines = [f"machineconfigpool {pool.pool}: {len(pool.nodes)} nodes change, {pool.at_once} at a time{paused}"]
    for number, node in enumerate(pool.nodes, 1):
        evicted = f"evicts {', '.join(node.evicted)}" if node.evicted else "evicts no pod"
        lines.append(f"  {number}. {node.name}: {evicted}{f'; waits while {node.hindrance}' if node.hindrance else ''}")
    for title, verdicts in ((ADMITTED, pool.admitted), (REFUSED, pool.refused)):
        lines += [f"  pod {v.pod} on {v.node} {title}: {v.message}" for v in verdicts]
    return lines + [f"  {line}" for entry in pool.entries if (line := _entry(entry))]


def _entry(entry: Entry) -> str:
    if not entry.used:
        return f"entry {entry.pattern}: no pod uses it"
    if entry.is_wide:
        return f"entry {entry.pattern}: wider than needed, the pods use {', '.join(entry.used)}"
    return ""
