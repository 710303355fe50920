"""`rollout status machineconfigpool/NAME`: lines for a file or a pipe, a live bar per node for a terminal."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from podsysctl.cli import failures, waiting
from podsysctl.cli.connect import Connection
from podsysctl.client.informer import InformerSet
from podsysctl.controllers.machineconfig.drain import NODE
from podsysctl.controllers.machineconfig.progress import PoolProgress, Step, pool_progress
from podsysctl.objects import machineconfig as names

KINDS = (names.POOL, NODE, names.MACHINE_CONFIG, names.KUBELET_CONFIG)
MOST_BARS = 40
"""Bars shown at once; of a larger pool those that move come first."""


class View(Protocol):
    """Shows the state of a rollout each time it changes."""

    def show(self, progress: PoolProgress) -> None:
        """Show this state; the same one twice shows nothing new."""
        ...


async def follow(connection: Connection, name: str, timeout_s: float, *, watch: bool) -> None:
    """Tell how the pool's rollout goes until it ends. Raises PlainError when it cannot succeed, WaitTimeoutError."""
    for kind in KINDS:  # a refusal is told at once
        await connection.client.list(kind, limit=1)
    try:
        async with asyncio.timeout(timeout_s):
            with _view(name, live=watch and sys.stdout.isatty()) as view:
                await _follow(connection, name, view, watch)
    except TimeoutError as error:
        raise waiting.WaitTimeoutError(
            f"timed out waiting for the condition on {names.POOL.qualified}/{name}"
        ) from error


async def _follow(connection: Connection, name: str, view: View, watch: bool) -> None:
    informers = InformerSet(connection.client)
    pools, nodes, machine_configs, kubelet_configs = (informers.informer(kind) for kind in KINDS)
    changed = asyncio.Event()
    for informer in (pools, nodes, machine_configs, kubelet_configs):
        informer.add_handler(lambda _: changed.set(), lambda _, __: changed.set(), lambda _: changed.set())
    running = asyncio.create_task(informers.run())
    try:
        await informers.wait_synced()
        while True:
            changed.clear()
            pool = pools.get(name)
            if pool is None:
                raise failures.PlainError("object has been deleted")
            progress = pool_progress(
                pool,
                list(pools.store.values()),
                list(nodes.store.values()),
                list(machine_configs.store.values()),
                list(kubelet_configs.store.values()),
            )
            view.show(progress)
            if progress.failure:
                raise failures.PlainError(progress.failure)
            if progress.is_done or not watch:
                return
            waiter = asyncio.create_task(changed.wait())
            await asyncio.wait({waiter, running}, return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            if running.done():
                running.result()
    finally:
        running.cancel()
        await asyncio.wait({running})


def summary(progress: PoolProgress) -> str:
    """One line about the whole pool."""
    title = f'machineconfigpool "{progress.pool}"'
    if progress.is_done:
        return f"{title} successfully rolled out"
    if progress.holding:
        return f"Waiting for {title}: {progress.holding}..."
    total = len(progress.nodes)
    return f"Waiting for {title} rollout to finish: {progress.updated} out of {total} nodes have been updated..."


class Lines:
    """A line for every node that moves on, and one for the pool."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}
        self._last = ""

    def show(self, progress: PoolProgress) -> None:
        """Print what is new; nodes that have nothing to do are not named."""
        out = []
        for node in progress.nodes:
            before = self._steps.get(node.name)
            self._steps[node.name] = node.step
            resting = before is None and node.step in (Step.UPDATED, Step.WAITING)
            if before is not node.step and not resting:
                out.append(f"node {node.name}: {node.step.words}{': ' if node.reason else ''}{node.reason}")
        if not progress.failure and (text := summary(progress)) != self._last:
            self._last = text
            out.append(text)
        if out:
            sys.stdout.write("\n".join(out) + "\n")
            sys.stdout.flush()


def _view(name: str, *, live: bool) -> AbstractContextManager[View]:
    if not live:
        return nullcontext(Lines())
    from podsysctl.cli.rollout_bars import Bars  # rich takes its time, and scripts have no use for it

    return Bars(name)
