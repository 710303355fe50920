from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import binaries, hosttraits
from podsysctl.runtime.binaries import Binaries, ContainerdVersion
from podsysctl.runtime.containerd_config import ContainerdPaths, HostTraits, write_config

PATHS = ContainerdPaths(Path("/d/root"), Path("/d/state"), Path("/d/c.sock"), Path("/d/net.d"), Path("/d/bin"))


def _config(major: int, minor: int, **traits: Any) -> dict[str, Any]:
    found = Binaries(
        containerd=Path("/usr/bin/containerd"),
        version=ContainerdVersion(major, minor),
        shim=Path("/usr/bin/containerd-shim-runc-v2"),
        client=Path("/usr/bin/ctr"),
        runc=Path("/usr/sbin/runc"),
        cni_directory=Path("/usr/lib/cni"),
        search_path="/usr/bin",
    )
    return tomllib.loads(write_config(found, PATHS, HostTraits(**traits), "localhost/pause:latest"))


@pytest.mark.parametrize(("major", "minor", "version"), [(1, 6, 2), (1, 7, 2), (2, 0, 3), (2, 1, 3)])
def test_config_has_the_version_that_containerd_reads(major: int, minor: int, version: int) -> None:
    """Format 2 for 1.x, format 3 for 2.x."""
    assert _config(major, minor)["version"] == version


def test_config_of_1_x_keeps_everything_in_our_directories() -> None:
    """Root, state, socket, CNI, runc's own state."""
    config = _config(1, 6)
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert (config["root"], config["state"], config["grpc"]["address"]) == ("/d/root", "/d/state", "/d/c.sock")
    assert cri["cni"] == {"bin_dir": "/d/bin", "conf_dir": "/d/net.d"}
    runc = cri["containerd"]["runtimes"]["runc"]["options"]
    assert runc == {"BinaryName": "/usr/sbin/runc", "Root": "/d/state/runc", "SystemdCgroup": False}
    assert cri["netns_mounts_under_state_dir"] is True
    assert cri["sandbox_image"] == "localhost/pause:latest"
    assert "io.containerd.internal.v1.opt" in config["disabled_plugins"]


def test_config_of_2_x_splits_the_cri_plugin() -> None:
    """The same settings, in the plugins that have them now."""
    plugins = _config(2, 0)["plugins"]
    assert plugins["io.containerd.cri.v1.images"]["pinned_images"]["sandbox"] == "localhost/pause:latest"
    assert plugins["io.containerd.cri.v1.runtime"]["cni"]["conf_dir"] == "/d/net.d"
    assert plugins["io.containerd.cri.v1.runtime"]["enable_unprivileged_ports"] is False
    assert plugins["io.containerd.grpc.v1.cri"]["stream_server_address"] == "127.0.0.1"


def test_config_follows_what_the_machine_allows() -> None:
    """Scores that cannot be lowered, no AppArmor, a filesystem that cannot be stacked on, systemd's cgroups."""
    config = _config(1, 6, may_lower_oom_score=True, apparmor=True, snapshotter="native", cgroup_driver="systemd")
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert (cri["restrict_oom_score_adj"], cri["disable_apparmor"]) == (False, False)
    assert cri["containerd"]["snapshotter"] == "native"
    assert cri["containerd"]["runtimes"]["runc"]["options"]["SystemdCgroup"] is True
    assert "io.containerd.snapshotter.v1.native" not in config["disabled_plugins"]
    assert "io.containerd.snapshotter.v1.overlayfs" in config["disabled_plugins"]


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", (1, 6)),
        ("containerd containerd.io 1.7.27 05044ec0a9a75232cad458027ca83437aae3f4da", (1, 7)),
        ("containerd github.com/containerd/containerd/v2 v2.0.5 fb4c30d4", (2, 0)),
        ("containerd github.com/containerd/containerd/v2 2.1.3 2.1.3-0ubuntu1", (2, 1)),
    ],
)
def test_version_of_every_packaging_is_read(text: str, version: tuple[int, int]) -> None:
    """Debian's, Docker's, upstream's, Ubuntu's."""
    assert binaries.parse_version(text) == version


@pytest.mark.parametrize("text", ["containerd x 1.5.9 abc", "containerd", ""])
def test_version_that_is_too_old_or_unreadable_is_refused(text: str) -> None:
    """1.6 is the first that speaks CRI v1."""
    with pytest.raises(PodsysctlError):
        binaries.parse_version(text)


MOUNTINFO = """\
1 0 8:1 / / rw - ext4 /dev/sda1 rw
2 1 0:5 / /proc rw - proc proc rw
3 1 0:9 / /data rw - overlay overlay rw
4 1 0:8 / /data/in rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(("path", "kind"), [("/data/x", "overlay"), ("/data/in/x", "tmpfs"), ("/database", "ext4")])
def test_filesystem_of_a_path_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    """A name that only begins alike is another place."""
    assert hosttraits.filesystem_of(Path(path), MOUNTINFO) == kind
