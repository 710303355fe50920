"""Undoing attachments from their record alone: for a pod that ends, after a crash, and when the node is taken away."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

from podsysctl.base.errors import PodsysctlError
from podsysctl.node.networks.bridges import Bridges
from podsysctl.node.networks.invocation import Plugins
from podsysctl.node.networks.records import Records, disk_errors


async def detach(plugins: Plugins, records: Records, bridges: Bridges, sandbox_id: str) -> None:
    """Detach everything of a sandbox, in reverse, and forget it. Idempotent.

    Everything is tried; raises PodsysctlError with the first failure, and the record stays for another try.
    """
    with disk_errors(f"networks of sandbox {sandbox_id[:13]}"):
        await _detach(plugins, records, bridges, sandbox_id)


async def _detach(plugins: Plugins, records: Records, bridges: Bridges, sandbox_id: str) -> None:
    record = await asyncio.to_thread(records.load, sandbox_id)
    if record is None:
        return
    target = record.target
    if not await asyncio.to_thread(os.path.exists, target.netns):
        target = replace(target, netns="")
    failure: PodsysctlError | None = None
    for attachment in reversed(record.attachments):
        try:
            await plugins.delete(target, attachment)
        except PodsysctlError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    await asyncio.to_thread(records.remove, sandbox_id)
    if any(attachment.bridges for attachment in record.attachments):
        await bridges.tidy()
