"""Replaces a small file so that a crash, or a loss of power, leaves the old one or the new one, whole.

It stands under everything that has to find its own notes again: records, credentials, what to undo. Journals that
grow line by line are `kernel/journal.py`'s.
"""

from __future__ import annotations

import os


def write(path: str | os.PathLike[str], data: str | bytes, *, mode: int = 0o600) -> None:
    """Replace a file, in a directory that is there; it is on disk when this returns. Raises OSError, and then the old
    file stands."""
    directory, name = os.path.split(os.path.abspath(path))
    new = os.path.join(directory, temporary_name(name))
    try:
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            os.fchmod(fd, mode)  # whatever the umask says, and whatever a killed process of the same id left
            rest = data.encode() if isinstance(data, str) else data
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(new, path)
    except BaseException:
        if os.path.lexists(new):
            os.unlink(new)
        raise
    sync_directory(directory)


def temporary_name(name: str) -> str:
    """What the new file is called until it takes the old one's place; processes do not share it."""
    return f".{name}.{os.getpid()}.new"


def replaced(name: str) -> str:
    """Whose place a file of such a name was to take; empty for any other name.

    >>> replaced(temporary_name("machine.json"))
    'machine.json'
    """
    owner, _, process = name.removeprefix(".").removesuffix(".new").rpartition(".")
    return owner if name.startswith(".") and name.endswith(".new") and process.isdigit() else ""


def sync_directory(path: str | os.PathLike[str]) -> None:
    """Have the names in a directory on disk: a file's own fsync says nothing of its name. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
