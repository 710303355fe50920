"""Sandboxes and containers as a node agent would ask for them, for tests that need a real one."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.images.aliases import TOOLBOX
from podsysctl.runtime.service import RuntimeService
from tests import control_groups

_numbers = itertools.count()


class Pod(NamedTuple):
    """A running sandbox with one container, and the requests that made them."""

    sandbox_id: str
    container_id: str
    sandbox: cri.PodSandboxConfig
    log_path: Path


def sandbox_config(log_directory: Path, **sysctls: str) -> cri.PodSandboxConfig:
    """A minimal valid sandbox; underscores in the names of sysctls stand for themselves, `__` for a dot."""
    name = f"pod-{next(_numbers)}"
    config = cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=name, uid=f"uid-{name}", namespace="tests"),
        hostname=name,
        log_directory=str(log_directory),
        labels={"test": name},
    )
    config.linux.cgroup_parent = f"/psctl-tests/{name}"
    config.linux.sysctls.update({key.replace("__", "."): value for key, value in sysctls.items()})
    return config


def container_config(command: Sequence[str], *, stdin: bool = False, tty: bool = False) -> cri.ContainerConfig:
    """A minimal valid container of the toolbox."""
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name="main"),
        image=cri.ImageSpec(image=TOOLBOX),
        command=command,
        log_path="main.log",
        stdin=stdin,
        tty=tty,
    )


async def run_pod(
    runtime: RuntimeService,
    log_directory: Path,
    command: Sequence[str] = ("sleep", "infinity"),
    *,
    stdin: bool = False,
    tty: bool = False,
    **sysctls: str,
) -> Pod:
    """Make a sandbox and start a container in it."""
    sandbox = sandbox_config(log_directory, **sysctls)
    sandbox_id = await runtime.run_pod_sandbox(sandbox)
    container_id = await runtime.create_container(sandbox_id, container_config(command, stdin=stdin, tty=tty), sandbox)
    await runtime.start_container(container_id)
    return Pod(sandbox_id, container_id, sandbox, log_directory / "main.log")


def leftovers(data_dir: Path, bridge: str) -> list[str]:
    """What a runtime of this data directory has on the host: mounts, links, rules, processes, cgroups."""
    out = [
        f"mount {line.split()[4]}"
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if str(data_dir) in line
    ]
    out += [f"link {p.name}" for p in Path("/sys/class/net").iterdir() if p.name == bridge or _port_of(p) == bridge]
    for tool in ("iptables-save", "ip6tables-save"):
        if shutil.which(tool):
            saved = subprocess.run([tool], capture_output=True, text=True, check=True).stdout
            out += [f"rule {line}" for line in saved.splitlines() if bridge in line]
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if str(data_dir / "containerd").encode() in words:
            out.append(f"process {path.parent.name} {words.replace(bytes(1), b' ').decode()}")
    out += [f"cgroup {path}" for path in control_groups.present() if "/psctl-tests" in path]
    return out


def _port_of(link: Path) -> str:
    master = link / "master"
    return master.resolve().name if master.exists() else ""
