"""The real containerd runs our plugin as a part of its own network configuration list."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from podsysctl.base.errors import RuntimeServiceError
from podsysctl.cni import install
from podsysctl.runtime.containerd import PrivateContainerd
from podsysctl.runtime.images.local import LocalImages
from podsysctl.runtime.service import RuntimeService
from tests.runtime.conftest import CGROUPS, runtime_programs
from tests.runtime.pods import leftovers, run_pod, sandbox_config

pytestmark = pytest.mark.runtime
_ = runtime_programs

KEY, REFUSED = "net.ipv4.conf.IFNAME.rp_filter", "net.ipv4.conf.IFNAME.bogus"


@pytest.fixture
async def containerd(runtime_programs: None) -> AsyncIterator[PrivateContainerd]:
    """A private containerd, our program among its plugins, all of it gone afterwards."""
    path = Path(tempfile.mkdtemp(prefix="psn-", dir="/tmp"))
    out = PrivateContainerd(path)
    await out.start()
    install.install(out.paths.cni_plugins)
    async with RuntimeService(out.endpoint) as service:
        await LocalImages(service, path / "images").ensure_toolbox()
    network = out.pod_network()
    assert network is not None
    try:
        yield out
    finally:
        await out.destroy(wipe=True, cgroup_parents=CGROUPS)
    assert leftovers(path, network.bridge) == []
    shutil.rmtree(path)


async def chain(containerd: PrivateContainerd, data_dir: Path, sysctl: dict[str, str]) -> None:
    """Append our plugin to the runtime's list, and wait until the runtime has read it."""
    path = containerd.paths.cni_configuration / "10-podsysctl.conflist"
    document = json.loads(path.read_text())
    plugins = [plugin for plugin in document["plugins"] if plugin["type"] != install.NAME]
    plugins.append({"type": install.NAME, "dataDir": str(data_dir), "sysctl": sysctl})
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps({**document, "plugins": plugins}))
    temporary.replace(path)
    deadline = time.monotonic() + 20
    wanted = json.dumps(sysctl, sort_keys=True)
    async with RuntimeService(containerd.endpoint) as runtime:
        while True:
            info = (await runtime.status(verbose=True)).info
            loaded = json.loads(info.get("cniconfig") or "{}")
            text = json.dumps(loaded)
            found = [
                json.dumps(p["Network"].get("sysctl") or json.loads(p["Source"]).get("sysctl"), sort_keys=True)
                for n in loaded.get("Networks") or ()
                for p in (n.get("Config") or {}).get("Plugins") or ()
                if p["Network"]["type"] == install.NAME
            ]
            if wanted in found:
                return
            assert time.monotonic() < deadline, f"containerd does not read its configuration again: {text[-2000:]}"
            await asyncio.sleep(0.05)


async def test_containerd_sets_and_refuses_sysctls_through_our_plugin(
    containerd: PrivateContainerd, tmp_path: Path
) -> None:
    """A sandbox of the default network has the value on eth0; a refused key fails the sandbox with its text."""
    async with RuntimeService(containerd.endpoint) as runtime:
        data_dir = tmp_path / "data"
        await chain(containerd, data_dir, {KEY: "2"})
        logs = tmp_path / "logs"
        logs.mkdir()
        pod = await run_pod(runtime, logs)
        out, _, code = await runtime.exec_sync(pod.container_id, ["cat", "/proc/sys/net/ipv4/conf/eth0/rp_filter"], 10)
        assert (out, code) == (b"2\n", 0)
        assert [path.name for path in data_dir.iterdir()] == [f"{pod.sandbox_id}_eth0.json"]
        await runtime.stop_pod_sandbox(pod.sandbox_id)
        await runtime.remove_pod_sandbox(pod.sandbox_id)
        assert list(data_dir.iterdir()) == []
        await chain(containerd, data_dir, {REFUSED: "1"})
        with pytest.raises(RuntimeServiceError) as caught:
            await runtime.run_pod_sandbox(sandbox_config(logs))
        assert f'plugin type="{install.NAME}" failed (add): Sysctl {REFUSED} is not allowed.' in caught.value.detail
        assert list(data_dir.iterdir()) == []
