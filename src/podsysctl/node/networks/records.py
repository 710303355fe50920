"""What was attached to which sandbox, on disk before the first plugin runs: undoing it must survive a crash.

One small file a sandbox below the node's folder. It holds everything DEL needs, so neither the API nor the pod has to
be there any more.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from podsysctl.base import durable
from podsysctl.base.errors import PodsysctlError
from podsysctl.node.networks.invocation import Attachment, Target


@contextmanager
def disk_errors(what: str) -> Iterator[None]:
    """A full disk, or one that cannot be written, fails one pod with a text, not its worker. Raises PodsysctlError."""
    try:
        yield
    except OSError as error:
        raise PodsysctlError(f"{what}: {error}") from error


class BadRecordError(PodsysctlError):
    """A record that cannot be read, so what it tells of cannot be undone."""

    reason = "InvalidNetworkRecord"


@dataclass(frozen=True, slots=True)
class Record:
    """One sandbox of one pod and its attachments, in the order made. `complete` once all of them are, and are told."""

    pod_uid: str
    target: Target
    attachments: tuple[Attachment, ...]
    complete: bool = False

    def with_result(self, index: int, result: dict[str, Any]) -> Record:
        """The same with what ADD of one attachment answered."""
        attachments = list(self.attachments)
        attachments[index] = replace(attachments[index], result=result)
        return replace(self, attachments=tuple(attachments))


class Records:
    """The files of one node."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def sandboxes(self) -> list[str]:
        """Sandboxes that have a record."""
        if not self._directory.is_dir():
            return []
        return sorted(path.stem for path in self._directory.glob("*.json"))

    def save(self, record: Record) -> None:
        """Have it on disk. Raises OSError."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        target = record.target
        document = {
            "podUID": record.pod_uid,
            "sandbox": target.sandbox_id,
            "netns": target.netns,
            "arguments": target.arguments,
            "attachments": [attachment.to_dict() for attachment in record.attachments],
            "complete": record.complete,
        }
        durable.write(self._path(target.sandbox_id), json.dumps(document))

    def load(self, sandbox_id: str) -> Record | None:
        """The record of a sandbox, None when it has none. Raises BadRecordError."""
        path = self._path(sandbox_id)
        try:
            document = json.loads(path.read_text())
            target = Target(document["sandbox"], document["netns"], document["arguments"])
            attachments = tuple(Attachment.from_dict(item) for item in document["attachments"])
            return Record(document["podUID"], target, attachments, document.get("complete") is True)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BadRecordError(f"{path} cannot be read: {error}", hint="its addresses and links stay") from error

    def remove(self, sandbox_id: str) -> None:
        """Forget a sandbox."""
        self._path(sandbox_id).unlink(missing_ok=True)

    def _path(self, sandbox_id: str) -> Path:
        if not sandbox_id.replace("-", "").isalnum():
            raise BadRecordError(f"{sandbox_id!r} is no sandbox's id")
        return self._directory / f"{sandbox_id}.json"
