"""Which files below /sys a profile may set: those that tune, and none that acts on the machine.

A file of /sys is not a parameter by itself: some suspend the machine, detach a device or take a pod's resources.
Those are refused here, as a pattern before and as a path after its wildcards are filled in.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

_REFUSED: Final = (
    ("/sys/power/*", "it changes the power state of the whole machine"),
    ("/sys/fs/*", "file systems and control groups belong to the runtime and its pods"),
    ("/sys/firmware/*", "it writes to the firmware"),
    ("/sys/kernel/debug/*", "debugging interfaces can crash the machine"),
    ("/sys/kernel/tracing/*", "tracing interfaces are no settings"),
    ("/sys/kernel/config/*", "it makes and removes kernel objects"),
    ("/sys/kernel/security/*", "it changes the machine's security policy"),
    ("/sys/*/bind", "it attaches a driver to a device"),
    ("/sys/*/unbind", "it takes a device away from its driver"),
    ("/sys/*/remove", "it removes a device"),
    ("/sys/*/rescan", "it looks for devices anew"),
    ("/sys/*/reset", "it resets a device"),
    ("/sys/*/delete", "it removes a device"),
    ("/sys/*/uevent", "it makes up an event of a device"),
)


def problem_of_path(path: str) -> str:
    """Why this path, which may hold wildcards, is not written; empty when nothing is wrong with it.

    >>> problem_of_path("/sys/module/nvme_core/parameters/io_timeout")
    ''
    >>> problem_of_path("/sys/power/state")
    'it changes the power state of the whole machine'
    """
    if not path.startswith("/sys/") or path == "/sys/":
        return "only files below /sys are set here"
    parts = path.split("/")[1:]
    if any(part in ("", ".", "..") for part in parts):
        return "the path has an empty part, `.` or `..`"
    if not path.isprintable() or any(character.isspace() for character in path):
        return "the path holds white space or a control character"
    if any(character in "*?[" for character in parts[1]):
        return "the first directory below /sys must be written out"
    for pattern, why in _REFUSED:
        if fnmatchcase(path, pattern):
            return why
    return ""
