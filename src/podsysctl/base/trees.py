"""Deletes directory trees that somebody else made, such as a container in its volume: however deep they are.

A path that is put together inside a directory may grow longer than a path may be, its directories more than this
process may have open, and their depth more than Python may recurse; `shutil.rmtree` then fails each time.
"""

from __future__ import annotations

import os
import secrets

DEPTH = 64
"""Directories that are open at once; what lies deeper is first moved to the top."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove(root: str | os.PathLike[str]) -> None:
    """Delete a directory with all in it, without following links. Nothing may be mounted below. Raises OSError."""
    top = os.open(root, _DIRECTORY)
    try:
        while _clear(top, top, 0):
            pass  # the directories that were moved to the top are next
    finally:
        os.close(top)
    os.rmdir(root)


def _clear(top: int, directory: int, depth: int) -> bool:
    """Delete what a directory holds; whether anything was moved from there to the top instead."""
    moved = False
    with os.scandir(directory) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_directory in found:
        if not is_directory:
            os.unlink(name, dir_fd=directory)
        elif depth == DEPTH:
            os.rename(name, f"deep-{secrets.token_hex(8)}", src_dir_fd=directory, dst_dir_fd=top)
            moved = True
        else:
            child = os.open(name, _DIRECTORY, dir_fd=directory)
            try:
                moved |= _clear(top, child, depth + 1)
            finally:
                os.close(child)
            os.rmdir(name, dir_fd=directory)
    return moved
