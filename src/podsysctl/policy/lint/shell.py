"""What a container's command sets in /proc/sys, and whether it does anything else.

Understood are `sysctl -w a=b`, `sysctl a=b`, `echo v > /proc/sys/…`, `echo v | tee /proc/sys/…` and `printf`, in lists
and in `sh -c` scripts whose commands are joined by `;`, `&&`, `||` and newlines. Variables that the script itself sets
to plain text are filled in. Conditions and anything else mean that the container has another purpose too.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SHELLS = frozenset({"sh", "bash", "ash", "dash"})
_SYSCTL_FLAGS = frozenset({"-w", "-e", "-q", "-we", "-qw", "-wq", "-ew", "--write", "--quiet", "--ignore"})
_HARMLESS = frozenset({"set", "true", ":", "exit"})
_SEPARATORS = frozenset({";", ";;", "&&", "||", "&"})
_KEYWORDS = frozenset({"if", "then", "elif", "else", "fi", "while", "until", "do", "done", "!", "{", "}"})
_WRAPPERS = frozenset({"sudo", "exec", "command"})
_PROC_SYS = "/proc/sys/"
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")


@dataclass(frozen=True, slots=True)
class Writes:
    """The assignments of a command, in order; `only` tells that it does nothing else and that every value is known."""

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
    return _parse_pipeline(words)


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
        lexer = shlex.shlex(_without_comments(script), posix=True, punctuation_chars=";&|<>\n")
        lexer.whitespace, lexer.whitespace_split, lexer.commenters = " \t\r", True, ""
        tokens = [token.strip("\n") or ";" for token in lexer]
    except ValueError:
        return Writes((), False)
    values: list[tuple[str, str]] = []
    variables: dict[str, str] = {}
    only = True
    command: list[str] = []
    for token in [*tokens, ";"]:
        if token not in _SEPARATORS:
            command.append(_fill(token, variables))
            continue
        found = _parse_statement(command, variables)
        values += found.values
        only = only and found.only
        command = []
    return Writes(tuple(values), only and bool(values))


def _without_comments(script: str) -> str:
    lines = script.replace("\\\n", " ").split("\n")
    return "\n".join(re.sub(r"(^|\s)#[^'\"]*$", "", line) for line in lines)


def _fill(word: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: variables.get(found[1] or found[2], found[0]), word)


def _parse_statement(words: Sequence[str], variables: dict[str, str]) -> Writes:
    """One command with the keywords before it; an assignment is remembered."""
    start = 0
    while start < len(words) and words[start] in _KEYWORDS:
        start += 1
    rest = words[start:]
    if not rest:
        return Writes((), not words)
    assignment = _ASSIGNMENT.fullmatch(rest[0]) if len(rest) == 1 else None
    if assignment is not None:
        variables.pop(assignment[1], None)
        if _is_plain(assignment[2]):
            variables[assignment[1]] = assignment[2]
        return Writes((), start == 0 and _is_plain(assignment[2]))
    found = _parse_pipeline(rest)
    return Writes(found.values, found.only and start == 0)


def _is_plain(text: str) -> bool:
    """Whether a shell would take the text as it is."""
    return "$" not in text and "`" not in text


def _parse_pipeline(words: Sequence[str]) -> Writes:
    """`echo v | tee FILE` is the same as `echo v > FILE`."""
    words = _without_silencing(words)
    if "|" not in words:
        return _parse_command(words)
    cut = words.index("|")
    target = [word for word in words[cut + 1 :] if word != "-a" and word not in _WRAPPERS]
    if len(target) == 2 and target[0].rsplit("/", 1)[-1] == "tee":
        return _parse_command([*words[:cut], ">", target[1]])
    return Writes((), False)


def _without_silencing(words: Sequence[str]) -> list[str]:
    """The words without `> /dev/null` and `2>&1` at their end."""
    out = list(words)
    while len(out) > 2 and (out[-2:] in ([">", "/dev/null"], ["&>", "/dev/null"]) or out[-3:] == ["2", ">&", "1"]):
        del out[-3 if out[-2] == ">&" else -2 :]
        if out[-1] in ("1", "2") and words[len(out)] == ">":
            out.pop()  # the number of `2> /dev/null`
    return out


def _parse_command(words: Sequence[str]) -> Writes:
    while words and words[0] in _WRAPPERS:
        words = words[1:]
    if not words:
        return Writes((), False)
    program = words[0].rsplit("/", 1)[-1]
    if program in _HARMLESS:
        return Writes((), True)
    if program == "sysctl":
        return _parse_sysctl(words[1:])
    redirect = next((index for index, word in enumerate(words) if word in (">", ">>")), 0)
    if program in ("echo", "printf") and redirect:
        target = words[redirect + 1] if len(words) == redirect + 2 else ""
        value = " ".join(w for w in words[1:redirect] if w not in ("-n", "-e")).removesuffix("\\n")
        if target.startswith(_PROC_SYS) and value:
            name = target.removeprefix(_PROC_SYS).replace(".", "\0").replace("/", ".").replace("\0", "/")
            return Writes(((name, value),), _is_plain(value) and _is_plain(name))
    return Writes((), False)


def _parse_sysctl(words: Sequence[str]) -> Writes:
    values: list[tuple[str, str]] = []
    only = True
    for word in words:
        if word in _SYSCTL_FLAGS:
            continue
        name, equals, value = word.partition("=")
        if not equals or not name or name.startswith("-") or not _is_plain(name):
            return Writes(tuple(values), False)
        only = only and _is_plain(value)
        values.append((name, value))
    return Writes(tuple(values), only and bool(values))
