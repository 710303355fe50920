"""Measures, on the running kernel, which parameters are namespaced. The truth that gates and reports rest
on.

Fresh net, ipc, uts and user namespaces are made in a throw-away thread and child, and /proc/sys is surveyed
there and at home: a file that is missing, that lost its write bits, or that is another file (another inode,
while the host's is known to have stayed) tells the answer without any write. `leak.py` adds writes, in fresh
namespaces only. Without privileges everything happens inside a user namespace of one's own. The kernel hides
some parameters there that a pod has, so a missing file is called absent only where the catalogue says the same, and
else hidden, which means that it is not known.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from podsysctl.base.errors import KernelError
from podsysctl.kernel import child, leak, namespaces, procsys
from podsysctl.kernel.dry_run import UTS_NAMES, may_be_absent
from podsysctl.kernel.namespaces import THREAD_KINDS
from podsysctl.kernel.procsys import Entry
from podsysctl.sysctls import catalogue, prefix_rule
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts
from podsysctl.sysctls.name import SysctlName, parse_name

_Survey = Mapping[SysctlName, Entry]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One parameter of which somebody says something else than this kernel does.

    `by` is "prefix rule" or "catalogue"; `says` and `measured` are what each claims.
    """

    name: str
    by: str
    says: str
    measured: str


def measure(*, write: bool = False) -> KernelFacts:
    """Survey this kernel. About a tenth of a second; with `write` the leak test runs too.

    Instances of interfaces and processors are folded into one entry, as in the catalogue. Nothing on the
    host is written. Raises KernelError when this user may make no namespaces at all.
    """
    privileged = namespaces.can_create()
    with child.start() as process:
        before = _by_name(procsys.list_entries())
        fresh: _Survey = {}
        if privileged:
            fresh = _by_name(namespaces.run_in_fresh(THREAD_KINDS, procsys.list_entries))
        in_child, own_user = _survey_in_child(privileged, process)
    in_user = _by_name(_entries(in_child["user"]))
    in_pid = _by_name(_entries(in_child["pid"]))
    home = _by_name(procsys.list_entries())
    steady = {name for name, entry in home.items() if name in before and before[name].inode == entry.inode}
    uts = _measure_uts() if privileged else UTS_NAMES
    pod = fresh if privileged else in_user
    facts = _fold(
        (name, _fact(name, home.get(name), pod.get(name), in_user.get(name), in_pod=in_pid.get(name),
                     steady=name in steady, uts=name.segments in uts))
        for name in sorted({*home, *pod})
    )  # fmt: skip
    facts = {name: _known_to_leak(fact) for name, fact in facts.items()}
    if not privileged:
        facts = {name: _perhaps_hidden(fact) for name, fact in facts.items()}
    if not own_user:
        facts = {name: _by_definition(fact) for name, fact in facts.items()}
    if not privileged or not own_user:
        facts = {name: replace(fact, hidden_from_user_namespace=None) for name, fact in facts.items()}
    result = KernelFacts(os.uname().release, facts, privileged)
    return leak.test(result) if write else result


def _survey_in_child(
    privileged: bool, process: subprocess.Popen[bytes]
) -> tuple[dict[str, list[tuple[str, int, int]]], bool]:
    """The survey in a new user namespace; where root may make none (in a chroot, for one), without it."""
    try:
        return child.ask({"op": "survey", "own_user": True}, process), True
    except KernelError:
        if not privileged:
            raise
        return child.ask({"op": "survey", "own_user": False}), False


def _by_definition(fact: Fact) -> Fact:
    """`user.*` counts per user namespace on every kernel that has it (4.9); here it could not be measured."""
    if fact.name.startswith("user."):
        return replace(fact, namespace=Namespace.USER)
    return fact


def disagreements(facts: KernelFacts) -> list[Disagreement]:
    """Every name where the prefix rule or the catalogue says something else than was measured, sorted by
    name.

    A name that is hidden from the user who measured tells nothing.
    """
    out = []
    for name, fact in facts.facts.items():
        if fact.in_pod is InPod.HIDDEN:
            continue
        measured = _describe(fact)
        rule = prefix_rule.namespace_of(parse_name(name))
        if (rule or Namespace.NODE) is not fact.namespace:
            says = "node" if rule is None else f"namespaced ({rule})"
            out.append(Disagreement(name, "prefix rule", says, measured))
        row = catalogue.find(name)
        if name != parse_name(name).template.dotted:
            continue  # an instance that differs from its kind; the catalogue speaks of the kind
        if row is None:
            out.append(Disagreement(name, "catalogue", "nothing", measured))
            continue
        if row.namespace is not fact.namespace:
            out.append(Disagreement(name, "catalogue", f"namespace {row.namespace}", measured))
        if row.access is not fact.access:
            out.append(Disagreement(name, "catalogue", f"access {row.access}", f"access {fact.access}"))
        if row.visible and row.visible != fact.in_pod:
            out.append(Disagreement(name, "catalogue", f"{row.visible} in a pod", measured))
    return sorted(out, key=lambda item: (item.by, item.name))


def _describe(fact: Fact) -> str:
    if fact.namespace is Namespace.NODE:
        return f"node ({fact.in_pod} in a pod)" if fact.in_pod is not InPod.NODE else "node"
    return f"namespaced ({fact.namespace})"


def _fact(
    name: SysctlName,
    home: Entry | None,
    pod: Entry | None,
    user: Entry | None,
    *,
    in_pod: Entry | None,
    steady: bool,
    uts: bool,
) -> Fact:
    access = _access(home or pod)
    hidden = pod is not None and user is None
    own = pod is not None and (home is None or (steady and pod.inode != home.inode))
    if uts:
        return Fact(name.dotted, Namespace.UTS, InPod.OWN, access, hidden)
    if own and pod is not None and name.segments[0] != "user":
        kind = Namespace.NET if name.segments[0] == "net" else Namespace.IPC
        if pod.writable or not home or not home.writable:
            return Fact(name.dotted, kind, InPod.OWN if pod.writable else InPod.OWN_READ_ONLY, access, hidden)
        return Fact(name.dotted, Namespace.NODE, InPod.READ_ONLY, access, hidden)
    if pod is None:
        return Fact(name.dotted, Namespace.NODE, InPod.ABSENT, access, hidden)
    if user is not None and home is not None and steady and user.inode != home.inode:
        return Fact(name.dotted, Namespace.USER, InPod.NODE, access, hidden)
    if in_pod is not None and user is not None and in_pod.inode != user.inode and steady:
        return Fact(name.dotted, Namespace.PID, InPod.OWN if in_pod.writable else InPod.OWN_READ_ONLY, access, hidden)
    return Fact(name.dotted, Namespace.NODE, InPod.NODE, access, hidden)


def _known_to_leak(fact: Fact) -> Fact:
    """What the catalogue knows of files that look like the namespace's own and are the machine's."""
    row = catalogue.find(fact.name)
    if row is None or row.visible != InPod.NODE:
        return fact
    return replace(fact, namespace=Namespace.NODE, in_pod=InPod.NODE, isolated=False)


def _perhaps_hidden(fact: Fact) -> Fact:
    """What a user namespace does not show may be there for a pod, which is made by root."""
    if fact.in_pod is not InPod.ABSENT or may_be_absent(parse_name(fact.name)):
        return fact
    row = catalogue.find(fact.name)
    return replace(fact, in_pod=InPod.HIDDEN, namespace=fact.namespace if row is None else row.namespace)


def _access(entry: Entry | None) -> Access:
    if entry is None or (entry.readable and entry.writable):
        return Access.READ_WRITE
    return Access.READ_ONLY if entry.readable else Access.WRITE_ONLY


def _fold(facts: Iterable[tuple[SysctlName, Fact]]) -> dict[str, Fact]:
    """One entry per catalogue name. `lo` speaks for all interfaces, since a fresh network namespace always
    has it.

    `all` and `default` keep an entry of their own where they differ from that: below `neigh`, a fresh
    namespace has no `default`.
    """
    out: dict[str, Fact] = {}
    rank: dict[str, int] = {}
    special: dict[str, Fact] = {}
    for name, fact in facts:
        template = name.template.dotted
        instance = name.segments[3] if name.is_interface_specific else ""
        weight = {"lo": 3, "default": 2, "all": 1, "": 3}.get(instance, 0)
        if instance in ("default", "all"):
            special[fact.name] = fact
        if template not in out or weight > rank[template]:
            out[template] = replace(fact, name=template)
            rank[template] = weight
    for exact, fact in special.items():
        usual = out[parse_name(exact).template.dotted]
        if replace(usual, name=exact) != fact:
            out[exact] = fact
    return dict(sorted(out.items()))


def _measure_uts() -> frozenset[tuple[str, ...]]:
    """Which of the two names of a machine differ between uts namespaces: changed in a new one, compared at
    home."""
    names = {name: SysctlName(name) for name in UTS_NAMES}
    at_home = {name: procsys.read(parsed) for name, parsed in names.items()}

    def change() -> dict[tuple[str, ...], str]:
        libc = ctypes.CDLL(None, use_errno=True)
        text = b"podsysctl-probe"
        if libc.sethostname(text, len(text)) or libc.setdomainname(text, len(text)):
            raise KernelError("cannot name a new uts namespace", errno=ctypes.get_errno())
        return {name: procsys.read(parsed) for name, parsed in names.items()}

    inside = namespaces.run_in_fresh(("uts",), change)
    return frozenset(name for name in names if inside[name] != at_home[name] == procsys.read(names[name]))


def _by_name(entries: Iterable[Entry]) -> _Survey:
    return {entry.name: entry for entry in entries}


def _entries(raw: Iterable[tuple[str, int, int]]) -> list[Entry]:
    return [Entry(SysctlName(tuple(path.split("/"))), mode, inode) for path, mode, inode in raw]
