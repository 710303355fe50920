"""Restart back-off and the state of a probe, with a clock that moves when told."""

from __future__ import annotations

from podsysctl.base.clock import FakeClock
from podsysctl.node.backoff import Backoff
from podsysctl.node.probes.machine import LIVENESS, READINESS, STARTUP, Machine, Situation


def test_backoff_first_restart_is_immediate_then_doubles_to_300_s() -> None:
    """A container restarts at once the first time, then after 10, 20, 40, 80, 160, 300, 300 seconds."""
    clock = FakeClock()
    backoff = Backoff(clock)
    waits = []
    for _ in range(8):
        ended_s = clock.monotonic_s()
        waits.append(backoff.remaining_s("c", ended_s))
        clock.advance(waits[-1])
        assert backoff.remaining_s("c", ended_s) == 0
        backoff.advance("c", ended_s)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_backoff_is_forgotten_after_ten_minutes_of_running() -> None:
    """A container that ran longer than ten minutes starts over with an immediate restart."""
    clock = FakeClock()
    backoff = Backoff(clock)
    backoff.advance("c", clock.monotonic_s())
    clock.advance(600)
    assert backoff.delay_s("c") == 10
    clock.advance(1)
    assert backoff.remaining_s("c", clock.monotonic_s()) == 0
    backoff.advance("c", clock.monotonic_s())
    assert backoff.delay_s("c") == 10


def test_backoff_with_a_maximum_below_its_first_delay_begins_with_the_maximum() -> None:
    """maxContainerRestartPeriod bounds the first delay as well."""
    clock = FakeClock()
    backoff = Backoff(clock, maximum_s=1)
    backoff.advance("c", clock.monotonic_s())
    assert backoff.delay_s("c") == 1


def _situation(**fields: object) -> Situation:
    return Situation(**{"container_id": "a", "running": True, "running_s": 60.0, "started": True, **fields})  # type: ignore[arg-type]


def test_machine_failure_threshold_decides() -> None:
    """Two failures of three leave the result; the third turns it and stops the probing until a new container."""
    machine = Machine(LIVENESS, {"failureThreshold": 3})
    assert machine.should_ask(_situation())
    assert [machine.answer(False), machine.answer(False), machine.result] == [False, False, True]
    assert machine.answer(False)
    assert machine.result is False
    assert not machine.should_ask(_situation())
    assert machine.should_ask(_situation(container_id="b"))
    assert machine.result is True


def test_machine_success_in_between_starts_the_count_over() -> None:
    """Only failures in a row count."""
    machine = Machine(LIVENESS, {"failureThreshold": 2})
    machine.should_ask(_situation())
    for success in (False, True, False):
        machine.answer(success)
    assert machine.result is True


def test_machine_readiness_starts_unready_and_needs_its_threshold() -> None:
    """A readiness probe begins with not ready and may ask for several successes."""
    machine = Machine(READINESS, {"successThreshold": 2})
    machine.should_ask(_situation())
    assert machine.result is False
    machine.answer(True)
    assert machine.result is False
    assert machine.answer(True)
    assert machine.result is True


def test_machine_others_wait_for_startup() -> None:
    """Until the container has started only the startup probe is asked, afterwards only the others."""
    startup, liveness = Machine(STARTUP, {}), Machine(LIVENESS, {})
    assert startup.should_ask(_situation(started=False))
    assert not liveness.should_ask(_situation(started=False))
    startup.answer(True)
    assert startup.result is True
    assert not startup.should_ask(_situation())
    assert liveness.should_ask(_situation())


def test_machine_initial_delay_is_waited_exactly() -> None:
    """A probe with a delay is first asked when the delay is over, not at the period after it."""
    machine = Machine(READINESS, {"initialDelaySeconds": 5, "periodSeconds": 10})
    early = _situation(running_s=2.0)
    assert not machine.should_ask(early)
    assert machine.wait_s(early) == 3.0
    assert machine.should_ask(_situation(running_s=5.0))


def test_machine_ended_container_is_not_ready() -> None:
    """A container that does not run is neither probed nor ready."""
    machine = Machine(READINESS, {})
    machine.should_ask(_situation())
    machine.answer(True)
    assert not machine.should_ask(_situation(running=False))
    assert machine.result is False
