"""Where the files of additional networks lie, and what a node is given to work with them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from podsysctl.base.errors import PodsysctlError
from podsysctl.client.events import EventRecorder
from podsysctl.client.rest import Client
from podsysctl.node.networks import detach
from podsysctl.node.networks.allowlist_file import AllowlistFile
from podsysctl.node.networks.bridges import Bridges
from podsysctl.node.networks.extension import Networks
from podsysctl.node.networks.invocation import Plugins
from podsysctl.node.networks.records import Records
from podsysctl.policy import kubelet
from podsysctl.runtime import network
from podsysctl.runtime.service import RuntimeService

COMPONENT = "multus"
"""Who these events come from elsewhere."""

ALLOWLIST_VARIABLE = "PODSYSCTL_TUNING_ALLOWLIST"
"""Names the allowlist for the plugin (`cni.allowlist.PATH_VARIABLE`)."""

STANDARD_PLACES = (Path("/opt/cni/bin"), Path("/usr/lib/cni"), Path("/usr/libexec/cni"))
CONFIGURATIONS = Path("/etc/cni/multus/net.d")


@dataclass(frozen=True, slots=True)
class MachinePlaces:
    """What the nodes of one machine share: addresses are the machine's, and so are bridges.

    `plugins` are directories of programs, the first has `podsysctl-tuning`.
    """

    leases: Path
    bridges: Bridges
    plugins: tuple[Path, ...]
    configurations: Path = CONFIGURATIONS

    @classmethod
    def below(cls, directory: Path) -> MachinePlaces:
        """Everything in one folder, `bin` of it for our own program."""
        plugins = (directory / "bin", *STANDARD_PLACES)
        return cls(directory / "leases", Bridges(directory / "bridges.json"), plugins)


class NodeNetworks:
    """The additional networks of one node: makes extensions for its agent, and keeps its files current."""

    def __init__(
        self, client: Client, runtime: RuntimeService, node_name: str, root: Path, places: MachinePlaces
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._places = places
        self._recorder = EventRecorder(client, COMPONENT, node_name)
        self._records, self.allowlist = records_of(root), AllowlistFile(client, allowlist_of(root))
        self._plugins = plugins_of(root, places)

    def extension(self, allowed: kubelet.Allowlist) -> Networks:
        """What the agent asks at every sandbox; `allowed` is its kubelet's allowlist."""
        return Networks(
            self._client,
            self._runtime,
            self._recorder,
            plugins=self._plugins,
            records=self._records,
            bridges=self._places.bridges,
            leases=self._places.leases,
            configurations=self._places.configurations,
            default_network=network.NAME,
            allowed=allowed,
        )

    async def run(self) -> None:
        """Follow the allowlist, write events, and undo what crashes left, until cancelled."""
        nothing = kubelet.Allowlist({}, ())
        async with asyncio.TaskGroup() as group:
            group.create_task(self._recorder.run())
            group.create_task(self.allowlist.run())
            group.create_task(self.extension(nothing).run())


def allowlist_of(root: Path) -> Path:
    """A node's allowlist file."""
    return root / "cni" / "allowlist.conf"


def records_of(root: Path) -> Records:
    """A node's records."""
    return Records(root / "cni" / "attachments")


def plugins_of(root: Path, places: MachinePlaces) -> Plugins:
    """The programs, told which allowlist is this node's."""
    return Plugins(places.plugins, {ALLOWLIST_VARIABLE: str(allowlist_of(root))})


async def remove(directory: Path, roots: Iterable[Path]) -> list[str]:
    """Detach everything of these nodes and remove the machine's folder; what could not be detached. Idempotent.

    A plugin that fails keeps nothing else from being undone: there is no later, for its program goes as well.
    """
    places = MachinePlaces.below(directory)
    problems: list[str] = []
    for root in roots:
        records = records_of(root)
        for sandbox_id in records.sandboxes():
            try:
                await detach.detach(plugins_of(root, places), records, places.bridges, sandbox_id)
            except PodsysctlError as error:
                problems.append(f"networks of sandbox {sandbox_id[:13]}: {error.message}")
    try:
        await places.bridges.tidy()
    except PodsysctlError as error:
        problems.append(error.message)
    if await asyncio.to_thread(directory.exists):
        await asyncio.to_thread(shutil.rmtree, directory)
    return problems
