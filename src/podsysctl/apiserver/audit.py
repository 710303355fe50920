"""The audit log: one JSON line per write or refusal, in a file that is rotated once when it is full."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.base import limits
from podsysctl.base.clock import Clock, format_micro_time
from podsysctl.base.errors import StatusError

_READS = frozenset({"get", "list", "watch", "head", "options"})


class AuditLog:
    """Appends lines; a full disk stops the log and never a request."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size
        self.dropped = 0
        """Lines that could not be written."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def done(self, http: web.Request, info: RequestInfo, user: str, code: int, notes: dict[str, Any]) -> None:
        """A request that was answered."""
        if info.verb in _READS and not notes:
            return
        self._line(http, info, {"user": user, "code": code, **({"annotations": notes} if notes else {})})

    def failed(self, http: web.Request, info: RequestInfo, failure: StatusError, user: str = "") -> None:
        """A request that was refused."""
        if info.verb in _READS and failure.code not in (401, 403):
            return
        self._line(http, info, {"user": user, "code": failure.code, "message": failure.message[:512]})

    def _line(self, http: web.Request, info: RequestInfo, rest: dict[str, Any]) -> None:
        entry = {
            "time": format_micro_time(self._clock.now()),
            "verb": info.verb,
            "uri": http.path_qs[:1024],
            "from": http.remote or "",
            "agent": http.headers.get("User-Agent", "")[:256],
            **rest,
        }
        line = orjson.dumps(entry) + b"\n"
        try:
            if self._size + len(line) > limits.AUDIT_LOG_BYTES:
                self._rotate()
            self._size += os.write(self._fd, line)
        except OSError:
            self.dropped += 1

    def _rotate(self) -> None:
        self._path.rename(self._path.with_suffix(".log.1"))
        os.close(self._fd)
        self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = 0
