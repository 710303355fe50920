"""A live bar for each node of a pool, on a terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from podsysctl.cli.rollout_pools import MOST_BARS, summary
from podsysctl.controllers.machineconfig.progress import NodeProgress, PoolProgress, Step

BAR_COLUMNS = 24
RESTING = (Step.WAITING, Step.UPDATED)


class Bars:
    """Redraws itself in place; the last picture stays on the screen."""

    def __init__(self, pool: str, console: Console | None = None) -> None:
        self._live = Live(Text(f"machineconfigpool {pool}"), console=console, auto_refresh=False)

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, progress: PoolProgress) -> None:
        """Draw this state."""
        self._live.update(picture(progress), refresh=True)


def picture(progress: PoolProgress) -> Group:
    """The pool's line and a bar for each node; of a large pool, those that move before those that rest."""
    table = Table.grid(padding=(0, 1))
    shown = sorted(progress.nodes, key=lambda node: node.step in RESTING)[:MOST_BARS]
    for node in sorted(shown, key=lambda node: node.name):
        style = _style(node)
        bar = ProgressBar(total=100, completed=node.step.percent, width=BAR_COLUMNS, complete_style=style)
        table.add_row(Text(node.name), bar, Text(f"{node.step.words}  {node.reason}".rstrip(), style=style))
    lines: list[Text | Table] = [table]
    if len(shown) < len(progress.nodes):
        lines.append(Text(f"... and {len(progress.nodes) - len(shown)} more"))
    lines.append(Text(progress.failure or summary(progress), style="red" if progress.failure else ""))
    return Group(*lines)


def _style(node: NodeProgress) -> str:
    if node.step is Step.FAILED:
        return "red"
    return "green" if node.step is Step.UPDATED else "yellow"
