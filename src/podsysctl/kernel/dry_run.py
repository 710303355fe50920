"""Would this kernel take these values in a pod? Asked of the kernel itself, in namespaces that vanish.

New net, ipc and uts namespaces are made on a short-lived thread (without privileges: in a child with a user
namespace of its own), the values are written there in order and read back. A parameter that is not the
namespace's own is never written: the file must be another one than the host's, held open for comparison, and
of a family that can be namespaced.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import child, files, namespaces, procsys
from podsysctl.kernel.namespaces import THREAD_KINDS
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Namespace
from podsysctl.sysctls.name import SysctlName
from podsysctl.sysctls.value import ULONG_MAX, parse_number

UTS_NAMES = frozenset({("kernel", "hostname"), ("kernel", "domainname")})
"""Per uts namespace through their handler, not through a file of their own (kernel/utsname_sysctl.c)."""

_ROUNDING = {"milliseconds": 10, "1/100 second": 1}
"""How far a taken number may read back from what was asked, by unit: such times are kept in clock ticks."""

_WHY_NOT_OWN = {
    Namespace.USER: "belongs to the user namespace: not tried; a pod has its own only with hostUsers: false",
    Namespace.PID: "belongs to the pid namespace: not tried, and no runtime sets it for a pod",
}


class Answer(StrEnum):
    """What the kernel said to one value."""

    ACCEPTED = "accepted"
    ADJUSTED = "adjusted"
    """Taken, but it reads back as something else."""
    REFUSED = "refused"
    ABSENT = "absent"
    """A new namespace has no such parameter, the node has."""
    READ_ONLY = "read-only"
    NODE_LEVEL = "node-level"
    """One value for the machine: not written, and no pod can have its own."""
    UNKNOWN = "unknown"
    """Neither the node nor a new namespace has it: no such parameter, or its module is not loaded; or it could not be
    tried: nobody knows it, or the kernel hides it from this user's namespaces."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One value tried: `value` is what the namespace showed afterwards, `errno` the kernel's number (0:
    none)."""

    name: str
    wanted: str
    answer: Answer
    value: str
    errno: int
    message: str

    @property
    def ok(self) -> bool:
        """Would a pod get this value?"""
        return self.answer is Answer.ACCEPTED

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "errno": self.errno}


def try_values(values: Mapping[SysctlName, str]) -> list[Outcome]:
    """Try values in throw-away namespaces, in the order given, and tell what the kernel said to each.

    Takes a few milliseconds as root and some tens without. An interface's parameter is tried on `lo` of the
    new network namespace. Nothing on the host changes. Raises KernelError when no namespace can be made.
    """
    if namespaces.can_create():
        return try_here(values)
    answer = child.ask({"op": "try", "values": [[name.slashed, value] for name, value in values.items()]})
    return [Outcome(**{**item, "answer": Answer(item["answer"])}) for item in answer]


def find_range(name: SysctlName) -> list[tuple[int, int]]:
    """Which numbers this kernel takes for a parameter: lowest and highest, for each of its numbers.

    Found by bisection around the present value, so it sees one unbroken range, as far as values that depend
    on others (ports, thresholds) allow now. Raises KernelError when the parameter is not numeric or not the
    namespace's own.
    """
    if namespaces.can_create():
        return range_here(name)
    return [(low, high) for low, high in child.ask({"op": "range", "name": name.slashed})]


def try_here(values: Mapping[SysctlName, str], *, in_user_namespace: bool = False) -> list[Outcome]:
    """`try_values` for a process that may make namespaces, be it as root of a user namespace of its own."""
    targets = {name: _on_loopback(name) for name in values}
    with pin(targets.values()) as host:
        outcomes = namespaces.run_in_fresh(
            THREAD_KINDS, lambda: [_try(targets[name], name, value, host) for name, value in values.items()]
        )
    if not in_user_namespace:
        return outcomes
    return [_perhaps_hidden(outcome, name) for outcome, name in zip(outcomes, values, strict=True)]


def may_be_absent(name: SysctlName) -> bool:
    """Does the catalogue say that new network namespaces lack this parameter?

    What it calls the namespace's own is not absent but hidden where a user namespace does not show it. Source: the
    checks for `user_ns != &init_user_ns` where a namespace registers its files, as in net/xfrm/xfrm_sysctl.c.
    """
    row = catalogue.find(name)
    is_default_neighbour = name.segments[2:4] == ("neigh", "default")
    return row is not None and (is_default_neighbour or row.namespace not in (Namespace.NET, Namespace.IPC))


def _perhaps_hidden(outcome: Outcome, name: SysctlName) -> Outcome:
    """What says something about this user's namespaces alone is not known of a pod's."""
    row = catalogue.find(name)
    if outcome.answer is Answer.ABSENT and not may_be_absent(name):
        text = "the kernel hides it from this user's namespaces, and shows it to root: run as root to try it"
    elif outcome.answer is Answer.REFUSED and row is not None and row.unit == "group id":
        text = "a user namespace of this user has one group alone, a pod has all of them: run as root to try it"
    else:
        return outcome
    return replace(outcome, answer=Answer.UNKNOWN, errno=errno.EPERM, message=text)


def range_here(name: SysctlName) -> list[tuple[int, int]]:
    """`find_range` for a process that may make namespaces."""
    target = _on_loopback(name)
    with pin((target,)) as host:
        return namespaces.run_in_fresh(THREAD_KINDS, lambda: _find_range(target, host))


def is_own(name: SysctlName, host: Mapping[SysctlName, int | None]) -> bool:
    """Does the calling thread's namespace have its own instance of this parameter?

    `host` holds the inodes of the host's files, which must be held open meanwhile, so that none is given out
    twice.
    """
    if name.segments in UTS_NAMES:
        return True
    row = catalogue.find(name)
    if row is None or row.namespace not in (Namespace.NET, Namespace.IPC):
        return False
    return procsys.exists(name) and not is_same_file(name, host)


def is_same_file(name: SysctlName, host: Mapping[SysctlName, int | None]) -> bool:
    """Is what the calling thread's namespace shows the file of the host? Never for the names in `UTS_NAMES`.

    `host` is what `pin` gave, and still held.
    """
    if name.segments in UTS_NAMES:
        return False
    try:
        return os.lstat(name.proc_path).st_ino == host[name]
    except OSError:
        return False


@contextmanager
def pin(names: Iterable[SysctlName]) -> Iterator[dict[SysctlName, int | None]]:
    """Hold the host's files open and give their inodes; None for a name the host does not have.

    Raises KernelError past the limit of open files.
    """
    root = files.open_root()
    handles: list[int] = []
    inodes: dict[SysctlName, int | None] = {}
    try:
        for name in dict.fromkeys(names):
            try:
                handles.append(files.open_below(root, name, os.O_PATH))
                inodes[name] = os.fstat(handles[-1]).st_ino
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    raise KernelError("too many files are open to compare with the host", errno=error.errno) from error
                inodes[name] = None
        yield inodes
    finally:
        for handle in handles:
            os.close(handle)
        os.close(root)


def _on_loopback(name: SysctlName) -> SysctlName:
    return name if name.interface is None else name.with_interface("lo")


def _try(target: SysctlName, name: SysctlName, value: str, host: Mapping[SysctlName, int | None]) -> Outcome:
    if not procsys.exists(target):
        if host[target] is None:
            text = "neither this node nor a new namespace has this parameter"
            return Outcome(name.dotted, value, Answer.UNKNOWN, "", errno.ENOENT, text)
        text = "the node has this parameter, a pod's namespace does not: the sandbox would fail with ENOENT"
        return Outcome(name.dotted, value, Answer.ABSENT, "", errno.ENOENT, text)
    row = catalogue.find(name)
    if row is None:
        text = "the catalogue does not know this parameter, so it is not tried: it could be the whole machine's"
        return Outcome(name.dotted, value, Answer.UNKNOWN, _shown(target), errno.EPERM, text)
    status = os.lstat(target.proc_path)
    if status.st_ino != host[target] and not status.st_mode & 0o222:
        text = "a pod's namespace shows this parameter but lets nobody write it"
        return Outcome(name.dotted, value, Answer.READ_ONLY, _shown(target), errno.EACCES, text)
    if not is_own(target, host):
        text = _WHY_NOT_OWN.get(row.namespace, "one value for the whole node: not tried, and no pod can have its own")
        return Outcome(name.dotted, value, Answer.NODE_LEVEL, "", errno.EPERM, text)
    try:
        written = procsys.write(target, value, spec=catalogue.spec_of(name))
    except KernelError as error:
        return Outcome(name.dotted, value, Answer.REFUSED, _shown(target), error.errno, explain(error.errno))
    shown = written.after or ""
    if not written.matched:
        text = f"the kernel took it as {' '.join(shown.split())!r}"
        return Outcome(name.dotted, value, Answer.ADJUSTED, shown, 0, text)
    return Outcome(name.dotted, value, Answer.ACCEPTED, shown, 0, "the kernel takes it")


def explain(number: int) -> str:
    """What an errno means when the kernel refuses a sysctl value."""
    code = errno.errorcode.get(number, str(number))
    return f"{_MEANINGS.get(number, os.strerror(number))} ({code})"


_MEANINGS = {
    errno.EINVAL: "out of range, malformed, too many numbers, or at odds with another parameter",
    errno.ERANGE: "larger than the kernel's type can hold",
    errno.EACCES: "read-only here",
    errno.EPERM: "needs a capability that a pod's namespace does not give",
    errno.ENOENT: "names something that this kernel does not have, such as a module that is not loaded",
    errno.EBUSY: "in use and cannot be changed now",
    errno.ENOMEM: "asks for more memory than there is",
    errno.EOPNOTSUPP: "not supported by this kernel's configuration",
}


def _shown(name: SysctlName) -> str:
    try:
        return procsys.read(name)
    except KernelError:
        return ""


def _find_range(name: SysctlName, host: Mapping[SysctlName, int | None]) -> list[tuple[int, int]]:
    if not procsys.exists(name) or not is_own(name, host):
        raise KernelError(f"{name.dotted}: a new namespace has no instance of its own to try", errno=errno.ENOENT)
    words = procsys.read(name).split()
    try:
        start = [parse_number(word) for word in words]
    except ValueSyntaxError as error:
        raise KernelError(f"{name.dotted}: holds {words!r}, which are no numbers", errno=errno.EINVAL) from error
    row = catalogue.find(name)
    rounding = _ROUNDING.get(row.unit, 0) if row is not None else 0
    out = []
    for index, value in enumerate(start):

        def takes(number: int, index: int = index) -> bool:
            numbers = [number if at == index else other for at, other in enumerate(start)]
            try:
                after = procsys.write(name, " ".join(map(str, numbers))).after or ""
                shown = parse_number(after.split()[index])
            except (KernelError, ValueSyntaxError, IndexError):
                return False
            return abs(shown - number) <= (max(rounding, abs(number) >> 7) if rounding else 0)

        original = " ".join(map(str, start))
        out.append((-_edge(lambda n: takes(-n), -value), _edge(takes, value)))
        procsys.write(name, original)
    return out


def _edge(takes: Callable[[int], bool], start: int) -> int:
    """The largest number taken, going up from one that is."""
    good = start
    step = 1
    while good + step <= ULONG_MAX and takes(good + step):
        good, step = good + step, step * 2
    bad = good + step
    while bad - good > 1:
        middle = (good + bad) // 2
        if takes(middle):
            good = middle
        else:
            bad = middle
    return good
