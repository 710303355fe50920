"""What an attachment was before ADD, on disk before anything is changed: undo must survive a crash.

The file has upstream's name and members, so that either plugin restores what the other changed, and two more: the
network, which GC needs, and the sysctls.
"""

from __future__ import annotations

import os

from podsysctl.base import durable
from podsysctl.cni import netns, wire


class Saved:
    """Originals of one attachment: link attributes by upstream's names, and (parts, original, written) in order."""

    __slots__ = ("link", "network", "sysctl")

    def __init__(self, network: str) -> None:
        self.network = network
        self.link: dict[str, object] = {}
        self.sysctl: list[tuple[tuple[str, ...], str | None, str]] = []


def write(path: str, saved: Saved) -> Saved | None:
    """Have it on disk. What an earlier plugin of the chain saved for the same attachment stays, and is returned.

    Raises wire.Problem.
    """
    earlier = read(path)
    if earlier is None:
        _store(path, saved)
    else:
        _store(path, _merge(earlier, saved))
    return earlier


def take_back(path: str, earlier: Saved | None) -> None:
    """Undo `write`: have on disk what was there before. Raises wire.Problem."""
    if earlier is None:
        remove(path)
    else:
        _store(path, earlier)


def _store(path: str, saved: Saved) -> None:
    sysctl = [["/".join(segments), original, value] for segments, original, value in saved.sysctl]
    text = wire.indent({**saved.link, "network": saved.network, "sysctl": sysctl}, " ")
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        durable.write(path, wire.encode(text))
    except OSError as error:
        raise wire.Problem(f"failed to save {path}: {netns.words(error)}") from error


def read(path: str) -> Saved | None:
    """What was saved, None when nothing was. Raises wire.Problem when it cannot be understood."""
    try:
        with open(path, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise wire.Problem(f"open {path}: {netns.words(error)}") from error
    try:
        members = wire.plain(wire.parse(data))
        saved = Saved(members.pop("network", ""))
        for name, original, value in members.pop("sysctl", []):
            if not isinstance(value, str) or not isinstance(original, str | None):
                raise ValueError(f"a value of {name} is no text")
            saved.sysctl.append((tuple(name.split("/")), original, value))
        saved.link = members
    except (wire.Problem, ValueError, TypeError, AttributeError) as error:
        raise wire.Problem(f"{path} cannot be understood, so nothing is restored: {error}") from error
    return saved


def remove(path: str) -> None:
    """Forget it. Raises wire.Problem."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise wire.Problem(f"failed to remove {path}: {netns.words(error)}") from error


def names(directory: str) -> list[str]:
    """The records there are."""
    try:
        return [name for name in os.listdir(directory) if name.endswith(".json")]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise wire.Problem(f"open {directory}: {netns.words(error)}") from error


def _merge(earlier: Saved, later: Saved) -> Saved:
    out = Saved(earlier.network)
    out.link = {**later.link, **earlier.link}
    out.sysctl = list(earlier.sysctl)
    known = {segments: index for index, (segments, _, _) in enumerate(earlier.sysctl)}
    for segments, original, value in later.sysctl:
        if segments in known:
            first = earlier.sysctl[known[segments]]
            out.sysctl[known[segments]] = (segments, first[1], value)
        else:
            out.sysctl.append((segments, original, value))
    return out
