"""When a probe is asked and what its answers add up to: thresholds, delays, holds. Pure (prober/worker.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

LIVENESS = "Liveness"
READINESS = "Readiness"
STARTUP = "Startup"

FIELDS = {LIVENESS: "livenessProbe", READINESS: "readinessProbe", STARTUP: "startupProbe"}

_INITIAL = {LIVENESS: True, READINESS: False, STARTUP: None}
"""What holds of a new container before its first settled answer; None means not yet known."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The container as the probe finds it; `running_s` is how long it has run.

    `adopted` is None for a container of this process; for one that ran before the agent was started it is what the
    API said of it: started for a startup probe, ready for a readiness probe.
    """

    container_id: str
    running: bool
    running_s: float
    started: bool
    adopted: bool | None = None


class Machine:
    """The state of one probe of one container, over all its restarts."""

    def __init__(self, kind: str, probe: dict[str, Any]) -> None:
        self.kind = kind
        self.probe = probe
        self.container_id = ""
        self.result: bool | None = _INITIAL[kind]
        self._on_hold = False
        self._last: bool | None = None
        self._run = 0

    @property
    def period_s(self) -> int:
        """Seconds between two probes."""
        return int(self.probe.get("periodSeconds") or 10)

    def wait_s(self, situation: Situation) -> float:
        """Seconds until the next look at a container that is not to be probed yet."""
        left_s = int(self.probe.get("initialDelaySeconds") or 0) - situation.running_s
        return min(self.period_s, left_s) if situation.running and left_s > 0 else self.period_s

    def should_ask(self, situation: Situation) -> bool:
        """Whether to probe now; notices a new container and one that has ended."""
        if situation.container_id != self.container_id:
            self.container_id = situation.container_id
            self.result = _INITIAL[self.kind]
            self._on_hold = False
            self._last, self._run = None, 0
            if situation.adopted and self.kind == STARTUP:
                self.settle(True)
            elif situation.adopted is not None and self.kind == READINESS:
                self.result = situation.adopted
        if self._on_hold or not situation.container_id:
            return False
        if not situation.running:
            self.result = False if self.kind != STARTUP else self.result
            return False
        if situation.running_s < int(self.probe.get("initialDelaySeconds") or 0):
            return False
        return situation.started == (self.kind != STARTUP)

    def answer(self, success: bool) -> bool:
        """Count one answer. True when the settled result changed."""
        self._run = self._run + 1 if success == self._last else 1
        self._last = success
        threshold = "successThreshold" if success else "failureThreshold"
        if self._run < int(self.probe.get(threshold) or (1 if success else 3)):
            return False
        changed = self.result is not success
        self.result = success
        if (self.kind == LIVENESS and not success) or self.kind == STARTUP:
            self._on_hold = True
            self._run = 0
        return changed

    def settle(self, success: bool) -> None:
        """Take a result as given and stop asking until there is a new container."""
        self.result = success
        self._on_hold = True
