"""How `rollout status machineconfigpool/NAME` shows a rollout."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from podsysctl.cli import rollout_bars
from podsysctl.cli.rollout_pools import MOST_BARS, Lines
from podsysctl.controllers.machineconfig.progress import NodeProgress, PoolProgress, Step


def progress(*steps: Step, done: bool = False, holding: str = "", failure: str = "", reason: str = "") -> PoolProgress:
    """A pool whose nodes are at these steps."""
    nodes = tuple(
        NodeProgress(f"w{index}", step, reason if step is Step.FAILED else "") for index, step in enumerate(steps)
    )
    return PoolProgress("worker", "rendered-worker-x", nodes, done, holding, failure)


def test_lines_name_each_step_once_and_the_pool_when_it_changes(capsys: pytest.CaptureFixture[str]) -> None:
    """Nodes that rest at first are not named; the same state again prints nothing."""
    lines = Lines()
    for state in (
        progress(Step.UPDATED, Step.UPDATED, holding="its configuration to be rendered"),
        progress(Step.WAITING, Step.WAITING),
        progress(Step.DRAINING, Step.WAITING),
        progress(Step.DRAINING, Step.WAITING),
        progress(Step.UPDATED, Step.TARGETED),
        progress(Step.UPDATED, Step.UPDATED, done=True),
    ):
        lines.show(state)
    assert capsys.readouterr().out == (
        'Waiting for machineconfigpool "worker": its configuration to be rendered...\n'
        "node w0: waits for its turn\n"
        "node w1: waits for its turn\n"
        'Waiting for machineconfigpool "worker" rollout to finish: 0 out of 2 nodes have been updated...\n'
        "node w0: is being drained\n"
        "node w0: updated\n"
        "node w1: is told to change\n"
        'Waiting for machineconfigpool "worker" rollout to finish: 1 out of 2 nodes have been updated...\n'
        "node w1: updated\n"
        'machineconfigpool "worker" successfully rolled out\n'
    )


def test_lines_of_a_failure_name_the_node_and_leave_the_rest_to_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    """The pool's failure goes to stderr, once."""
    Lines().show(progress(Step.FAILED, failure="the pool is degraded", reason="why"))
    assert capsys.readouterr().out == "node w0: failed: why\n"


def drawn(state: PoolProgress, width: int = 100) -> str:
    """What a terminal of this width shows."""
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False, no_color=True).print(rollout_bars.picture(state))
    return out.getvalue()


def test_bars_show_one_line_per_node_and_the_pool() -> None:
    """Name, bar and words."""
    lines = drawn(progress(Step.UPDATED, Step.DRAINING)).splitlines()
    assert [line.split()[0] for line in lines] == ["w0", "w1", "Waiting"]
    assert lines[0].rstrip().endswith("updated")
    assert lines[1].rstrip().endswith("is being drained")
    assert "1 out of 2 nodes have been updated" in lines[2]


@pytest.mark.parametrize("count", [MOST_BARS, MOST_BARS + 1])
def test_bars_of_a_large_pool_keep_those_that_move(count: int) -> None:
    """At most so many bars, the moving node among them, and how many are left out."""
    text = drawn(progress(*[Step.WAITING] * (count - 1), Step.DRAINING))
    assert text.count("waits for its turn") == MOST_BARS - 1
    assert text.count("is being drained") == 1
    assert ("... and 1 more" in text) == (count > MOST_BARS)


def test_bars_redraw_in_place_and_leave_the_last_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that can move its cursor sees every state, and the last one stays."""
    monkeypatch.setenv("TERM", "xterm")
    out = io.StringIO()
    with rollout_bars.Bars("worker", Console(file=out, width=100, force_terminal=True)) as bars:
        bars.show(progress(Step.DRAINING))
        bars.show(progress(Step.UPDATED, done=True))
    assert "is being drained" in out.getvalue()
    last = out.getvalue().rpartition("is being drained")[2]
    assert 'machineconfigpool "worker" successfully rolled out' in last
