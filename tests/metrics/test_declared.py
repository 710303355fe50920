"""What is declared: names, units, help, bounds, and who loads it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from podsysctl.base import metrics
from podsysctl.cli import main
from tests.metrics import reading

SERVERS = {"up", "demo"}
"""Commands that are the server, or start it in their own process."""


def test_text_is_read_by_prometheus_parser() -> None:
    """Every family has a help text and a type, and its name and labels follow Prometheus' rules."""
    families = reading.families()
    assert len(families) > 20
    for family in families.values():
        assert family.documentation.endswith("."), family.name
        assert family.type in ("counter", "gauge", "histogram"), family.name
        assert re.fullmatch(r"(podsysctl|apiserver|workqueue|scheduler|process)_[a-z_]+", family.name), family.name


def test_names_carry_their_unit() -> None:
    """Durations are in seconds and say so; nothing is in milliseconds."""
    for name, family in reading.families().items():
        if "duration" in name:
            assert name.endswith("_seconds"), name
            assert family.type == "histogram"
        assert not name.endswith(("_ms", "_milliseconds", "_mb")), name


def test_labels_beyond_the_bound_are_counted_and_not_kept() -> None:
    """A label that takes a new value for ever cannot fill the memory."""
    registry = CollectorRegistry()
    family = metrics.Family(Counter("t_total", "T.", ["name"], registry=registry), ["name"], 2)
    before = reading.value("podsysctl_metric_series_refused_total")
    for name in ("a", "b", "c", "d", "a"):
        family.labels(name=name).inc()
    assert len(family) == 2
    assert registry.get_sample_value("t_total", {"name": "a"}) == 2
    assert registry.get_sample_value("t_total", {"name": "c"}) is None
    assert reading.value("podsysctl_metric_series_refused_total") == before + 2


def test_labels_must_be_the_declared_ones() -> None:
    """A forgotten, unknown or surplus label is an error at once."""
    family = metrics.Family(Gauge("t", "T.", ["node", "name"], registry=None), ["node", "name"], 9)
    for labels in ({"node": "a"}, {"node": "a", "nam": "b"}, {"node": "a", "name": "b", "more": "c"}):
        with pytest.raises(KeyError):
            family.labels(**labels)


def test_forget_removes_the_series_of_a_node() -> None:
    """A node that is gone leaves nothing; others stay."""
    registry = CollectorRegistry()
    family = metrics.Family(Gauge("t", "T.", ["node", "name"], registry=registry), ["node", "name"], 9)
    for node in ("a", "b"):
        for name in ("x", "y"):
            family.labels(node=node, name=name).set(1)
    family.forget(node="a")
    assert registry.get_sample_value("t", {"node": "a", "name": "x"}) is None
    assert registry.get_sample_value("t", {"node": "b", "name": "x"}) == 1
    assert len(family) == 2


def test_commands_start_without_prometheus_client() -> None:
    """Only the server loads the library; commands and the CNI plugin stay quick."""
    modules = sorted({f"podsysctl.cli.{c.module}" for c in main.COMMANDS if c.name not in SERVERS})
    program = (
        "import sys, importlib\n"
        f"for module in {[*modules, 'podsysctl.cni.plugin']!r}:\n"
        "    importlib.import_module(module)\n"
        "    if 'prometheus_client' in sys.modules: sys.exit(module + ' loads prometheus_client')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
