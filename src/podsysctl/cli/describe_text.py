"""The text that `describe` writes: aligned cells, labels, annotations, events, tolerations.

Alignment is Go's text/tabwriter: cells that stand in one column of adjacent lines are one block. Layout and
words: kubectl pkg/describe/describe.go, v1.36.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from podsysctl.cli import lastapplied
from podsysctl.cli.ages import local_time, since
from podsysctl.client.rest import Object

ANNOTATION_WIDTH = 140


def align(text: str, *, padding: int = 2) -> str:
    """Replace tabs by spaces so that columns line up.

    >>> align("a:\\tx\\nlonger:\\ty\\nend")
    'a:       x\\nlonger:  y\\nend'
    """
    lines = [line.split("\t") for line in text.split("\n")]
    out: list[str] = []
    _format(lines, 0, len(lines), [], padding, out)
    return "\n".join(out)


def _format(lines: list[list[str]], start: int, end: int, widths: list[int], padding: int, out: list[str]) -> None:
    column, at = len(widths), start
    while at < end:
        if column >= len(lines[at]) - 1:
            at += 1
            continue
        _write(lines[start:at], widths, out)
        start, width = at, 0
        while at < end and column < len(lines[at]) - 1:
            width = max(width, len(lines[at][column]) + padding)
            at += 1
        _format(lines, start, at, [*widths, width], padding, out)
        start = at
    _write(lines[start:end], widths, out)


def _write(lines: list[list[str]], widths: list[int], out: list[str]) -> None:
    for cells in lines:
        out.append("".join(c.ljust(widths[i]) if i < len(widths) else c for i, c in enumerate(cells)))


class Writer:
    """Collects lines with tabs; `level` is how far a line is indented, two spaces each."""

    def __init__(self) -> None:
        self._done: list[str] = []
        self._pending: list[str] = []

    def line(self, level: int, text: str) -> None:
        """One line, or several with the same first indent."""
        self._pending.append("  " * level + text)

    def flush(self) -> None:
        """What follows is aligned by itself."""
        if self._pending:
            self._done.append(align("\n".join(self._pending)))
            self._pending = []

    def raw(self) -> str:
        """Everything since the last flush with its tabs, as `rollout history` prints it."""
        return "\n".join(self._pending) + "\n"

    def text(self) -> str:
        """Everything, aligned, with a final newline."""
        self.flush()
        return "\n".join(self._done) + "\n"

    def pairs(self, title: str, values: Iterable[str], *, initial: str = "") -> None:
        """`Title:` and its values, one below the other, or `<none>`."""
        entries = list(values) or ["<none>"]
        self.line(0, f"{initial}{title}:\t{entries[0]}")
        for entry in entries[1:]:
            self.line(0, f"{initial}\t{entry}")

    def labels(self, title: str, labels: Mapping[str, str] | None, *, initial: str = "") -> None:
        """Labels, sorted."""
        self.pairs(title, (f"{key}={labels[key]}" for key in sorted(labels or {})) if labels else (), initial=initial)

    def annotations(self, title: str, annotations: Mapping[str, str] | None) -> None:
        """Annotations, sorted, long ones below their key; what apply remembers is left out."""
        lines: list[str] = []
        for key in sorted(annotations or {}):
            if key == lastapplied.ANNOTATION:
                continue
            value = (annotations or {})[key].removesuffix("\n")
            if len(value) + len(key) + 2 > ANNOTATION_WIDTH or "\n" in value:
                lines.append(f"{key}:")
                lines += [f"  {_shorten(part, ANNOTATION_WIDTH - 2)}" for part in value.split("\n")]
            else:
                lines.append(f"{key}: {value}")
        self.pairs(title, lines)

    def table(self, level: int, headers: list[str], rows: Iterable[Iterable[Any]], *, ruled: bool = True) -> None:
        """A table with a rule of dashes below its head."""
        self.line(level, "\t".join(headers))
        if ruled:
            self.line(level, "\t".join("-" * len(h) for h in headers))
        for row in rows:
            self.line(level, "\t".join(str(cell) for cell in row))

    def events(self, events: list[Object] | None) -> None:
        """The events of an object; nothing when they were not asked for."""
        if events is None:
            return
        if not events:
            self.line(0, "Events:\t<none>")
            return
        self.flush()
        self.line(0, "Events:")
        rows = [
            (e.get("type", ""), e.get("reason", ""), interval(e), event_source(e), event_message(e))
            for e in sorted(events, key=event_time)
        ]
        self.line(1, "Type\tReason\tAge\tFrom\tMessage")
        self.line(1, "----\t------\t----\t----\t-------")
        for row in rows:
            self.line(1, "\t".join(row))

    def tolerations(self, tolerations: list[Object] | None) -> None:
        """Tolerations, sorted by key."""
        self.pairs(
            "Tolerations", [toleration_text(t) for t in sorted(tolerations or [], key=lambda t: t.get("key") or "")]
        )


def _shorten(text: str, width: int) -> str:
    return text[:width] + "..." if len(text) > width else text


def toleration_text(toleration: Object) -> str:
    """A toleration in one line."""
    key, value, effect = (toleration.get(k) or "" for k in ("key", "value", "effect"))
    text = key + (f"={value}" if value else "") + (f":{effect}" if effect else "")
    if toleration.get("operator") == "Exists" and not value:
        text += " op=Exists" if key or effect else "op=Exists"
    seconds = toleration.get("tolerationSeconds")
    return text + (f" for {seconds}s" if seconds is not None else "")


def event_time(event: Object) -> str:
    """What events are ordered by: the last time each was seen."""
    series = event.get("series") or {}
    moments = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return str(next((m for m in moments if m), event.get("firstTimestamp") or ""))


def interval(event: Object) -> str:
    """When an event was seen: `3s`, or `3s (x4 over 20s)`."""
    first = since(event.get("eventTime") or event.get("firstTimestamp"))
    series = event.get("series")
    if series:
        return f"{since(series.get('lastObservedTime'))} (x{series.get('count', 0)} over {first})"
    count = event.get("count") or 0
    if count > 1:
        return f"{since(event.get('lastTimestamp'))} (x{count} over {first})"
    return first


def event_source(event: Object) -> str:
    """The component that reported an event."""
    return str((event.get("source") or {}).get("component") or event.get("reportingComponent") or "")


def event_message(event: Object) -> str:
    """What the event says, with the part of the object it is about in front."""
    message = str(event.get("message") or "").strip()
    path = (event.get("involvedObject") or {}).get("fieldPath")
    return f"{path}: {message}" if path else message


def controller(obj: Object) -> str:
    """`ReplicaSet/web-1`, empty without one."""
    for owner in obj["metadata"].get("ownerReferences") or ():
        if owner.get("controller"):
            return f"{owner['kind']}/{owner['name']}"
    return ""


def moment(stamp: str | None) -> str:
    """A time as `describe` prints it."""
    return local_time(stamp) if stamp else "Mon, 01 Jan 0001 00:00:00 +0000"


def selector(value: Object | None) -> str:
    """A LabelSelector in one line."""
    from podsysctl.cli.podpick import selector_text

    return selector_text(value) or "<none>"
