"""Sandboxes that the runtime began for a caller that was killed, and then forgot.

A CRI call ends with its caller's connection. containerd then undoes what it did with the same, cancelled context,
so the undoing fails half way: a shim, a network namespace or an address may stay of which CRI lists nothing. They
are found by what they hold, when a runtime is adopted and before anyone asks it for a new sandbox.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from podsysctl.runtime import commands, cri_pb2, processes, sweep
from podsysctl.runtime.service import RuntimeService

_log = logging.getLogger(__name__)

_SHIM = "containerd-shim-runc-v2"
_NAMESPACE = "k8s.io"
_NETNS = "*/netns/cni-*"
"""Network namespaces below containerd's state, whatever its CRI plugin is called in this version."""


async def remove(service: RuntimeService, socket: Path, state: Path, leases: Path) -> int:
    """Remove what no sandbox of the runtime accounts for; how many things. Raises PodsysctlError.

    `state` is containerd's state directory, `leases` that of host-local. Nobody may create sandboxes meanwhile.
    """
    sandboxes = await service.list_pod_sandbox()
    known = {sandbox.id for sandbox in sandboxes} | {c.id for c in await service.list_containers()}
    removed = 0
    for pid in processes.find(_SHIM, str(socket)):
        task = _task_of(pid)
        if task and task not in known:
            await _remove_task(socket, task)
            removed += 1
    removed += _release_addresses(leases, known)
    mounted = _network_namespaces(state)
    ready = [s.id for s in sandboxes if s.state == cri_pb2.SANDBOX_READY]
    if len(mounted) > len(ready):
        used = {await _netns_of(service, sandbox) for sandbox in ready}
        for path in mounted:
            if str(path) not in used:
                await commands.run("umount", "--lazy", "--", path)
                path.unlink()
                removed += 1
    if removed:
        _log.warning("removed %d leftovers of sandboxes that were never finished", removed)
    return removed


def _network_namespaces(state: Path) -> list[Path]:
    return sorted(state.glob(_NETNS))


def _task_of(pid: int) -> str:
    """The id that a shim was started for; '' when the process has gone."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[words.index(b"-id") + 1].decode() if b"-id" in words else ""


async def _remove_task(socket: Path, task: str) -> None:
    """Kill the task and forget its container; its shim ends with it. What is gone already is no error."""
    ctr = ("ctr", "--address", str(socket), "--namespace", _NAMESPACE)
    for words in (("task", "delete", "--force", task), ("container", "delete", task), ("snapshot", "remove", task)):
        try:
            await commands.run(*ctr, *words)
        except commands.CommandError as error:
            _log.info("leftover %s: %s", task[:13], error.message)
    left = [pid for pid in processes.find(_SHIM, str(socket)) if _task_of(pid) == task]
    await processes.kill_all(left, 5.0)
    sweep.remove_results([task])


def _release_addresses(leases: Path, known: set[str]) -> int:
    """Delete leases of host-local whose owner is not known; a lease is a file named by its address."""
    released = 0
    for path in leases.glob("*/*"):
        if path.name.startswith(("last_reserved_ip", "lock")) or not path.is_file():
            continue
        owner = path.read_text().split("\n")[0].strip()
        if owner and owner not in known:
            path.unlink()
            sweep.remove_results([owner])
            released += 1
    return released


async def _netns_of(service: RuntimeService, sandbox: str) -> str:
    """The network namespace that a sandbox was made with; '' for one in the host's."""
    status = await service.pod_sandbox_status(sandbox, verbose=True)
    spec = json.loads(status.info.get("info") or "{}").get("runtimeSpec") or {}
    namespaces = (spec.get("linux") or {}).get("namespaces") or ()
    return next((str(n.get("path") or "") for n in namespaces if n.get("type") == "network"), "")
