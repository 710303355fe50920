"""One node's side of node tuning: follows the Profile named like the node, has it applied, and reports.

The Profile's choice is a controller's; what the kernel shows is decided by the arbiter, which all nodes of the machine
share. Whatever touches the kernel or the disk runs in a worker thread. A deferred change waits for the next start of
this process, which is what a restart of the node is to it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from podsysctl.base import limits, metrics
from podsysctl.base.clock import Clock, SystemClock, format_time
from podsysctl.base.errors import ConnectionFailedError, KernelError, PodsysctlError, StatusError
from podsysctl.client.events import EventRecorder
from podsysctl.client.informer import Informer
from podsysctl.client.rest import Client
from podsysctl.client.workqueue import WorkQueue
from podsysctl.kernel import procsys
from podsysctl.node.tuning import effective, profile, report, status, suspects
from podsysctl.node.tuning.arbiter import Arbiter
from podsysctl.node.tuning.report import Look
from podsysctl.node.tuning.status import Finding
from podsysctl.node.tuning.tuned_daemon import TunedDaemon, texts_of
from podsysctl.node.tuning.wish import Drifted, Reason, Verdict, Wish
from podsysctl.objects import tuning
from podsysctl.sysctls.tuned.plan import ProfileError

log = logging.getLogger(__name__)

Object = dict[str, Any]

COMPONENT = "tuned"
"""Name of this component in events."""


async def watch_drift(arbiter: Arbiter) -> None:
    """Look for drift until cancelled; one pass over all nodes' parameters."""
    while True:
        await asyncio.sleep(limits.TUNING_DRIFT_POLL_S)
        await asyncio.to_thread(arbiter.watch_drift)


class NodeTuner:
    """`running` gives the node's pods, `protects` tells whether its kubelet has protectKernelDefaults.

    With a `daemon` profiles are its to apply, and the arbiter holds nothing.
    """

    def __init__(
        self,
        client: Client,
        node: str,
        arbiter: Arbiter,
        events: EventRecorder,
        *,
        running: Callable[[], Iterable[Object]] = tuple,
        protects: Callable[[], bool] = bool,
        daemon: TunedDaemon | None = None,
        root: Path = Path("/"),
        time: Clock | None = None,
    ) -> None:
        self._client = client
        self._node = node
        self._arbiter = arbiter
        self._events = events
        self._running = running
        self._protects = protects
        self._daemon = daemon
        self._root = root
        self._clock = time or SystemClock()
        self._queue: WorkQueue[str] = WorkQueue(name="node-tuning", max_s=10.0)
        self._profiles = Informer(client, tuning.PROFILE, tuning.NAMESPACE, field_selector=f"metadata.name={node}")
        self._profiles.add_handler(self._enqueue, lambda _, new: self._enqueue(new), self._enqueue)
        self._started = False
        self._active = ""
        self._wish: Wish | None = None

    def _enqueue(self, _: Object) -> None:
        self.wake()

    def wake(self) -> None:
        """Look again: the Profile, the kubelet's configuration or the arbiter's verdict is another one."""
        self._queue.add(self._node)

    async def run(self) -> None:
        """Follow the Profile until cancelled. The values stay until the arbiter closes."""
        loop = asyncio.get_running_loop()

        def changed(node: str) -> None:
            if node == self._node:
                loop.call_soon_threadsafe(self.wake)

        unlisten = self._arbiter.listen(changed)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._profiles.run())
                group.create_task(self._queue.run(self._reconcile, workers=1, retry=self._retry))
        finally:
            unlisten()

    @staticmethod
    def _retry(key: object, error: PodsysctlError) -> bool:
        log.warning("tuning of node %s: %s", key, error.message)
        return isinstance(error, StatusError | ConnectionFailedError | KernelError)

    async def _reconcile(self, _: str) -> None:
        found = self._profiles.get(self._node, tuning.NAMESPACE)
        if found is None:
            await asyncio.to_thread(self._withdraw)
            report.forget(self._node)
            self._wish, self._active = None, ""
            return
        look = await asyncio.to_thread(self._look, found)
        for item in look.news:
            await self._tell_drift(found, item)
        report.show(self._node, profile.name_of(found), look)
        await self._write(found, look)
        if self._daemon is not None and look.finding.reason is Reason.SHARED_KERNEL:
            self._queue.add_after(self._node, limits.TUNING_DRIFT_POLL_S)  # nobody tells when another cluster has gone

    def _look(self, found: Object) -> Look:
        """Have the Profile applied and see what is there now; runs in a worker thread."""
        finding, verdict = self._apply(found)
        news = tuple(self._arbiter.take_news(self._node))
        if verdict is None:
            return Look(finding, news=news)
        why_not = "" if finding.applied else str(finding.reason)
        items = effective.read_effective(verdict, why_not, self._root)
        return Look(finding, verdict, items, news, procsys.read_here(verdict.targets))

    def _apply(self, found: Object) -> tuple[Finding, Verdict | None]:
        """Bring the arbiter to what the Profile says, unless that waits."""
        first, self._started = not self._started, True
        name, mode = profile.name_of(found), profile.deferral(found)
        waits = not first and (mode == "always" or (mode == "update" and name == self._active))
        try:
            wish = profile.read_wish(found, self._arbiter.facts, protects_kernel_defaults=self._protects())
        except ProfileError as error:
            text = profile.load_failure(error, first=not self._active)
            if waits:
                return Finding(None, True, Reason.DEFERRED, text), None
            self._wish = None
            self._withdraw()
            return Finding(False, True, Reason.ERROR, text), None
        if waits and wish != self._wish:
            return Finding(None, True, Reason.DEFERRED), Verdict(wish, claims=self._arbiter.claims(wish))
        self._wish = wish
        if self._daemon is not None:
            return self._hand_over(self._daemon, wish, profile.texts(found))
        with metrics.PROFILE_APPLY_DURATION.labels(node=self._node).time():
            self._arbiter.submit(self._node, wish)
        verdict = self._arbiter.verdict(self._node) or Verdict(wish)
        finding = status.judge(verdict)
        if finding.applied:
            self._active = name
        return finding, verdict

    def _hand_over(self, daemon: TunedDaemon, wish: Wish, defined: dict[str, str]) -> tuple[Finding, Verdict]:
        """Have the distribution's TuneD do it; what must not be written is not handed over."""
        verdict = Verdict(wish, self._arbiter.danger(wish), claims=self._arbiter.claims(wish))
        if verdict.refusal is not None:
            daemon.stop()
            return status.judge(verdict), verdict
        names = [claim.name for claim in verdict.claims]
        try:
            finding = daemon.apply(wish.plan.profile, texts_of(wish.plan, defined), names)
        except PodsysctlError as error:
            return Finding(False, True, Reason.ERROR, error.message), verdict
        if finding.applied:
            self._active = wish.plan.profile
        return finding, verdict

    def _withdraw(self) -> None:
        self._arbiter.submit(self._node, None)
        if self._daemon is not None:
            self._daemon.stop()

    async def _tell_drift(self, found: Object, item: Drifted) -> None:
        """One event for each change, with everybody who could have made it."""
        metrics.NODE_SYSCTL_DRIFT.labels(node=self._node, name=item.name.dotted).inc()
        text = status.drift_text(item)
        hints = await asyncio.to_thread(suspects.find, item.name, item.live, list(self._running()), self._root)
        if hints:
            text += "; it could have been " + ", or ".join(hints)
        self._events.event(found, "Warning", str(Reason.DRIFT), text)
        if item.corrected:
            metrics.NODE_SYSCTL_CORRECTED.labels(node=self._node, name=item.name.dotted).inc()
            self._events.event(found, "Normal", "DriftCorrected", f'{item.name} is "{item.expected}" again')

    async def _write(self, found: Object, look: Look) -> None:
        """Write the status where it says something else, and tell of it in an event."""
        former = found.get("status") or {}
        now = format_time(self._clock.now())
        wanted: Object = {
            "tunedProfile": self._active or str(former.get("tunedProfile") or ""),
            "observedGeneration": found["metadata"].get("generation", 0),
            "conditions": status.conditions(look.finding, former.get("conditions") or [], now),
            "effective": look.effective,
        }
        if all(former.get(key) == value for key, value in wanted.items()):
            return
        self._tell(found, look.finding, former, wanted)
        await self._client.patch(
            tuning.PROFILE, self._node, {"status": wanted}, namespace=tuning.NAMESPACE, subresource="status"
        )

    def _tell(self, found: Object, finding: Finding, former: Object, wanted: Object) -> None:
        words = [(c["type"], c["status"], c["reason"], c["message"]) for c in wanted["conditions"]]
        before = [
            (c.get("type"), c.get("status"), c.get("reason"), c.get("message")) for c in former.get("conditions") or ()
        ]
        if words == before and former.get("tunedProfile") == wanted["tunedProfile"]:
            return
        if finding.degraded and finding.reason is not Reason.DRIFT:  # drift has told of itself
            self._events.event(found, "Warning", str(finding.reason), wanted["conditions"][1]["message"])
        elif finding.applied:
            self._events.event(found, "Normal", "ProfileApplied", f"profile {self._active} is applied")
