"""The table of events.k8s.io Events: the core table over the stored shape."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from podsysctl.apiserver.tables import core
from podsysctl.apiserver.tables.base import Object, Printer
from podsysctl.objects import eventshape


def _cells(event: Object, now: datetime) -> list[Any]:
    return core.EVENT.cells(eventshape.to_core(event), now)


EVENTS_V1 = Printer(core.EVENT.columns, _cells)
