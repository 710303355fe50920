"""Whether a node's kernel takes a value in a pod's namespaces, and what the pod then sees.

Step in the path: the last one, inside the new namespaces. Names are judged by what was measured on that kernel
(`sysctls.kernel_facts`), values by the shape the catalogue gives. Where neither knows, the verdict says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from podsysctl.base.errors import NameSyntaxError, ValueSyntaxError
from podsysctl.policy.runtime import Runtime, SandboxNamespaces
from podsysctl.policy.verdict import Gate, Outcome, Verdict
from podsysctl.sysctls import catalogue
from podsysctl.sysctls.catalogue import Namespace, Parameter
from podsysctl.sysctls.kernel_facts import Fact, InPod, KernelFacts
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.value import ValueKind, parse_value

_REMEMBERED_CHARACTERS = 256
"""Longer values are judged anew each time, which bounds the memory."""

_INTERFACES_OF_A_NEW_NETNS = frozenset({"all", "default", "lo"})


_PING_GROUPS = "net.ipv4.ping_group_range"
_MAPPED = " (are all the IDs mapped in the user namespace?)"


@dataclass(frozen=True, slots=True)
class KernelAnswer:
    """The verdict, and what a read in the pod would give: empty when the pod does not run or nothing is known."""

    verdict: Verdict
    effective: str = ""


def evaluate(
    name: str, value: str, facts: KernelFacts | None, own: SandboxNamespaces, runtime: Runtime
) -> KernelAnswer:
    """What the kernel makes of one sysctl, given in dot form."""
    try:
        parsed, row = _known(name)
    except NameSyntaxError as error:
        return KernelAnswer(_refused(name, error.message, "name"))
    missing = _interface_problem(parsed, runtime)
    if missing:
        return KernelAnswer(_refused(name, missing, "interface does not exist yet"))
    if facts is not None and not own.user and (fact := facts.find(parsed)) and fact.in_pod is InPod.HIDDEN:
        facts = None  # measured without privileges, which tells nothing of this name in a pod that root makes
    known = _by_facts(parsed, facts, own, runtime) if facts is not None else _by_catalogue(parsed, row, runtime)
    if known is not None:
        return KernelAnswer(known)
    if not value:
        return KernelAnswer(_without_value(name, runtime))
    judge = _judge_value if len(value) <= _REMEMBERED_CHARACTERS else _judge_value.__wrapped__
    return judge(name, value, runtime, facts is not None, own.user)


def _without_value(name: str, runtime: Runtime) -> Verdict:
    """The API takes an empty value. A write of nothing succeeds and changes nothing; CRI-O's helper refuses to try."""
    if runtime is Runtime.CRIO:
        return _refused(name, "sysctl must be in the form of 'key=value'; value is empty", "pinns")
    return Verdict(Gate.KERNEL, Outcome.WARNED, name, "an empty value writes nothing", "write of no bytes")


@lru_cache(maxsize=4096)
def _known(name: str) -> tuple[SysctlName, Parameter | None]:
    """A name's parts and its row in the catalogue. Raises NameSyntaxError."""
    parsed = parse_name(name)
    return parsed, catalogue.find(parsed)


@lru_cache(maxsize=4096)
def _judge_value(name: str, value: str, runtime: Runtime, measured: bool, own_user: bool) -> KernelAnswer:
    """What the catalogue says of a value; remembered, since many pods set the same."""
    row = _known(name)[1]
    if row is None:
        outcome = Outcome.ALLOWED if measured else Outcome.UNKNOWN
        reason = "the shape of its value is not in the catalogue"
        return KernelAnswer(Verdict(Gate.KERNEL, outcome, name, reason, "catalogue"), value.strip())
    try:
        understood = parse_value(row.spec, value, name=name, partial=True)
    except ValueSyntaxError as error:
        text = f"{_write_error(name, value, runtime, own_user)} ({error.message})"
        return KernelAnswer(_refused(name, text, _shape(row)))
    rule = f"namespaced ({row.namespace})" if measured else f"namespaced ({row.namespace}) by the catalogue"
    return KernelAnswer(Verdict(Gate.KERNEL, Outcome.ALLOWED, name, rule=rule), understood.text)


def _by_facts(name: SysctlName, facts: KernelFacts, own: SandboxNamespaces, runtime: Runtime) -> Verdict | None:
    """The refusal by what was measured; None when the value decides."""
    fact = facts.find(name)
    if fact is None:
        reason = (
            f"{_open_error(name, runtime)}; Linux {facts.release} has no such parameter or its module is not loaded"
        )
        return _refused(name.dotted, reason, f"measured on Linux {facts.release}")
    hidden = fact.hidden_from_user_namespace or fact.in_pod is InPod.HIDDEN
    if fact.in_pod is InPod.ABSENT or (own.user and hidden):
        return _refused(
            name.dotted, f"{_open_error(name, runtime)}; {_absence(fact, facts)}", f"measured on Linux {facts.release}"
        )
    if fact.in_pod in (InPod.READ_ONLY, InPod.OWN_READ_ONLY):
        reason = f"{_denied_error(name, runtime)}; Linux {facts.release} shows it read-only in a pod"
        return _refused(name.dotted, reason, f"measured on Linux {facts.release}")
    if fact.in_pod is InPod.NODE and not (fact.namespace is Namespace.USER and own.user):
        reason = f"Linux {facts.release} has one value for the whole node"
        return _refused(name.dotted, reason, f"measured on Linux {facts.release}")
    return None


def _absence(fact: Fact, facts: KernelFacts) -> str:
    if fact.in_pod is InPod.ABSENT:
        return f"Linux {facts.release} has one value for the whole node and hides it in pods"
    return f"Linux {facts.release} hides it in a pod with a user namespace of its own"


def _by_catalogue(name: SysctlName, row: Parameter | None, runtime: Runtime) -> Verdict | None:
    """The refusal by the catalogue alone, for a node that published no facts; None when the value decides."""
    if row is None:
        return None
    if row.namespace is Namespace.NODE:
        how = f"; {_open_error(name, runtime)}" if row.visible == "absent" else ""
        return _refused(name.dotted, f"one value for the whole node{how}", row.source)
    return None


def _interface_problem(name: SysctlName, runtime: Runtime) -> str:
    """Settings of the pod's own interfaces: CRI-O writes before they exist."""
    if not name.is_interface_specific or name.segments[3] in _INTERFACES_OF_A_NEW_NETNS:
        return ""
    if runtime is not Runtime.CRIO and name.segments[3] == "eth0":
        return ""
    return f"{_open_error(name, runtime)}; interface {name.segments[3]} does not exist when the sandbox is made"


def _refused(name: str, reason: str, rule: str) -> Verdict:
    return Verdict(Gate.KERNEL, Outcome.REFUSED, name, reason, rule)


def _open_error(name: SysctlName, runtime: Runtime) -> str:
    path = f"/proc/sys/{name.runtime_path}"
    if runtime is Runtime.RUNC:
        return f"open sysctl {name.dotted} file: open {path}: no such file or directory"
    if runtime is Runtime.CRUN:
        return f"open `{path}`: No such file or directory"
    return f"failed to open {path}: No such file or directory"


def _denied_error(name: SysctlName, runtime: Runtime) -> str:
    path = f"/proc/sys/{name.runtime_path}"
    if runtime is Runtime.RUNC:
        return f"open sysctl {name.dotted} file: open {path}: permission denied"
    if runtime is Runtime.CRUN:
        return f"open `{path}`: Permission denied"
    return f"failed to open {path}: Permission denied"


def _write_error(name: str, value: str, runtime: Runtime, own_user: bool) -> str:
    path = "/proc/sys/" + name.replace(".", "/")
    if runtime is Runtime.RUNC:
        return f'failed to write sysctl {name} = "{value}": write {path}: invalid argument'
    if runtime is Runtime.CRUN:
        return f"write to `{path}`{_MAPPED if own_user and name == _PING_GROUPS else ''}: Invalid argument"
    return f"failed to write to {path}: Invalid argument"


def _shape(row: Parameter) -> str:
    """What the parameter takes, in words."""
    spec = row.spec
    if spec.kind is ValueKind.ENUM:
        return f"one of {', '.join(spec.choices)}"
    bounds = f" from {spec.minimum} to {spec.maximum}" if spec.minimum is not None and spec.maximum is not None else ""
    return f"{spec.kind}{f' of {spec.arity} numbers' if spec.arity > 1 else ''}{bounds}"
