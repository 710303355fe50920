"""Keeps the node's allowlist file of the tuning plugin equal to the cluster's ConfigMap.

Until the ConfigMap is known the file has the default content: a node without the file would refuse everything, and one
that followed upstream would allow everything. A ConfigMap that is deleted leaves the file as it is, as upstream does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from podsysctl.base import durable
from podsysctl.base.errors import UsageError
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy import interface

log = logging.getLogger(__name__)

CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")
NAMESPACE, NAME = "openshift-multus", "cni-sysctl-allowlist"

RETRY_S = 10.0
"""Time after which a file that could not be written is tried again."""


class AllowlistFile:
    """The file of one node. `text` is what it holds."""

    def __init__(self, client: Client, path: Path) -> None:
        self.path = path
        self._wanted = ""
        self._unwritten = asyncio.Event()
        self._informer = Informer(client, CONFIG_MAPS, NAMESPACE, field_selector=f"metadata.name={NAME}")
        self._informer.add_handler(on_add=self._changed, on_update=lambda _, new: self._changed(new))

    def ensure(self) -> None:
        """Have a file, with the default content if there is none."""
        if not self.path.exists():
            self._write("\n".join(interface.default_allowlist()) + "\n")

    async def run(self) -> None:
        """Follow the ConfigMap until cancelled."""
        await asyncio.to_thread(self.ensure)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informer.run())
            group.create_task(self._write_later())

    async def _write_later(self) -> None:
        """Try again what a full disk, say, did not take."""
        while True:
            await self._unwritten.wait()
            await asyncio.sleep(RETRY_S)
            self._try_to_write()

    def _changed(self, config_map: Mapping[str, Any]) -> None:
        try:
            text = interface.allowlist_text(config_map)
        except UsageError as error:
            log.warning("ConfigMap %s: %s; the node's list stays as it is", NAME, error.message)
            return
        self._wanted = text if text.endswith("\n") or not text else text + "\n"
        self._try_to_write()

    def _try_to_write(self) -> None:
        """Write what the ConfigMap says; a list that is out of date must not end the node, and is told of."""
        try:
            self._write(self._wanted)
        except OSError as error:
            log.error("%s is not what ConfigMap %s says, and is written again later: %s", self.path, NAME, error)
            self._unwritten.set()
        else:
            self._unwritten.clear()

    def _write(self, text: str) -> None:
        if self.path.exists() and self.path.read_text() == text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        durable.write(self.path, text, mode=0o644)
