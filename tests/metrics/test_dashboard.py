"""The Grafana dashboard and the page about metrics speak of metrics that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podsysctl.base import metrics
from tests.metrics import reading

TOP = Path(__file__).resolve().parents[2]
NAME = re.compile(r"\b(?:podsysctl|apiserver|workqueue|scheduler|process)_[a-z_]+")
SELECTOR = re.compile(r"([a-z_]+)\{([^}]*)\}")
GROUPING = re.compile(r"by \(([^)]*)\)")
OF_HISTOGRAM = ("_bucket", "_sum", "_count")


def samples() -> dict[str, tuple[str, ...]]:
    """Every sample that may be asked for, with its labels."""
    out: dict[str, tuple[str, ...]] = {}
    for metric in metrics.DECLARED:
        if metric.kind == "histogram":
            out |= {metric.name + end: (*metric.labels, "le") for end in OF_HISTOGRAM}
        else:
            out[metric.name] = metric.labels
    own = {s.name: () for family in reading.families().values() for s in family.samples if s.name.startswith("process")}
    return out | own


def dashboard() -> dict[str, Any]:
    """The file."""
    loaded: dict[str, Any] = json.loads((TOP / "deploy" / "grafana" / "podsysctl.json").read_text())
    return loaded


def expressions() -> Iterator[tuple[str, str, str]]:
    """Panel, expression and legend of every query."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


@pytest.mark.parametrize(("panel", "expression", "legend"), list(expressions()))
def test_expression_names_only_what_exists(panel: str, expression: str, legend: str) -> None:
    """Metrics, the labels they are chosen and grouped by, and the labels of legends."""
    known = samples()
    names = NAME.findall(expression)
    assert names, panel
    assert set(names) <= set(known)
    for name, selector in SELECTOR.findall(expression):
        for label in re.findall(r"([a-z_]+)\s*[=!]~?", selector):
            assert label in known[name], f"{name} has no label {label}"
    labels = {label for name in names for label in known[name]}
    grouped = {word.strip() for found in GROUPING.findall(expression) for word in found.split(",")}
    assert grouped <= labels
    assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= (grouped or labels)


def test_dashboard_shows_every_metric() -> None:
    """A metric that nobody sees is no use; histograms are shown by one of their samples."""
    text = " ".join(expression for _, expression, _ in expressions())
    shown = set(NAME.findall(text))
    shown |= {name.removesuffix(end) for name in shown for end in OF_HISTOGRAM if name.endswith(end)}
    assert {metric.name for metric in metrics.DECLARED} <= shown


def test_dashboard_can_be_imported() -> None:
    """Panels have distinct identifiers, places that do not overlap, and the data source that the user chooses."""
    board = dashboard()
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert place["x"] + place["w"] <= 24
        assert not cells & taken
        taken |= cells
        if panel["type"] != "row":
            assert panel["datasource"]["uid"] == "${datasource}"
    assert {entry["name"] for entry in board["templating"]["list"]} == {"datasource", "node"}


def test_page_names_only_metrics_that_exist() -> None:
    """The alerts of docs/metrics.md would fire; the page itself is made by `./run docs`."""
    text = (TOP / "docs" / "metrics.md").read_text()
    names = set(NAME.findall(text)) - {"process_"}
    assert names <= set(samples()) | {metric.name for metric in metrics.DECLARED}
    assert {metric.name for metric in metrics.DECLARED} <= names
