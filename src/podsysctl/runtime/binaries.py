"""The programs that make a container runtime, found on this machine: containerd and its own, runc, CNI plugins.

Nothing is installed here and no service is asked: an installed file is enough, whoever it belongs to.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from podsysctl.base.errors import PodsysctlError

_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/libexec/docker")
_CNI_PLACES = ("/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni")
_CNI_NEEDED = ("bridge", "host-local", "loopback")
_VERSION_TIMEOUT_S = 10
OLDEST, NEWEST = (1, 6), (2, 99)


class ContainerdVersion(NamedTuple):
    """Major and minor of containerd."""

    major: int
    minor: int


@dataclass(frozen=True, slots=True)
class Binaries:
    """Absolute paths; `search_path` is the PATH that containerd is started with, so that it finds its shim."""

    containerd: Path
    version: ContainerdVersion
    shim: Path
    client: Path
    runc: Path
    cni_directory: Path
    search_path: str


async def find_binaries() -> Binaries:
    """Find everything or say what is missing. Raises PodsysctlError with the package to install."""
    search_path = os.pathsep.join(dict.fromkeys([*os.environ.get("PATH", "").split(os.pathsep), *_PLACES]))
    containerd = _find("containerd", search_path, "containerd")
    return Binaries(
        containerd=containerd,
        version=await _version(containerd),
        shim=_find("containerd-shim-runc-v2", search_path, "containerd"),
        client=_find("ctr", search_path, "containerd"),
        runc=_find("runc", search_path, "runc"),
        cni_directory=find_cni_directory(),
        search_path=search_path,
    )


def find_cni_directory() -> Path:
    """The directory with the CNI reference plugins. Raises PodsysctlError when there is none."""
    for place in map(Path, _CNI_PLACES):
        if all(os.access(place / name, os.X_OK) for name in _CNI_NEEDED):
            return place
    raise PodsysctlError(
        f"the CNI plugins {', '.join(_CNI_NEEDED)} are in none of {', '.join(_CNI_PLACES)}",
        hint="apt-get install containernetworking-plugins",
    )


def parse_version(text: str) -> ContainerdVersion:
    """Read the output of `containerd --version`. Raises PodsysctlError when this program cannot configure it.

    >>> parse_version("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3")
    ContainerdVersion(major=1, minor=6)
    """
    match = re.search(r"\bv?(\d{1,3})\.(\d{1,3})\.\d", text)
    if match is None:
        raise PodsysctlError(f"`containerd --version` says {text.strip()!r}, and no version can be read from it")
    version = ContainerdVersion(int(match[1]), int(match[2]))
    if not OLDEST <= version <= NEWEST:
        raise PodsysctlError(
            f"containerd {version.major}.{version.minor} is installed, and this program can configure 1.6 to 2.x",
            hint="install containerd 1.6 or newer, or use --runtime-endpoint",
        )
    return version


def _find(name: str, search_path: str, package: str) -> Path:
    found = shutil.which(name, path=search_path)
    if found is None:
        raise PodsysctlError(f"{name} is not installed", hint=f"apt-get install {package}")
    return Path(found).absolute()


async def _version(containerd: Path) -> ContainerdVersion:
    process = await asyncio.create_subprocess_exec(
        containerd, "--version", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(_VERSION_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError as error:
        process.kill()
        await process.wait()
        raise PodsysctlError(f"{containerd} --version does not end") from error
    return parse_version(output.decode(errors="replace"))
