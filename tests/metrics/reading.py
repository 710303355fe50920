"""Metrics as Prometheus reads them: the text format, parsed by prometheus_client's own parser."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from podsysctl.base import metrics


def families(text: bytes | str | None = None) -> dict[str, Metric]:
    """The families of a text, or of this process, by name; two of one name are an error."""
    raw = metrics.text() if text is None else text
    decoded = raw.decode() if isinstance(raw, bytes) else raw
    out: dict[str, Metric] = {}
    for family in text_string_to_metric_families(decoded):
        assert family.name not in out, f"{family.name} is there twice"
        out[family.name] = family
    return out


def value(sample: str, text: bytes | str | None = None, **labels: str) -> float:
    """The value of one sample; 0 where there is none yet, as `rate` sees it."""
    for family in families(text).values():
        for found in family.samples:
            if found.name == sample and found.labels == labels:
                return float(found.value)
    return 0.0


def series(sample: str, text: bytes | str | None = None) -> list[dict[str, str]]:
    """The label sets that a sample has."""
    return [s.labels for family in families(text).values() for s in family.samples if s.name == sample]
