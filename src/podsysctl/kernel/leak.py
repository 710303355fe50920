"""The leak test: does a write in one namespace show in another, or on the host?

Only parameters that the catalogue knows as the namespace's own are tested: an unknown one could be a switch
for the whole machine that cannot be taken back, as net.netfilter.nf_hooks_lwtunnel is. Two fresh sets of
net, ipc and uts namespaces are made on one throw-away thread. In the first, each writable parameter of its
own gets a neighbouring value (one more or one less) and the second set and the host are read at once. Should
a value show there, the old one is written back before anything else, and the parameter is reported as not
isolated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from podsysctl.base.errors import KernelError, ValueSyntaxError
from podsysctl.kernel import namespaces, procsys
from podsysctl.kernel.dry_run import is_own, pin
from podsysctl.kernel.namespaces import CLONE_FLAGS, THREAD_KINDS
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import InPod, KernelFacts
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.value import parse_number

_FILES_AT_ONCE = 256
"""How many of the host's files are held open at a time, well below the usual limit of 1024."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A set of namespaces that the thread can go to, by open files."""

    files: Mapping[str, int]

    def enter(self) -> None:
        for kind, fd in self.files.items():
            namespaces.setns(fd, kind)


def test(facts: KernelFacts) -> KernelFacts:
    """The same facts with `isolated` filled in for every parameter that could be changed by one.

    Parameters that hold words instead of numbers are written with the value they have and stay None. Needs
    the right to make namespaces; without it the facts come back as they were.
    """
    if not facts.privileged:
        return facts
    names = [
        _instance(name)
        for name, fact in facts.facts.items()
        if fact.in_pod is InPod.OWN
        and fact.access is Access.READ_WRITE
        and fact.namespace in (Namespace.NET, Namespace.IPC)
        and (row := catalogue.find(name)) is not None
        and row.namespace is fact.namespace
    ]
    verdicts: dict[str, bool] = {}
    for start in range(0, len(names), _FILES_AT_ONCE):
        verdicts.update(_test_some(names[start : start + _FILES_AT_ONCE]))
    return replace(
        facts,
        facts={name: replace(fact, isolated=verdicts.get(name, fact.isolated)) for name, fact in facts.facts.items()},
    )


def _test_some(names: list[SysctlName]) -> dict[str, bool]:
    with pin(names) as host:

        def visit() -> dict[str, bool]:
            home = _here()
            namespaces.unshare(_FLAGS)
            other = _here()
            namespaces.unshare(_FLAGS)
            first = _here()
            try:
                return {
                    name.template.dotted: verdict
                    for name in names
                    if (verdict := _test_one(name, host, home, other, first)) is not None
                }
            finally:
                for place in (home, other, first):
                    for fd in place.files.values():
                        os.close(fd)

        # An empty set of kinds: the thread makes its own namespaces above.
        return namespaces.run_in_fresh((), visit)


def _test_one(
    name: SysctlName, host: Mapping[SysctlName, int | None], home: _Place, other: _Place, first: _Place
) -> bool | None:
    """True isolated, False leaked, None when the value could not be changed. Begins and ends in `first`."""
    if not procsys.exists(name) or not is_own(name, host):
        return None
    watched = (home, other)
    before = [_read_at(place, name) for place in watched]
    first.enter()
    original = _or_none(lambda: procsys.read(name))
    if original is None or not _change(name, original):
        return None  # stable_secret, for one, cannot be read before it is first set
    after = [_read_at(place, name) for place in watched]
    first.enter()
    procsys.write(name, original)
    return before == after


def _change(name: SysctlName, original: str) -> bool:
    """Write a neighbouring value; False when nothing near is taken, with the original in place."""
    words = original.split()
    for index in reversed(range(len(words))):
        for step in (1, -1):
            try:
                changed = [*words[:index], str(parse_number(words[index]) + step), *words[index + 1 :]]
                if procsys.write(name, " ".join(changed)).after != original:
                    return True
            except (KernelError, ValueSyntaxError):
                continue
    return False


def _read_at(place: _Place, name: SysctlName) -> str | None:
    place.enter()
    return _or_none(lambda: procsys.read(name))


def _or_none(function: Callable[[], str]) -> str | None:
    try:
        return function()
    except KernelError:
        return None


def _instance(template: str) -> SysctlName:
    name = parse_name(template)
    return name if name.interface is None else name.with_interface("lo")


def _here() -> _Place:
    flags = os.O_RDONLY | os.O_CLOEXEC
    return _Place({kind: os.open(f"/proc/thread-self/ns/{kind}", flags) for kind in THREAD_KINDS})


_FLAGS = CLONE_FLAGS["net"] | CLONE_FLAGS["ipc"] | CLONE_FLAGS["uts"]
