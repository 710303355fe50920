"""Where a sysctl command looks: this host, a process's namespaces, a network namespace, or a pod.

`--pod` asks the API for the pod's UID and finds a process of it on this machine; the other flags need no
API.
"""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from podsysctl.base.errors import UsageError

if TYPE_CHECKING:
    from podsysctl.kernel.namespaces import Namespaces
    from podsysctl.kernel.procsys import Reading
    from podsysctl.sysctls.name import SysctlName

    Readings = list[tuple[SysctlName, Reading]]

T = TypeVar("T")

_LEAVE_OUT = "leave out --pod, --pid and --netns to change it for this host"
_SHARED_HINTS = {
    "net": f"with hostNetwork: true a pod has no network parameters of its own; {_LEAVE_OUT}",
    "ipc": f"with hostIPC: true a pod has no IPC parameters of its own; {_LEAVE_OUT}",
    "uts": f"with hostNetwork: true a pod has no host name of its own; {_LEAVE_OUT}",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--pod, --pid and --netns."""
    group = parser.add_argument_group("where to look (this host, if none is given)")
    group.add_argument("--pod", metavar="NAMESPACE/NAME", default="", help="in the namespaces of a pod of this node")
    group.add_argument("--pid", metavar="PID", type=_pid, default=0, help="in the namespaces of a process")
    group.add_argument("--netns", metavar="NAME|PATH", default="", help="in a network namespace")


def describe(args: argparse.Namespace) -> str:
    """Words for messages: "this host", "pod ns/name", ..."""
    if args.pod:
        return f"pod {args.pod}"
    if args.pid:
        return f"process {args.pid}"
    return f"network namespace {args.netns}" if args.netns else "this host"


def is_host(args: argparse.Namespace) -> bool:
    """Is none of the flags given?"""
    return not (args.pod or args.pid or args.netns)


def run(args: argparse.Namespace, function: Callable[[], T]) -> T:
    """Call the function in the place that the flags name. Raises UsageError, KernelError, StatusError."""
    if is_host(args):
        return function()
    from podsysctl.kernel import namespaces

    return namespaces.run_in(_namespaces(args), function)


def _namespaces(args: argparse.Namespace) -> Namespaces:
    from podsysctl.kernel.namespaces import Namespaces

    if sum(map(bool, (args.pod, args.pid, args.netns))) > 1:
        raise UsageError("--pod, --pid and --netns exclude each other")
    return Namespaces.of_netns(args.netns) if args.netns else Namespaces.of_pid(_find_pid(args))


def with_own_users(args: argparse.Namespace, readings: Readings) -> Readings:
    """The same readings, those below `user.` from the place's own user namespace, which `run` cannot enter."""
    names = [name for name, _ in readings if name.segments[0] == "user"]
    if not names or args.netns or is_host(args):
        return readings
    from podsysctl.kernel import procsys
    from podsysctl.kernel.namespaces import Namespaces

    own = procsys.read_many(names, Namespaces.of_pid(_find_pid(args), ("user",)))
    return [(name, own.get(name, value)) for name, value in readings]


def shared_with_host(args: argparse.Namespace) -> frozenset[str]:
    """Which of net, ipc and uts the place does not have for itself: what it shows of them is this host's.

    The host is where this program runs, and where the first process does. Raises as `run` does, and KernelError for a
    place whose namespaces this user may not look at.
    """
    from podsysctl.base.errors import KernelError
    from podsysctl.kernel.namespaces import THREAD_KINDS, Namespaces

    if is_host(args):
        return frozenset(THREAD_KINDS)
    place = _namespaces(args).identity()
    hosts = []
    for process in ("self", "1"):
        with contextlib.suppress(KernelError):  # of the first process an ordinary user sees nothing
            hosts.append(Namespaces(tuple((kind, f"/proc/{process}/ns/{kind}") for kind in THREAD_KINDS)).identity())
    return frozenset(
        kind for kind in THREAD_KINDS if kind not in place or any(host[kind] == place[kind] for host in hosts)
    )


def check_own(args: argparse.Namespace, names: Iterable[SysctlName], *, force: bool = False) -> None:
    """Refuse to write in a pod's or process's namespaces what is not theirs, since that would change this host.

    That is every parameter of the node, and with hostNetwork, hostIPC or a namespace that a process shares with the
    host those of that namespace too. A parameter that the catalogue does not know is refused as well, unless `force`.
    Raises UsageError, KernelError, StatusError.
    """
    if is_host(args):
        return
    from podsysctl.sysctls import catalogue, prefix_rule
    from podsysctl.sysctls.catalogue import Namespace

    entered = {Namespace.NET} if args.netns else {Namespace.NET, Namespace.IPC, Namespace.UTS}
    shared = shared_with_host(args)
    names = list(names)
    for name in names:
        row = catalogue.find(name)
        kind = prefix_rule.namespace_of(name) if row is None else row.namespace
        if kind in entered and kind in shared:
            raise UsageError(
                f"{name}: {describe(args)} shares this host's {kind} namespace: a write there would change this host",
                hint=_SHARED_HINTS[kind],
            )
        if row is None and not force:
            raise UsageError(
                f"{name}: the catalogue does not know it, so it may be this host's: not written in {describe(args)}",
                hint="`podsysctl sysctl set --force` writes it nevertheless",
            )
        if row is not None and row.namespace not in entered:
            owner = "the node" if row.namespace is Namespace.NODE else f"the {row.namespace} namespace"
            raise UsageError(
                f"{name}: belongs to {owner}: written in {describe(args)} it would change this host",
                hint=_LEAVE_OUT,
            )
    _check_files(args, names)


def _check_files(args: argparse.Namespace, names: list[SysctlName]) -> None:
    """Raise UsageError where the place shows the host's own file, whatever the catalogue says of newer kernels."""
    from podsysctl.kernel import dry_run

    with dry_run.pin(names) as host:

        def same() -> SysctlName | None:
            return next((name for name in names if dry_run.is_same_file(name, host)), None)

        found = run(args, same)
    if found is not None:
        raise UsageError(
            f"{found}: this kernel shows {describe(args)} the file of this host: a write there would change this host",
            hint=_LEAVE_OUT,
        )


def fetch_pod(args: argparse.Namespace) -> dict[str, object]:
    """The pod that --pod names, from the API. Raises UsageError, StatusError, ConnectionFailedError."""
    from podsysctl.cli import connect
    from podsysctl.objects import kinds

    namespace, slash, name = args.pod.rpartition("/")
    found: list[dict[str, object]] = []

    async def body(connection: connect.Connection, _: argparse.Namespace) -> int:
        kind = kinds.builtin_by_resource("", "v1", "pods")
        if kind is None:
            raise UsageError("the API has no pods")
        found.append(await connection.client.get(kind, name, namespace if slash else connection.namespace))
        return 0

    connect.run(args, body)
    return found[0]


def _find_pid(args: argparse.Namespace) -> int:
    """The process that --pid or --pod means; the API is asked once."""
    pid: int = args.pid or getattr(args, "pid_of_pod", 0) or _pid_of_pod(args)
    if not args.pid:
        args.pid_of_pod = pid
    return pid


def _pid_of_pod(args: argparse.Namespace) -> int:
    from podsysctl.kernel import pods

    metadata = fetch_pod(args).get("metadata")
    uid = metadata.get("uid") if isinstance(metadata, dict) else None
    if not uid:
        raise UsageError(f"pod {args.pod} has no UID")
    return pods.find_pid(str(uid))


def _pid(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a process id")
    return int(text)
