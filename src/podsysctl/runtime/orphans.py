"""Sandboxes that the runtime began for a caller that was killed, and then forgot.

A CRI call ends with its caller's connection. containerd then undoes what it did with the same, cancelled context,
so the undoing fails half way: a shim, a network namespace or an address may stay of which CRI lists nothing. They
are found by what they hold: when a runtime is adopted, before anyone asks it for a new sandbox, and now and then
later, since a call that was cut off may go on for a while before it is half undone.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

from podsysctl.runtime import commands, cri_pb2, processes, shims, sweep
from podsysctl.runtime.service import RuntimeService

_log = logging.getLogger(__name__)

_NAMESPACE = "k8s.io"
_NETNS = "*/netns/cni-*"
"""Network namespaces below containerd's state, whatever its CRI plugin is called in this version."""


async def remove(
    service: RuntimeService, socket: Path, state: Path, leases: Path, *, older_than_s: float = 0.0
) -> int:
    """Remove what no sandbox of the runtime accounts for; how many things. Raises PodsysctlError.

    `state` is containerd's state directory, `leases` that of host-local. What is younger than `older_than_s` is left
    alone: it may belong to a sandbox that is being made. With 0, nobody may create sandboxes meanwhile.
    """
    holders = [pid for pid in shims.find(socket) if _process_age_s(pid) >= older_than_s]
    addresses = _aged(leases, "*/*", older_than_s)
    mounted = _aged(state, _NETNS, older_than_s)
    sandboxes = await service.list_pod_sandbox()
    known = {sandbox.id for sandbox in sandboxes} | {c.id for c in await service.list_containers()}
    removed = 0
    for pid in holders:
        task = shims.task_of(pid)
        if task and task not in known:
            await _remove_task(socket, task)
            removed += 1
    removed += _release_addresses(addresses, known)
    ready = [s.id for s in sandboxes if s.state == cri_pb2.SANDBOX_READY]
    if len(mounted) > len(ready):
        used = {await _netns_of(service, sandbox) for sandbox in ready}
        for path in mounted:
            if str(path) not in used:
                await commands.run("umount", "--lazy", "--", path)
                path.unlink(missing_ok=True)
                removed += 1
    if removed:
        _log.warning("removed %d leftovers of sandboxes that were never finished", removed)
    return removed


def _aged(directory: Path, pattern: str, least_s: float) -> list[Path]:
    """The files that match and are at least so old, by name; what goes meanwhile is no error."""
    out = []
    now = time.time()
    for path in sorted(directory.glob(pattern)):
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_ctime >= least_s:
                out.append(path)
    return out


def _process_age_s(pid: int) -> float:
    """Seconds since a process started (proc(5), field 22 of stat); 0 when it has gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


async def _remove_task(socket: Path, task: str) -> None:
    """Kill the task and forget its container; its shim ends with it. What is gone already is no error."""
    ctr = ("ctr", "--address", str(socket), "--namespace", _NAMESPACE)
    for words in (("task", "delete", "--force", task), ("container", "delete", task), ("snapshot", "remove", task)):
        try:
            await commands.run(*ctr, *words)
        except commands.CommandError as error:
            _log.info("leftover %s: %s", task[:13], error.message)
    await processes.kill_all([pid for pid in shims.find(socket) if shims.task_of(pid) == task], 5.0)
    sweep.remove_results([task])


def _release_addresses(files: Iterable[Path], known: set[str]) -> int:
    """Delete leases of host-local whose owner is not known; a lease is a file named by its address."""
    released = 0
    for path in files:
        if path.name.startswith(("last_reserved_ip", "lock")) or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError):  # a sandbox that ends releases its own just now
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
