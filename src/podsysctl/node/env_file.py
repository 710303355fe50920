"""One variable out of a file that a container wrote into a volume (`valueFrom.fileKeyRef`).

The format is the kubelet's (util/env/env_util.go, 1.36): `NAME='value'` with nothing around the `=`, a value over
several lines, comments and blank lines. What was written may be anything: it is read without following a link out of
the volume, without waiting for the other end of a pipe, and not beyond a bound.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from podsysctl.base import limits
from podsysctl.node.volumes import subpath

_LINE = re.compile(
    r"[ \t]*+(?:(?:#[^\n]*)?"  # nothing, or a comment
    r"|([^\n=]*[^\n= \t])=(?:[ \t][^\n]*"  # blanks after the = make the value empty, as in a shell
    r"|'([^']*)'[ \t]*(?:#[^\n]*)?))(?:\n|\Z)"
)


class EnvFileError(Exception):
    """The file cannot be read, or is not of the format; a user is told no more, as by a kubelet."""


def read(volume: Path, path: str, key: str) -> str:
    """The value of a key, '' when the file does not have it. Raises EnvFileError."""
    try:
        handle = subpath.find(volume, path)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise EnvFileError(f"{path} is no file")
            with open(f"/proc/self/fd/{handle}", "rb") as file:
                data = file.read(limits.ENV_FILE_BYTES + 1)
        finally:
            os.close(handle)
    except (OSError, subpath.SubPathError) as error:
        raise EnvFileError(str(error)) from error
    if len(data) > limits.ENV_FILE_BYTES:
        raise EnvFileError(f"{path} is larger than {limits.ENV_FILE_BYTES} bytes")
    return find(data.decode(errors="replace"), key)


def find(text: str, key: str) -> str:
    r"""The value of a key in a file's text; what comes after it is not looked at. Raises EnvFileError.

    >>> find("# c\n  A='1'\nB='two\nlines' # c\n", "B")
    'two\nlines'
    """
    text, position = text.replace("\r\n", "\n"), 0
    while position < len(text):
        line = _LINE.match(text, position)
        if line is None:
            raise EnvFileError(f"line {text.count(chr(10), 0, position) + 1} is not NAME='value'")
        if line[1] == key:
            return line[2] or ""
        position = line.end()
    return ""
