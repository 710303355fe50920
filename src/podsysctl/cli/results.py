"""What a command did to each object: `pod/web created`, or the objects themselves with -o."""

from __future__ import annotations

import argparse
import sys

from podsysctl.cli import formats
from podsysctl.client.rest import Object

SUFFIXES = {"none": "", "client": " (dry run)", "server": " (server dry run)"}


class Results:
    """Prints one line per object at once; with -o, json and yaml of several objects are one List at the end.

    `at_once` prints each object by itself, as commands other than apply do.
    """

    def __init__(self, args: argparse.Namespace, *, at_once: bool = False) -> None:
        self._output = getattr(args, "output", "")
        self._suffix = SUFFIXES[getattr(args, "dry_run", "none") or "none"]
        self._printer = formats.printer(args) if self._output else None
        self._at_once = at_once or self._output == "name"
        self._objects: list[Object] = []

    def add(self, obj: Object, operation: str) -> None:
        """One object is done."""
        if self._printer is None:
            print_line(formats.title(obj), operation + self._suffix)
        elif self._at_once:
            self._printer(obj)
        else:
            self._objects.append(obj)

    def finish(self) -> None:
        """Print what was kept for the end."""
        if self._printer is None or not self._objects:
            return
        self._printer(self._objects[0] if len(self._objects) == 1 else formats.list_of(self._objects))


def print_line(title: str, operation: str) -> None:
    """`pod/web created`."""
    sys.stdout.write(f"{title} {operation}\n")
    sys.stdout.flush()
