"""--pod: the API tells the UID, this machine the process, the kernel the value."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from podsysctl.apiserver import kubeconfig
from podsysctl.kernel import procsys
from podsysctl.sysctls.name import parse_name
from tests.apiserver.api import Api, running
from tests.chroot import with_root_mount

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "containers": [{"name": "c", "image": "localhost/x"}],
        "securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "0"}]},
    },
}

SANDBOX = """
mkdir -p "$1/pods/$2" "$1/mount" && mount --bind "$1/pods/$2" "$1/mount"
sysctl -q -w net.ipv4.tcp_syncookies=0; echo ready; exec sleep 60
"""
"""A process as a runtime leaves it: namespaces of its own, and a mount from a directory named by the pod's UID."""


async def podsysctl(api: Api, *words: str) -> tuple[int, str, str]:
    """The program with the server's kubeconfig."""
    path = api.server.config.data_dir / "kubeconfig"
    if not path.exists():
        kubeconfig.write_admin(api.server)
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "podsysctl"), *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "KUBECONFIG": str(path)},
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 30)
    return process.returncode or 0, out.decode(), err.decode()


@pytest.mark.root
@with_root_mount
async def test_pod_of_this_node_is_found_read_and_traced_to_its_spec(tmp_path: Path) -> None:
    """get, diff and origin look into the pod's namespaces; origin names the spec that won."""
    if os.geteuid() != 0:
        pytest.skip("needs root: enters another process's namespaces")
    async with running(tmp_path / "data") as api:
        made: Any = await api.make("/api/v1/namespaces/default/pods", POD)
        uid = made["metadata"]["uid"]
        code, _, err = await podsysctl(api, "sysctl", "get", "net.ipv4.tcp_syncookies", "--pod", "default/web")
        assert code == 1
        assert "no process of this machine belongs to the pod" in err
        sandbox = await asyncio.create_subprocess_exec(
            "unshare", "--net", "--ipc", "--uts", "--mount", "sh", "-c", SANDBOX, "sh", str(tmp_path), uid,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert sandbox.stdout is not None
            assert await asyncio.wait_for(sandbox.stdout.readline(), 10) == b"ready\n"
            read = await podsysctl(api, "sysctl", "get", "net.ipv4.tcp_syncookies", "--pod", "default/web")
            assert read == (0, "net.ipv4.tcp_syncookies = 0\n", "")
            origin = await podsysctl(
                api, "sysctl", "origin", "net.ipv4.tcp_syncookies", "--pod", "default/web", "-o", "json"
            )
            assert json.loads(origin[1])["from"] == {
                "kind": "pod spec", "where": "spec.securityContext.sysctls[0]"
            }  # fmt: skip
            differing = await podsysctl(api, "sysctl", "diff", "host", "pod:default/web", "-o", "json")
            assert "net.ipv4.tcp_syncookies" in {item["name"] for item in json.loads(differing[1])}
        finally:
            sandbox.kill()
            await sandbox.wait()


SHARING = """
mkdir -p "$1/pods/$2" "$1/mount" && mount --bind "$1/pods/$2" "$1/mount"
echo ready; exec sleep 60
"""


@pytest.mark.root
@with_root_mount
async def test_set_in_a_pod_of_the_hosts_network_is_refused(tmp_path: Path) -> None:
    """With hostNetwork the pod's network parameters are the host's; its IPC parameters are its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root: enters another process's namespaces")
    pod = {**POD, "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": "localhost/x"}]}}
    async with running(tmp_path / "data") as api:
        made: Any = await api.make("/api/v1/namespaces/default/pods", pod)
        sandbox = await asyncio.create_subprocess_exec(
            "unshare", "--ipc", "--mount", "sh", "-c", SHARING, "sh", str(tmp_path), made["metadata"]["uid"],
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            assert sandbox.stdout is not None
            assert await asyncio.wait_for(sandbox.stdout.readline(), 10) == b"ready\n"
            name = "net.unix.max_dgram_qlen"
            value = procsys.read(parse_name(name))
            done = await podsysctl(api, "sysctl", "set", f"{name}={value}", "--pod", "default/web")
            assert done[:2] == (2, "")
            assert f"error: {name}: pod default/web shares this host's net namespace" in done[2]
            assert "hint: with hostNetwork: true a pod has no network parameters of its own" in done[2]
            own = await podsysctl(api, "sysctl", "set", "kernel.shmmni=4001", "--pod", "default/web")
            assert own == (0, "kernel.shmmni = 4001\n", "")
            origin = await podsysctl(api, "sysctl", "origin", name, "--pod", "default/web", "-o", "json")
            assert "fresh namespace" not in {layer["kind"] for layer in json.loads(origin[1])["layers"]}
        finally:
            sandbox.kill()
            await sandbox.wait()


@pytest.mark.root
async def test_pod_that_does_not_exist_is_the_servers_answer(tmp_path: Path) -> None:
    """The server's own words reach the user."""
    async with running(tmp_path / "data") as api:
        code, _, err = await podsysctl(api, "sysctl", "get", "kernel.sem", "--pod", "default/none")
        assert code == 1
        assert err == 'Error from server (NotFound): pods "none" not found\n'
