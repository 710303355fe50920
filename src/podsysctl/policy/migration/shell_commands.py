"""What single commands do that set no kernel parameter themselves: print, wait, install, or nothing that matters."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from podsysctl.policy.migration import shell_syntax as syntax
from podsysctl.policy.migration.effects import Effects

_HARMLESS = frozenset(
    {"true", ":", "set", "exit", "date", "hostname", "id", "whoami", "uname", "wait", "test", "[", "[[", "cat"}
    | {"ls", "echo", "printf", "shopt", "return", "which", "type", "hash", "umask"}
)
LOOKS = frozenset({"cat", "ls", "which", "type", "hash", "id", "command", "hostname"})
"""Commands whose success is a question: what stands after them and `&&` may not run."""
_INSTALLERS = {
    "install_packages": (), "apt-get": ("update", "install", "clean"), "apt": ("update", "install"),
    "apk": ("add", "update"), "yum": ("install",), "dnf": ("install",), "microdnf": ("install",),
}  # fmt: skip
_TOOLS = frozenset({"procps", "procps-ng", "util-linux"})
LONG_S = 60
"""A sleep of at least this is what the container is there for after its work."""


@dataclass(frozen=True, slots=True)
class Present:
    """The value that a parameter has when the script runs."""

    name: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that only the run can tell; `start` is the text that it begins with."""

    start: str = ""


Value = str | Present | Unknown
"""A text, a present value, or something that only the run can tell."""


def takes_the_value(command: syntax.Command) -> bool:
    """Whether a filter leaves just the value of `name = value`."""
    words = [w.literal for w in command.words] if isinstance(command, syntax.Simple) else []
    return words in (
        ["awk", "{print $3}"], ["awk", "{print $NF}"], ["awk", "{ print $3 }"], ["awk", "{ print $NF }"],
        ["cut", "-d=", "-f2"], ["cut", "-d", "=", "-f2"], ["cut", "-d", "=", "-f", "2"], ["cut", "-d ", "-f3"],
        ["cut", "-d", " ", "-f3"], ["cut", "-d", " ", "-f", "3"], ["tr", "-d", " "], ["tr", "-d", "[:space:]"],
        ["xargs"],
    )  # fmt: skip


def printed(program: str, values: Sequence[Value]) -> str | None:
    """What echo or printf prints, when it is known."""
    if program not in ("echo", "printf") or any(not isinstance(v, str) for v in values):
        return None
    words = [v for v in values if isinstance(v, str)]
    if program == "echo":
        escapes = False
        while words and words[0] in ("-n", "-e", "-ne", "-en"):
            escapes = escapes or "e" in words[0]
            words = words[1:]
        # Without -e bash prints a backslash and dash reads it.
        return _unescaped(" ".join(words)) if escapes or "\\" not in " ".join(words) else None
    if len(words) == 2 and words[0] in ("%s", "%s\\n", "%d", "%d\\n"):
        return words[1]
    return _unescaped(words[0]) if len(words) == 1 and "%" not in words[0] else None


def _unescaped(text: str) -> str | None:
    """Text with `\\t` and `\\n` read; None with other escapes. The last newline means nothing to the kernel."""
    read = text.replace("\\t", "\t").replace("\\n", "\n").removesuffix("\n")
    return None if "\\" in read else read


def sleep(values: list[Value]) -> Effects:
    """`sleep`, which is all that is left to do when it is long."""
    first = values[0] if values else None
    if not isinstance(first, str):
        return Effects(idles=True)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", first)
    seconds = float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]] if match else float("inf")
    return Effects(idles=seconds >= LONG_S)


def plain(program: str, values: Sequence[Value]) -> Effects:
    """Commands that set nothing."""
    if program == "cat" and not values:
        return Effects(idles=True)  # it reads what nobody writes: the way of containers with `stdin: true` to wait
    if program in _HARMLESS:
        return Effects()
    if program in ("pause", "sleep") or (program == "tail" and list(values[:1]) in (["-f"], ["-F"])):
        return Effects(idles=True)
    if program == "ulimit":
        return Effects(notes=["ulimit: it ends with the container that calls it, and changes nothing for others"])
    if program in _INSTALLERS:
        wanted = _INSTALLERS[program]
        words = [v for v in values if isinstance(v, str) and not v.startswith("-")]
        if len(words) < len([v for v in values if isinstance(v, str) and not v.startswith("-")]) or not words:
            return Effects(unclear=[f"{program} without a known package"])
        packages = set(words) - set(wanted)
        if packages <= _TOOLS and (not wanted or words[0] in wanted):
            return Effects()
        return Effects(unclear=[f"it installs {', '.join(sorted(packages)) or 'something'}"])
    if program == "mount":
        words = [v if isinstance(v, str) else "" for v in values]
        if "remount" in " ".join(words) and words[-1] in ("/proc/sys", "/proc", "/sys"):
            return Effects()
    return Effects(unclear=[f"it runs {program}"])
