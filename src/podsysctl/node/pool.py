"""All pods of the node: admits each when it arrives, gives it a worker, and hears of its changes and its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable

from podsysctl.base import metrics
from podsysctl.base.clock import Clock, format_time
from podsysctl.base.errors import PodsysctlError
from podsysctl.node import backoff, events, gates, status
from podsysctl.node import pod as pods
from podsysctl.node.tasks import Tasks
from podsysctl.node.worker import PodWorker, Services
from podsysctl.policy.admission.verdict import NodeView, Rejection
from podsysctl.policy.verdict import Gate

FINISH_S = 3.0
"""Longest wait for steps under way when the agent stops; making a sandbox takes a fraction of it."""

log = logging.getLogger(__name__)


class Pool:
    """The workers of one node, by pod uid. `view` gives what the gates look at, without the active pods."""

    def __init__(
        self,
        services: Services,
        tasks: Tasks,
        clock: Clock,
        view: Callable[[list[pods.Pod]], NodeView],
        in_runtime: Callable[[str], bool],
    ) -> None:
        self._services = services
        self._tasks = tasks
        self._clock = clock
        self._view = view
        self._in_runtime = in_runtime
        self._workers: dict[str, PodWorker] = {}
        self._busy = 0
        self._idle = asyncio.Event()
        self._closing = False

    def worker(self, uid: str) -> PodWorker | None:
        """The worker of a pod."""
        return self._workers.get(uid)

    def active(self) -> list[PodWorker]:
        """The workers of pods that live."""
        return [worker for worker in self._workers.values() if worker.is_active]

    def known(self) -> set[str]:
        """Uids of all pods that have a worker."""
        return set(self._workers)

    def wake(self, uid: str, *, stale: bool = False) -> None:
        """Ask a pod's worker for a step."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake(stale=stale)

    def added(self, pod: pods.Pod) -> None:
        """A pod of this node appeared: admit it, and start its worker."""
        self._services.statuses.seen(pod)
        uid = pods.uid(pod)
        if uid in self._workers:
            self.updated(pod)
            return
        worker = PodWorker(pod, self._services, in_runtime=self._in_runtime(uid))
        if not pods.is_deleted(pod) and not pods.is_terminal(pod):
            self._admit(pod, worker)
        self._workers[uid] = worker
        self._start(worker)

    def _admit(self, pod: pods.Pod, worker: PodWorker) -> None:
        try:
            rejection = gates.admit(pod, self._view([w.pod for w in self.active()]))
        except PodsysctlError as error:  # a pod that cannot even be judged must not stop the node
            rejection = Rejection("UnexpectedAdmissionError", error.message)
        if rejection is None:
            return
        metrics.REFUSED_PODS.labels(gate=str(Gate.KUBELET), reason=rejection.reason).inc()
        log.info("pod %s rejected: %s", pods.full_name(pod), rejection.message)
        self._services.shared.events.pod(pod, events.WARNING, rejection.reason, rejection.message)
        now = format_time(self._clock.now())
        worker.reject(status.rejected(pod, rejection.reason, rejection.message, now))

    def updated(self, pod: pods.Pod) -> None:
        """A pod changed in the API."""
        worker = self._workers.get(pods.uid(pod))
        if worker is None:
            self.added(pod)
            return
        self._services.statuses.seen(pod)
        worker.update(pod)

    def removed(self, pod: pods.Pod) -> None:
        """A pod is gone from the API."""
        self.gone(pods.uid(pod))

    def gone(self, uid: str) -> None:
        """The API no longer has the pod with this uid."""
        worker = self._workers.get(uid)
        if worker is not None:
            worker.remove()

    async def finish_steps(self) -> None:
        """Let every worker end the step it is in, at most FINISH_S: a container half started would be restarted."""
        self._closing = True
        for worker in self._workers.values():
            worker.quit()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FINISH_S):
                while self._busy:
                    self._idle.clear()
                    await self._idle.wait()

    def _start(self, worker: PodWorker) -> None:
        name = f"pod {pods.full_name(worker.pod)}"
        self._tasks.spawn(name, self._run(worker), lambda error: self._failed(worker, error))

    async def _run(self, worker: PodWorker) -> None:
        self._busy += 1
        try:
            await worker.run()
        finally:
            self._busy -= 1
            self._idle.set()
        if not self._closing:
            self._forget(worker.uid)

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._services.statuses.forget(uid)
        self._services.probes.forget(uid)
        self._services.shared.references.forget(uid)

    def _failed(self, worker: PodWorker, error: BaseException) -> None:
        """A defect in one pod's worker: say so, and start it again later; the other pods go on."""
        text = f"error determining status: {type(error).__name__}: {error}"
        self._services.shared.events.pod(worker.pod, events.WARNING, events.FAILED_SYNC, text)

        async def again() -> None:
            await asyncio.sleep(backoff.with_jitter(backoff.SYNC_RETRY_S))
            worker.wake(stale=True)
            self._start(worker)

        self._tasks.spawn(f"restart of pod {pods.full_name(worker.pod)}", again())
