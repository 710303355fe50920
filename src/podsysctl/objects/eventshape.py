"""Events in their two shapes: stored as core/v1, also served as events.k8s.io/v1.

Source: Kubernetes 1.36 `pkg/apis/events/v1/conversion.go`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Object = dict[str, Any]

_TO_CORE = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_TO_EVENTS = {core: events for events, core in _TO_CORE.items()}


def to_core(event: Mapping[str, Any]) -> Object:
    """The stored shape of an events.k8s.io/v1 Event."""
    return {**{_TO_CORE.get(key, key): value for key, value in event.items()}, "apiVersion": "v1"}


def to_events_v1(event: Mapping[str, Any]) -> Object:
    """The events.k8s.io/v1 shape of a stored Event."""
    return {
        **{_TO_EVENTS.get(key, key): value for key, value in event.items()},
        "apiVersion": "events.k8s.io/v1",
    }
