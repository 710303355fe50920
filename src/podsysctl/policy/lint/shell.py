"""What a container's command sets in /proc/sys, when it does nothing else.

Understood are `sysctl -w a=b`, `sysctl a=b`, `echo v > /proc/sys/…` and `printf`, in lists and in `sh -c` scripts whose
commands are joined by `;`, `&&`, `||` and newlines. Anything else means that the container has another purpose too.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_SYSCTL_FLAGS = frozenset({"-w", "-e", "-q", "-we", "-qw", "-wq", "-ew", "--write", "--quiet", "--ignore"})
_HARMLESS = frozenset({"set", "true", ":", "exit"})
_SEPARATORS = frozenset({";", "&&", "||", "\n"})
_PROC_SYS = "/proc/sys/"


@dataclass(frozen=True, slots=True)
class Writes:
    """The assignments of a command, in order; `only` tells that it does nothing else."""

    values: tuple[tuple[str, str], ...]
    only: bool


def writes_of(container: Mapping[str, Any]) -> Writes:
    """What a container's command and args write."""
    words = [*_strings(container.get("command")), *_strings(container.get("args"))]
    if not words:
        return Writes((), False)
    shell = words[0].rsplit("/", 1)[-1]
    if shell in _SHELLS:
        script = _script(words[1:])
        return _parse_script(script) if script is not None else Writes((), False)
    return _parse_command(words)


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _script(words: Sequence[str]) -> str | None:
    """The script behind `-c`, with flags such as -ex before it or in one word with it."""
    for index, word in enumerate(words):
        if word.startswith("-") and word.endswith("c"):
            return words[index + 1] if index + 1 < len(words) else None
        if not word.startswith("-"):
            return None
    return None


def _parse_script(script: str) -> Writes:
    try:
        lexer = shlex.shlex(script.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=";&|<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        tokens = list(lexer)
    except ValueError:
        return Writes((), False)
    values: list[tuple[str, str]] = []
    only = True
    command: list[str] = []
    for token in [*tokens, ";"]:
        if token not in _SEPARATORS:
            command.append(token)
            continue
        if command:
            found = _parse_command(command)
            values += found.values
            only = only and found.only
        command = []
    return Writes(tuple(values), only and bool(values))


def _parse_command(words: Sequence[str]) -> Writes:
    program = words[0].rsplit("/", 1)[-1]
    if program in _HARMLESS:
        return Writes((), True)
    if program == "sysctl":
        return _parse_sysctl(words[1:])
    if program in ("echo", "printf") and ">" in words:
        cut = words.index(">")
        target = words[cut + 1] if len(words) == cut + 2 else ""
        value = [w for w in words[1:cut] if w not in ("-n", "-e")]
        if target.startswith(_PROC_SYS) and value:
            name = target.removeprefix(_PROC_SYS).replace(".", "\0").replace("/", ".").replace("\0", "/")
            return Writes(((name, " ".join(value)),), True)
    return Writes((), False)


def _parse_sysctl(words: Sequence[str]) -> Writes:
    values: list[tuple[str, str]] = []
    for word in words:
        if word in _SYSCTL_FLAGS:
            continue
        name, equals, value = word.partition("=")
        if not equals or not name or name.startswith("-") or "$" in word:
            return Writes(tuple(values), False)
        values.append((name, value))
    return Writes(tuple(values), bool(values))
