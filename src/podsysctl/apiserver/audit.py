"""The audit log: one JSON line per write or refusal, in a file that is rotated once when it is full."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from podsysctl.apiserver.requestinfo import RequestInfo
from podsysctl.base import limits
from podsysctl.base.clock import Clock, format_micro_time
from podsysctl.base.errors import StatusError

_MESSAGE_CHARS, _AGENT_CHARS, _PATH_CHARS = 512, 256, 1024
_INTERACTIVE = frozenset({"exec", "attach", "portforward"})
_READS = frozenset({"get", "list", "watch", "head", "options"})


@dataclass(slots=True)
class Trail:
    """What is known of a request as it goes through the server: who, warnings, notes of admission."""

    user: str = ""
    impersonated_by: str = ""
    warnings: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


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

    def done(self, http: web.Request, info: RequestInfo, trail: Trail, code: int) -> None:
        """A request that was answered."""
        if info.verb not in _READS or info.subresource in _INTERACTIVE:
            self._line(http, info, trail, {"code": code})

    def failed(self, http: web.Request, info: RequestInfo, trail: Trail, failure: StatusError) -> None:
        """A request that was refused."""
        if info.verb not in _READS or failure.code in (401, 403):
            self._line(http, info, trail, {"code": failure.code, "message": failure.message[:_MESSAGE_CHARS]})

    def _line(self, http: web.Request, info: RequestInfo, trail: Trail, rest: dict[str, Any]) -> None:
        if trail.impersonated_by:
            rest["impersonatedBy"] = trail.impersonated_by
        if trail.notes:
            rest["annotations"] = trail.notes
        entry = {
            "time": format_micro_time(self._clock.now()),
            "verb": info.verb,
            "uri": http.path_qs[:_PATH_CHARS],
            "from": http.remote or "",
            "agent": http.headers.get("User-Agent", "")[:_AGENT_CHARS],
            "user": trail.user,
            **rest,
        }
        line = _encoded(entry) + b"\n"
        try:
            if self._size + len(line) > limits.AUDIT_LOG_BYTES:
                self._rotate()
            self._size += os.write(self._fd, line)
        except OSError:
            self.dropped += 1

    def _rotate(self) -> None:
        """Begin a new file. Raises OSError; the old one is open then: its number must not become another's."""
        with contextlib.suppress(FileNotFoundError):  # an earlier try got as far as this
            self._path.rename(self._path.with_suffix(".log.1"))
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        os.close(self._fd)
        self._fd, self._size = fd, 0


def _encoded(entry: dict[str, Any]) -> bytes:
    """One line: bytes of a header that are no UTF-8 must not keep a request out of the log."""
    try:
        return orjson.dumps(entry)
    except orjson.JSONEncodeError:
        return json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
