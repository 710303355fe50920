"""What privileged pods on this machine have written into its kernel parameters, for `sysctl origin`.

The cluster is asked only when there is a kubeconfig, and has a few seconds to answer: where a value comes from must be
told on a machine whose cluster is down as well. Which nodes are this machine is told by the kernel's boot identifier.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from podsysctl.base.errors import PodsysctlError
from podsysctl.cli import connect
from podsysctl.client import config
from podsysctl.client.rest import Object
from podsysctl.kernel.settings import Source
from podsysctl.policy.migration import pods
from podsysctl.policy.migration.destination import Nodes, Place
from podsysctl.sysctls.name import SysctlName

WAIT_S = 3.0
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def of_pods(name: SysctlName, args: argparse.Namespace) -> list[Source]:
    """Who wrote a parameter of this host from a privileged container, in the order in which the containers ran."""
    if not any(config.is_present(path) for path in connect.kubeconfig_paths(args)):
        return []
    try:
        running = _pods_here(args)
    except (PodsysctlError, TimeoutError) as error:
        why = error.message if isinstance(error, PodsysctlError) else f"no answer in {WAIT_S:.0f} s"
        sys.stderr.write(f"note: privileged pods are left out, the cluster was not asked: {why}\n")
        return []
    return sources(name, running)


def _pods_here(args: argparse.Namespace) -> list[Object]:
    """The pods of all nodes that are this machine. Raises PodsysctlError, TimeoutError."""
    found: list[Object] = []

    async def body(connection: connect.Connection, _: argparse.Namespace) -> int:
        async with asyncio.timeout(WAIT_S):
            nodes = (await connection.client.list(await connection.find("nodes"), None)).items
            here = {node["metadata"]["name"] for node in nodes if _is_here(node)}
            every = (await connection.client.list(await connection.find("pods"), None)).items
            found.extend(pod for pod in every if pod["spec"].get("nodeName") in here)
        return 0

    connect.run(args, body)
    return found


def _is_here(node: Object) -> bool:
    boot_id = ((node.get("status") or {}).get("nodeInfo") or {}).get("bootID")
    return bool(boot_id) and boot_id == _BOOT_ID.read_text().strip()


def sources(name: SysctlName, running: Iterable[Object]) -> list[Source]:
    """The writes of privileged containers that have run, each workload and value once."""
    writes = sorted((when, kind, where, value) for pod in running for when, kind, where, value in _writes(name, pod))
    out: dict[tuple[str, str], Source] = {}
    for _, kind, where, value in writes:
        out.pop((where, value), None)  # the last time counts
        out[where, value] = Source(kind, where, value)
    return list(out.values())


def _writes(name: SysctlName, pod: Object) -> Iterator[tuple[str, str, str, str]]:
    """When, who, where and what, for every write of the node's parameter by a pod."""
    spec, status = pod["spec"], pod.get("status") or {}
    for setter in pods.setters_of(spec, Nodes()):
        started = _started(status, setter.name)
        if not setter.privileged or not started:
            continue
        for value in setter.values:
            if value.place is Place.NODE and value.name == name.dotted:
                kind, owner = _owner(pod)
                yield started, kind, f"{owner}, container {setter.name}", value.value


def _started(status: Any, container: str) -> str:
    """When a container ran; empty when it never did, or failed."""
    for field in ("initContainerStatuses", "containerStatuses"):
        for entry in status.get(field) or ():
            if entry.get("name") != container:
                continue
            for state in (entry.get("state") or {}, entry.get("lastState") or {}):
                if "running" in state:
                    return str(state["running"].get("startedAt") or "running")
                if "terminated" in state and state["terminated"].get("exitCode") == 0:
                    return str(state["terminated"].get("startedAt") or "ended")
    return ""


def _owner(pod: Object) -> tuple[str, str]:
    """The kind of the workload that a person knows, and its name."""
    metadata = pod["metadata"]
    namespace = metadata.get("namespace", "")
    for reference in metadata.get("ownerReferences") or ():
        if reference.get("controller"):
            return str(reference["kind"]), f"{namespace}/{reference['name']}"
    return "privileged pod", f"{namespace}/{metadata['name']}"
