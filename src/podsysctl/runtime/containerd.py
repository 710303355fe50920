"""The private containerd of one data directory: started, adopted, watched over, stopped, and taken away.

It has its own root, state, socket, pod network and CNI files. Nothing of a service that runs on the machine is
read or touched; only program files are shared. Pods run under shims, which outlive containerd as they outlive
us: a containerd that a killed process of ours left is found by its arguments and used again.

    <data>/containerd/root      images and snapshots, kept until `destroy(wipe=True)`
    <data>/containerd/state     sockets, mounts, leases; gone after `destroy` and after a reboot
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

from podsysctl.base import durable, limits
from podsysctl.base.attempts import Attempts
from podsysctl.base.errors import PodsysctlError, RuntimeServiceError, first_error
from podsysctl.runtime import (
    commands,
    containerd_config,
    firewall,
    hosttraits,
    network,
    orphans,
    own_root,
    processes,
    shims,
    sweep,
)
from podsysctl.runtime.binaries import Binaries, find_binaries
from podsysctl.runtime.channel import UNIX_SOCKET_PATH_BYTES
from podsysctl.runtime.containerd_config import ContainerdPaths
from podsysctl.runtime.images.aliases import PAUSE
from podsysctl.runtime.service import RuntimeService

_log = logging.getLogger(__name__)

_SOCKET_NAME = "containerd.sock"
_LONGEST_SOCKET_SUFFIX = ".ttrpc"
_PROGRAM = "containerd"
_STOP_GRACE_S = 10.0
_POLL_S = 0.005
_REMOVALS_AT_ONCE = 4
_LOG_BYTES = 10 * 1024 * 1024
_TELLING = ("level=fatal", "level=error", "failed to load plugin io.containerd.grpc.v1.cri")
_ORPHAN_INTERVAL_S = 10.0
_ORPHAN_AGE_S = 30.0
"""A sandbox is made in well under a second, and in a few when hundreds are; this is far from both."""
_RESTART_DELAYS_S = (0.1, 1.0, 5.0, 15.0)


class PrivateContainerd:
    """A containerd of our own under `data_dir`. Not safe for two processes at once: the caller locks.

    `cgroup_driver` is cgroupfs or systemd, and must be the one that sandbox requests are written for; cgroupfs
    works with and without systemd.
    """

    def __init__(self, data_dir: Path, *, cgroup_driver: str = "cgroupfs") -> None:
        # Resolved, since that is how the kernel spells the mounts below it.
        self._home = data_dir.resolve() / "containerd"
        self._cgroup_driver = cgroup_driver
        state = _state_directory(self._home)
        self.paths = ContainerdPaths(
            root=self._home / "root",
            state=state / "containerd",
            socket=state / _SOCKET_NAME,
            cni_configuration=state / "cni" / "net.d",
            cni_plugins=state / "cni" / "bin",
        )
        self._state = state
        self.log = self._home / "containerd.log"
        self._config = self._home / "config.toml"
        self._process: processes.Process | None = None
        self._stopping = False
        self.binaries: Binaries | None = None
        self.masqueraded = False

    @property
    def endpoint(self) -> str:
        """The CRI socket as a URL."""
        return f"unix://{self.paths.socket}"

    @property
    def pid(self) -> int | None:
        """The process, while it runs."""
        return self._process.pid if self._process is not None and self._process.running else None

    def pod_network(self) -> network.PodNetwork | None:
        """The pod network that was chosen, if one was."""
        path = self._home / "network.json"
        return network.PodNetwork.from_json(path.read_text()) if path.exists() else None

    async def start(self) -> bool:
        """Have a containerd that serves. True when one that already ran was adopted. Idempotent.

        Raises PodsysctlError naming what is missing on this machine or why containerd did not start.
        """
        self._stopping = False
        if self.pid is not None:
            return True
        self._home.mkdir(parents=True, exist_ok=True, mode=0o711)
        self.binaries = await self._for_our_root(await find_binaries())
        for directory in (self.paths.root, self.paths.state, self.paths.cni_configuration, self.paths.cni_plugins):
            directory.mkdir(parents=True, exist_ok=True, mode=0o711)
        await self._forget_before_reboot()
        chosen = self._write_network_files(self.binaries)
        changed = self._write_config(self.binaries)
        adopted = await self._adopt(changed)
        if not adopted:
            self._spawn(self.binaries)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._wait_until_serving())
                network_up = group.create_task(network.ensure(chosen))
        except ExceptionGroup as errors:
            await self._end()
            raise first_error(errors) from errors
        self.masqueraded = network_up.result()
        return adopted

    async def remove_orphans(self) -> int:
        """Remove what sandboxes left that were begun for a caller that was killed; how many things.

        To be called after `start` and before anyone asks for a new sandbox. Raises PodsysctlError.
        """
        return await self._remove_orphans(0.0)

    async def watch_orphans(self) -> None:
        """Look for such leftovers now and then, until cancelled: a call that was cut off may end after our start.

        containerd's log is kept bounded meanwhile: a containerd is adopted by start after start, and may run for years.
        """
        while True:
            await asyncio.sleep(_ORPHAN_INTERVAL_S)
            await asyncio.to_thread(self._bound_log)
            try:
                await self._remove_orphans(_ORPHAN_AGE_S)
            except PodsysctlError as error:
                _log.warning("leftovers are looked for again later: %s", error.message)

    async def _remove_orphans(self, older_than_s: float) -> int:
        async with RuntimeService(self.endpoint) as service:
            removed = await orphans.remove(
                service, self.paths.socket, self.paths.state, self._leases, older_than_s=older_than_s
            )
        shims.remove_dead_sockets(self._first_start_s())
        return removed

    async def stop(self) -> None:
        """Stop containerd. Pods go on running, and `start` finds them again. Idempotent."""
        self._stopping = True
        await self._end()

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            process = self._running()
        if process is not None:
            await process.stop(_STOP_GRACE_S)

    async def supervise(self) -> None:
        """Start containerd again whenever it ends by itself; returns after `stop` or `destroy`.

        Raises PodsysctlError when it cannot be started several times in a row.
        """
        failures = 0
        while not self._stopping:
            process = self._process
            if process is not None:
                await process.wait()
            if self._stopping:
                return
            delay_s = _RESTART_DELAYS_S[min(failures, len(_RESTART_DELAYS_S) - 1)]
            _log.warning("containerd ended; starting it again in %s s", delay_s)
            await asyncio.sleep(delay_s)
            try:
                await self.start()
                failures = 0
            except PodsysctlError:
                failures += 1
                if failures > len(_RESTART_DELAYS_S):
                    raise

    async def destroy(self, *, wipe: bool = False, cgroup_parents: tuple[str, ...] = ("kubepods", "k8s.io")) -> None:
        """Remove every pod, then containerd, then all that both left on the host. Idempotent.

        With `wipe`, images go too. `cgroup_parents` are removed where they are empty. Every step is tried; then
        raises PodsysctlError for what cannot be removed. Where a process stays, so do the files that tell of it.
        """
        sandboxes: list[str] = []
        with Attempts() as attempts:
            with attempts.step():
                sandboxes = await self._remove_sandboxes() if self._has_pods() else []
            with attempts.step():
                await self.stop()
            with attempts.step():
                await sweep.sweep(self.paths.state, self.paths.socket, cgroup_parents)
            with attempts.step():
                shims.remove_dead_sockets(self._first_start_s())
            ended = not attempts.failures
            with attempts.step():
                chosen = self.pod_network()
                if chosen is not None:
                    await network.remove(chosen)
                    (self._home / "network.json").unlink()
            if ended:
                with attempts.step():
                    await sweep.remove_tree(self._state)
            sweep.remove_results(sandboxes)
            sweep.remove_shared_directories()
            if wipe and not attempts.failures:
                await sweep.remove_tree(self._home)

    # --- starting

    async def _forget_before_reboot(self) -> None:
        """What is in the state directory describes processes and mounts, and neither survives a reboot."""
        boot = hosttraits.boot_id()
        marker = self._state / "boot_id"
        if not marker.exists() or marker.read_text() != boot:
            for directory in (self.paths.state, self.paths.cni_configuration, self.paths.cni_plugins, self._leases):
                await sweep.remove_tree(directory)
                directory.mkdir(parents=True, mode=0o711)
            marker.write_text(boot)

    def _first_start_s(self) -> float:
        """When this runtime was first started since `destroy` or the boot; now, when it was not."""
        marker = self._state / "boot_id"
        return marker.stat().st_mtime if marker.exists() else time.time()

    async def _for_our_root(self, found: Binaries) -> Binaries:
        """In a chroot, runc by a script of ours that first makes our root the one that an exec enters; it is tried.

        Raises PodsysctlError.
        """
        script = self._home / "runc"
        try:
            if not own_root.is_chroot():
                return found
            durable.write(script, own_root.script(str(found.runc)), mode=0o700)
            await commands.run(str(script), "--version")
        except (OSError, ValueError, commands.CommandError) as error:
            raise PodsysctlError(f"runc cannot be started with this root directory: {error}") from error
        return replace(found, runc=script)

    @property
    def _leases(self) -> Path:
        return self._state / "cni" / "leases"

    def _write_network_files(self, binaries: Binaries) -> network.PodNetwork:
        chosen = self.pod_network()
        if chosen is None:
            chosen = network.choose_for_host(str(self._home))
            durable.write(self._home / "network.json", chosen.to_json())  # no start gets by one that is cut short
        for plugin in binaries.cni_directory.iterdir():
            link = self.paths.cni_plugins / plugin.name
            if not link.exists():
                link.unlink(missing_ok=True)
                link.symlink_to(plugin)
        more = [{"type": "portmap", "capabilities": {"portMappings": True}}] if self._has_portmap() else []
        text = network.conflist(chosen, self._leases, default_route6=network.host_routes_ipv6(), more=more)
        _write_if_changed(self.paths.cni_configuration / "10-podsysctl.conflist", text)
        return chosen

    def _has_portmap(self) -> bool:
        return firewall.available() and (self.paths.cni_plugins / "portmap").exists()

    def _write_config(self, binaries: Binaries) -> bool:
        traits = hosttraits.read(self.paths.root, self._cgroup_driver)
        text = containerd_config.write_config(binaries, self.paths, traits, PAUSE)
        return _write_if_changed(self._config, text)

    def _running(self) -> processes.Process | None:
        for pid in processes.find(_PROGRAM, str(self._config)):
            with contextlib.suppress(ProcessLookupError):
                return processes.Process(pid)
        return None

    async def _adopt(self, config_changed: bool) -> bool:
        """Use the containerd that runs already; one with another configuration, or that hangs, is stopped first."""
        process = self._running()
        if process is None:
            return False
        if not config_changed:
            self._process = process
            try:
                await self._wait_until_serving()
            except PodsysctlError:
                _log.warning("the containerd that was running (pid %d) does not answer; replacing it", process.pid)
            else:
                return True
        self._process = None
        await process.stop(_STOP_GRACE_S)
        return False

    def _spawn(self, binaries: Binaries) -> None:
        self._bound_log()
        self.paths.socket.unlink(missing_ok=True)
        environment = {**os.environ, "PATH": binaries.search_path}
        try:
            pid = processes.spawn([str(binaries.containerd), "--config", str(self._config)], environment, self.log)
        except OSError as error:
            raise PodsysctlError(f"containerd cannot be started: {error.strerror}") from error
        self._process = processes.Process(pid)

    def _bound_log(self) -> None:
        """Keep one older part of a log that grew too large; containerd appends, and so goes on in the same file."""
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES:
            shutil.copy(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)

    async def _wait_until_serving(self) -> None:
        """Until the CRI plugin says it is ready: the socket is there a little earlier."""
        try:
            async with asyncio.timeout(limits.RUNTIME_START_TIMEOUT_S):
                while not self.paths.socket.exists():
                    self._check_alive()
                    await asyncio.sleep(_POLL_S)
                async with RuntimeService(self.endpoint) as service:
                    while not await _is_ready(service):
                        self._check_alive()
                        await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            words = f"containerd does not serve after {limits.RUNTIME_START_TIMEOUT_S} s"
            raise PodsysctlError(words, hint=f"see {self.log}") from error
        except PodsysctlError as error:
            raise PodsysctlError(f"{error.message}: {self._last_words()}", hint=f"see {self.log}") from error

    def _check_alive(self) -> None:
        if self._process is None or not self._process.running:
            raise PodsysctlError("containerd ended while starting")

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        telling = [line for line in lines if any(mark in line for mark in _TELLING) or "level=" not in line]
        return (telling or lines or ["it said nothing"])[-1][-500:]

    # --- destroying

    def _has_pods(self) -> bool:
        """Whether there can be any: containerd's own database is there and so is its state."""
        return (self.paths.root / "io.containerd.metadata.v1.bolt").exists() and self._state.exists()

    async def _remove_sandboxes(self) -> list[str]:
        """Ask the runtime to remove every sandbox; the ids of those it could not remove or even list."""
        try:
            await self.start()
        except PodsysctlError as error:
            _log.warning("containerd cannot be started to remove its pods (%s); they are ended without it", error)
            return []
        async with RuntimeService(self.endpoint) as service:
            slots = asyncio.Semaphore(_REMOVALS_AT_ONCE)
            try:
                sandboxes = [sandbox.id for sandbox in await service.list_pod_sandbox()]
            except RuntimeServiceError as error:
                _log.warning("containerd does not list its pods (%s); they are ended without it", error.message)
                return []
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_remove_sandbox(service, sandbox, slots)) for sandbox in sandboxes]
        return [sandbox for sandbox, task in zip(sandboxes, tasks, strict=True) if not task.result()]


async def _remove_sandbox(service: RuntimeService, sandbox: str, slots: asyncio.Semaphore) -> bool:
    async with slots:
        try:
            await service.stop_pod_sandbox(sandbox)
            await service.remove_pod_sandbox(sandbox)
        except RuntimeServiceError as error:
            _log.warning("sandbox %s is ended without the runtime, which says: %s", sandbox[:13], error.message)
            return False
    return True


async def _is_ready(service: RuntimeService) -> bool:
    try:
        answer = await service.status()
    except RuntimeServiceError as error:
        if error.code == "Unimplemented":  # it serves, and its CRI plugin is not among what it serves
            raise PodsysctlError("containerd's CRI plugin could not be loaded") from error
        return False  # "server is not initialized yet", or not listening yet
    return any(condition.type == "RuntimeReady" and condition.status for condition in answer.status.conditions)


def _state_directory(home: Path) -> Path:
    """Below the data directory, or in /run where the socket's path would be longer than a socket's may be."""
    near = home / "state"
    if len(os.fsencode(near / _SOCKET_NAME)) + len(_LONGEST_SOCKET_SUFFIX) <= UNIX_SOCKET_PATH_BYTES:
        return near
    return Path("/run", f"podsysctl-{hashlib.sha256(os.fsencode(home)).hexdigest()[:12]}")


def _write_if_changed(path: Path, text: str) -> bool:
    if path.exists() and path.read_text() == text:
        return False
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    new.replace(path)
    return True
