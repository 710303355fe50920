"""JSON as bytes for those that keep it: stores, caches and indexes."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: Any) -> bytes:
    """The JSON of a value as bytes that take no more room than they need.

    orjson leaves the spare room of its buffer, up to 4 KB, to each object that it returns.
    """
    return bytes(memoryview(orjson.dumps(value)))
