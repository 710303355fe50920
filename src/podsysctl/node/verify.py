"""Reads back every declared sysctl inside the sandbox's namespaces and says whether it has its value.

A sysctl can be accepted, the pod Running, and the value not there: CRI-O skips what it does not like with a log
line, and a kernel may round. The answer is the pod condition SysctlsVerified.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.base.errors import KernelError, NameSyntaxError
from podsysctl.kernel import procsys
from podsysctl.kernel.namespaces import Namespaces
from podsysctl.node.conditions import SYSCTLS_VERIFIED
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.value import values_equal

_KINDS = {"network": "net", "ipc": "ipc", "uts": "uts"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One declared sysctl that is not as declared; `got` is the kernel's value or why there is none."""

    name: str
    wanted: str
    got: str

    def __str__(self) -> str:
        return f"{self.name}: wanted {self.wanted!r}, got {self.got!r}"


class NamespacesUnknownError(Exception):
    """The runtime does not tell where the sandbox's namespaces are."""


def sandbox_namespaces(response: Any) -> Namespaces:
    """The sandbox's namespaces, from the runtime's verbose status: its process, or the files its spec names.

    Raises NamespacesUnknownError.
    """
    try:
        info = json.loads(response.info.get("info") or "{}")
    except ValueError as error:
        raise NamespacesUnknownError("the runtime's sandbox information is not JSON") from error
    pid = int(info.get("pid") or 0)
    if pid > 0:
        try:
            return Namespaces.of_pid(pid)
        except KernelError as error:
            raise NamespacesUnknownError(error.message) from error
    entries = ((info.get("runtimeSpec") or {}).get("linux") or {}).get("namespaces") or ()
    paths = tuple((_KINDS[e["type"]], e["path"]) for e in entries if e.get("type") in _KINDS and e.get("path"))
    if not paths:
        raise NamespacesUnknownError("the runtime tells neither the sandbox's process nor its namespaces")
    return Namespaces(paths)


def compare(declared: Mapping[str, str], namespaces: Namespaces) -> list[Difference]:
    """The declared sysctls whose value differs inside the namespaces, in order.

    Values are compared as the kernel means them: tabs and spaces are one. Raises KernelError when the
    namespaces cannot be entered.
    """
    names: dict[str, SysctlName] = {}
    out = []
    for text, wanted in declared.items():
        try:
            names[text] = parse_name(text)
        except NameSyntaxError as error:
            out.append(Difference(text, wanted, error.message))
    readings = procsys.read_many(list(names.values()), namespaces)
    for text, name in names.items():
        reading = readings[name]
        wanted = declared[text]
        if isinstance(reading, KernelError):
            out.append(Difference(text, wanted, reading.message))
        elif not values_equal(catalogue.spec_of(name), reading, wanted):
            out.append(Difference(text, wanted, reading))
    return out


async def verify(response: Any, declared: Mapping[str, str]) -> list[Difference] | str:
    """What differs in the sandbox of this verbose status, or a text saying why it could not be found out."""
    try:
        namespaces = sandbox_namespaces(response)
        return await asyncio.to_thread(compare, declared, namespaces)
    except NamespacesUnknownError as error:
        return str(error)
    except KernelError as error:
        return error.message


def summary(outcome: list[Difference] | str) -> str:
    """What metrics call an outcome."""
    if isinstance(outcome, str):
        return "unreadable"
    return "different" if outcome else "as-declared"


def condition(declared: Mapping[str, str], outcome: list[Difference] | str) -> dict[str, Any]:
    """The pod condition: True when all values are there, False naming those that are not, Unknown when unread."""
    if isinstance(outcome, str):
        return {"type": SYSCTLS_VERIFIED, "status": "Unknown", "reason": "NotReadable", "message": outcome}
    if not outcome:
        text = f"{len(declared)} declared sysctl{'s' if len(declared) != 1 else ''} read back in the sandbox"
        return {"type": SYSCTLS_VERIFIED, "status": "True", "reason": "ValuesMatch", "message": text}
    text = "; ".join(str(d) for d in outcome)
    return {"type": SYSCTLS_VERIFIED, "status": "False", "reason": "ValuesDiffer", "message": text}
