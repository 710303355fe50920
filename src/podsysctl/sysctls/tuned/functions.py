"""The functions of the language, `${f:name:argument:…}`: those whose answer is pure or known from MachineFacts.

Functions that run a program are refused. Where TuneD logs an error and leaves the text as it is, so does this, and
says so. How a text is searched for them is at the end. Source: tuned profiles/functions/.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import re2

from podsysctl.base import limits
from podsysctl.sysctls.tuned import cpulist
from podsysctl.sysctls.tuned.plan import MachineFacts

_COLON = re.compile(r"(?<!\\):")
_NAME = re.compile(r"\w+")
_BRACE = re.compile(r"\}|\$\{")
_SYS_CPU = "/sys/devices/system/cpu/"
_REGEX_MEMORY_BYTES = 1 << 20


class FunctionFailed(Exception):
    """The function has no answer: the text stays, and whatever uses it cannot be applied."""


class AssertionFailed(Exception):
    """What makes TuneD refuse the whole profile."""


@dataclass(frozen=True, slots=True)
class Function:
    """How many arguments (`most` 0: any number), and the answer."""

    least: int
    most: int
    answer: Callable[[list[str], MachineFacts], str]


def call(name: str, arguments: list[str], facts: MachineFacts) -> str:
    """One function's answer. Raises FunctionFailed and AssertionFailed."""
    if not _NAME.fullmatch(name):
        raise FunctionFailed(f"invalid function name '{_short(name)}'")
    if name in REFUSED:
        raise FunctionFailed(f"function '{name}' is not evaluated: {REFUSED[name]}")
    function = FUNCTIONS.get(name)
    if function is None:
        raise FunctionFailed(f"function '{_short(name)}' not implemented")
    if len(arguments) < function.least or (function.most and len(arguments) > function.most):
        raise FunctionFailed(f"invalid number of arguments for builtin function '{name}'")
    return function.answer(arguments, facts)


def search(pattern: str, text: str, *, multiline: bool = False) -> bool:
    """Is the regular expression found in the text? By RE2, in linear time. Raises FunctionFailed."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _REGEX_MEMORY_BYTES
    try:
        compiled: Any = re2.compile(f"(?m){pattern}" if multiline else pattern, options)
    except re2.error as error:
        detail = error.args[0] if error.args else error
        shown = detail.decode(errors="replace") if isinstance(detail, bytes) else str(detail)
        raise FunctionFailed(f"regular expression '{_short(pattern)}' cannot be used: {_short(shown)}") from error
    return compiled.search(text) is not None


def file(facts: MachineFacts, path: str) -> str:
    """What a file of the machine held when the facts were made; empty when nobody read it."""
    return dict(facts.files).get(path, "")


def _cpus(text: str) -> list[int]:
    found = cpulist.unpack(text)
    if found is None:
        raise FunctionFailed(f"'{_short(text)}' is no list of processors up to {limits.TUNED_PROCESSORS - 1}")
    return found


def _mask(text: str) -> list[int]:
    found = cpulist.from_hex(text)
    if found is None:
        raise FunctionFailed(f"invalid hexadecimal mask '{_short(text)}'")
    return found


def _assertion(arguments: list[str], _: MachineFacts) -> str:
    if arguments[1] != arguments[2]:
        raise AssertionFailed(f"Assertion '{arguments[0]}' failed.")
    raise FunctionFailed(f"assertion '{arguments[0]}' holds and is no value")


def _assertion_non_equal(arguments: list[str], _: MachineFacts) -> str:
    if arguments[1] == arguments[2]:
        raise AssertionFailed(f"Assertion '{arguments[0]}' failed.")
    raise FunctionFailed(f"assertion '{arguments[0]}' holds and is no value")


def _calc_isolated_cores(arguments: list[str], facts: MachineFacts) -> str:
    if arguments and not arguments[0].isdecimal():
        text = f"invalid argument '{_short(arguments[0])}' for builtin function 'calc_isolated_cores'"
        raise FunctionFailed(f"{text}, it must be non-negative integer")
    reserved = int(arguments[0][:9]) if arguments else 1
    sockets: dict[str, list[int]] = {}
    for cpu in facts.cpus:
        socket = file(facts, f"{_SYS_CPU}cpu{cpu}/topology/physical_package_id").strip() or "0"
        sockets.setdefault(socket, []).append(cpu)
    return cpulist.join(sorted(cpu for cpus in sockets.values() for cpu in sorted(cpus)[reserved:]))


def _package2cpus(arguments: list[str], facts: MachineFacts) -> str:
    found = []
    for cpu in facts.cpus:
        socket = file(facts, f"{_SYS_CPU}cpu{cpu}/topology/physical_package_id").strip() or "0"
        if socket in arguments:
            found.append(cpu)
    if not found:
        raise FunctionFailed(f"package2cpus finds no processor of package {', '.join(arguments)}")
    return cpulist.join(found, "cpu")


def _check_net_queue_count(arguments: list[str], facts: MachineFacts) -> str:
    return arguments[0] if arguments[0].isdigit() else f"{len(facts.cpus)}\n"


def _cpuinfo_check(arguments: list[str], facts: MachineFacts) -> str:
    text = file(facts, "/proc/cpuinfo")
    for pattern, answer in zip(arguments[::2], arguments[1::2], strict=False):
        if search(pattern, text, multiline=True):
            return answer
    return arguments[-1] if len(arguments) % 2 else ""


def _present(arguments: list[str], facts: MachineFacts) -> str:
    text = file(facts, f"{_SYS_CPU}present").strip()
    present = _cpus(text) if text else list(facts.cpus)
    return cpulist.join(cpu for cpu in _cpus(",,".join(arguments)) if cpu in present)


def _inverted(arguments: list[str], facts: MachineFacts) -> list[int]:
    return sorted(set(facts.cpus) - set(_cpus(",,".join(arguments))))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise FunctionFailed(f"'{_short(text)}' is not a number") from error


def _ternary(arguments: list[str], _: MachineFacts) -> str:
    return arguments[2] if search(arguments[1], arguments[0]) else arguments[3]


FUNCTIONS: Final[dict[str, Function]] = {
    "assertion": Function(3, 3, _assertion),
    "assertion_non_equal": Function(3, 3, _assertion_non_equal),
    "calc_isolated_cores": Function(0, 1, _calc_isolated_cores),
    "check_net_queue_count": Function(1, 1, _check_net_queue_count),
    "cpuinfo_check": Function(2, 0, _cpuinfo_check),
    "cpulist2devs": Function(0, 0, lambda a, _: cpulist.join(_cpus(",".join(a)), "cpu")),
    "cpulist2hex": Function(0, 0, lambda a, _: cpulist.to_hex(_cpus(",,".join(a)))),
    "cpulist2hex_invert": Function(0, 0, lambda a, f: cpulist.to_hex(_inverted(a, f))),
    "cpulist_invert": Function(0, 0, lambda a, f: cpulist.join(_inverted(a, f))),
    "cpulist_online": Function(0, 0, lambda a, f: cpulist.join(c for c in _cpus(",".join(a)) if c in f.cpus)),
    "cpulist_pack": Function(0, 0, lambda a, _: cpulist.pack(_cpus(",,".join(a)))),
    "cpulist_present": Function(0, 0, _present),
    "cpulist_unpack": Function(0, 0, lambda a, _: cpulist.join(_cpus(",,".join(a)))),
    "hex2cpulist": Function(1, 1, lambda a, _: cpulist.join(_mask(a[0]))),
    "kb2s": Function(1, 1, lambda a, _: str(_integer(a[0]) * 2)),
    "log": Function(1, 0, lambda a, _: "".join(a)),
    "package2cpus": Function(1, 0, _package2cpus),
    "regex_search_ternary": Function(4, 4, _ternary),
    "s2kb": Function(1, 1, lambda a, _: str(round(_integer(a[0]) / 2))),
    "strip": Function(1, 0, lambda a, _: "".join(a).strip()),
    "virt_check": Function(2, 2, lambda a, f: a[1] if f.virtualization in ("", "none") else a[0]),
}

REFUSED: Final[dict[str, str]] = {
    "exec": "it runs a program as root",
    "lscpu_check": "it runs a program",
    "intel_recommended_pstate": "it asks for hardware that no kernel parameter depends on",
    "package2uncores": "it asks for hardware that no kernel parameter depends on",
}


@dataclass(slots=True)
class Budget:
    """How many functions one plan may still evaluate."""

    left: int = limits.TUNED_FUNCTION_CALLS


@dataclass(slots=True)
class _Scan:
    """A text in the middle of being searched: `at` is the position, `open` where `${` began and whether escaped."""

    text: str
    at: int
    open: list[tuple[int, bool]]


def expand(text: str, facts: MachineFacts, budget: Budget) -> tuple[str, tuple[str, ...]]:
    """Replace every function by its answer, inner ones first; and what went wrong. Raises AssertionFailed.

    An answer is not searched again. TuneD ends the search at a `}` too many, and passes over one character
    after an empty answer at the text's very beginning; both are kept, since profiles are written against it.
    """
    scan = _Scan(text, 0, [])
    faults: list[str] = []
    while found := _BRACE.search(scan.text, scan.at):
        scan.at = found.start()
        if found[0] == "${":
            scan.open.append((scan.at, scan.text[max(scan.at - 1, 0)] == "\\"))
        elif not scan.open:
            faults.append(f"invalid variable syntax, non pair '}}' in: '{_short(text)}'")
            return _unescape(scan.text), tuple(faults)
        else:
            start, escaped = scan.open.pop()
            if not escaped and scan.text.startswith("${f", start):
                budget.left -= 1
                if budget.left < 0:
                    return text, (f"more than {limits.TUNED_FUNCTION_CALLS} functions in one profile",)
                _replace(scan, start, facts, faults)
        scan.at += 1
    if scan.open:
        faults.append(f"invalid variable syntax, non pair '{{' in: '{_short(text)}'")
    return _unescape(scan.text), tuple(faults)


def _replace(scan: _Scan, start: int, facts: MachineFacts, faults: list[str]) -> None:
    head, *words = _COLON.split(scan.text[start : scan.at])
    if head != "${f":
        return
    name, *arguments = [word.replace("\\:", ":") for word in words] or [""]
    try:
        answer = call(name, arguments, facts)
    except FunctionFailed as error:
        faults.append(str(error))
        return
    if len(scan.text) + len(answer) > limits.TUNED_VALUE_CHARACTERS:
        faults.append(f"expands to more than {limits.TUNED_VALUE_CHARACTERS} characters")
        return
    scan.text = scan.text[:start] + answer + scan.text[scan.at + 1 :]
    scan.at = max(start + len(answer) - 1, 0)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:80] + "…"


def _unescape(text: str) -> str:
    r"""Drop the backslash of the first `\${f:…}` of every line, which is all that TuneD's pattern drops."""
    out = []
    for line in text.split("\n"):
        at = line.find("\\${f:")
        out.append(line[:at] + line[at + 1 :] if at >= 0 and line.rfind("}") > at else line)
    return "\n".join(out)
