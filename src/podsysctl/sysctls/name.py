"""How a parameter's name is understood, and how each consumer wants it spelled.

A name has two spellings. In the dotted one the parts are separated by dots and a dot inside a part (the
interface `eth0.100`) is written as a slash; in the slashed one it is the other way round. Which of the two a
text uses is told by its first separator, the rule of Kubernetes (component-helpers/node/util/sysctl), of
sysctl.d(5) and of sysctl(8). The first step of every path: whatever becomes a `SysctlName` cannot leave
/proc/sys. Values are `value.py`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from podsysctl.base.errors import NameSyntaxError
from podsysctl.sysctls import spelling
from podsysctl.sysctls.spelling import INTERFACE_DIRECTORIES, PROC_SYS
from podsysctl.sysctls.spelling import INTERFACE_TOKEN as INTERFACE_TOKEN
from podsysctl.sysctls.spelling import first_separator as first_separator

_TABLE_WIDE: Final = frozenset({"gc_interval", "gc_thresh1", "gc_thresh2", "gc_thresh3"})
"""Settings of the whole neighbour table, which exist below `neigh/default` alone."""


@dataclass(frozen=True, slots=True, order=True)
class SysctlName:
    """One parameter, as the parts of its path below /proc/sys.

    Build it with `parse_name`; the constructor checks nothing.
    """

    segments: tuple[str, ...]

    def __str__(self) -> str:
        return self.dotted

    @property
    def dotted(self) -> str:
        """The canonical spelling, `net.ipv4.conf.eth0/100.rp_filter`."""
        return spelling.dotted(self.segments)

    @property
    def slashed(self) -> str:
        """The other spelling, `net/ipv4/conf/eth0.100/rp_filter`."""
        return "/".join(self.segments)

    @property
    def path(self) -> str:
        """The file below /proc/sys, relative; what the kernel calls it."""
        return "/".join(self.segments)

    @property
    def proc_path(self) -> str:
        """The absolute file name."""
        return PROC_SYS + self.path

    @property
    def kubelet(self) -> str:
        """As the kubelet normalises it before the allowlist and before the runtime."""
        return self.dotted

    @property
    def runtime(self) -> str:
        """The key of `linux.sysctl` in an OCI bundle."""
        return self.dotted

    @property
    def runtime_path(self) -> str:
        """The file runc, crun, pinns and the tuning plugin would really open: every dot becomes a slash.

        It differs from `path` exactly when a part holds a dot; such a name fails there with ENOENT.
        Source: runc libcontainer/standard_init_linux.go, CRI-O pinns/src/sysctl.c, plugins meta/tuning.
        """
        return self.dotted.replace(".", "/")

    @property
    def sysctl_d(self) -> str:
        """For /etc/sysctl.d: dotted, and slashed where a part holds a dot, which reads better there."""
        return self.slashed if any("." in segment for segment in self.segments) else self.dotted

    @property
    def tuned(self) -> str:
        """For a TuneD `[sysctl]` section, which swaps dots and slashes itself."""
        return self.dotted

    @property
    def tuning_key(self) -> str:
        """For the tuning CNI plugin: the interface becomes the token, which it fills in at run time.

        Elsewhere than in interface settings this is the dotted name.
        """
        return self.template.dotted if self.interface is not None else self.dotted

    @property
    def is_interface_specific(self) -> bool:
        """Does it live below a directory of interfaces (conf, neigh)?"""
        return spelling.is_interface_specific(self.segments)

    @property
    def interface(self) -> str | None:
        """The interface it speaks of, the token included; None for `all`, `default` and everything else."""
        if self.is_interface_specific and self.segments[3] not in spelling.NOT_INTERFACES:
            return self.segments[3]
        return None

    @property
    def is_template(self) -> bool:
        """Does the token stand where an interface belongs?"""
        return self.interface == INTERFACE_TOKEN

    @property
    def template(self) -> SysctlName:
        """The name under which the catalogue knows it: interface and processor instances are one.

        >>> parse_name("net.ipv4.conf.eth0/100.rp_filter").template.dotted
        'net.ipv4.conf.IFNAME.rp_filter'
        >>> parse_name("net.ipv4.conf.all.rp_filter").template.dotted
        'net.ipv4.conf.IFNAME.rp_filter'
        """
        if self.is_interface_specific:
            if self.segments[2:4] == ("neigh", "default") and self.segments[4] in _TABLE_WIDE:
                return self
            return SysctlName((*self.segments[:3], INTERFACE_TOKEN, self.segments[4]))
        head = self.segments[:2]
        if head == ("kernel", "sched_domain") and len(self.segments) == 5:
            return SysctlName((*head, "cpuN", "domainN", self.segments[4]))
        if self.segments[:3] == ("net", "netfilter", "nf_log") and self.segments[-1].isdecimal():
            return SysctlName((*self.segments[:3], "FAMILY"))
        return self

    def with_interface(self, interface: str) -> SysctlName:
        """The same setting of another interface.

        Raises NameSyntaxError when the name is not interface-specific or the interface cannot exist.
        """
        if not self.is_interface_specific:
            raise NameSyntaxError(f"{self.dotted}: is not a setting of an interface")
        check_interface(interface)
        return SysctlName((*self.segments[:3], interface, self.segments[4]))


def parse_name(text: str) -> SysctlName:
    """Read either spelling.

    Raises NameSyntaxError for anything that is not a path below /proc/sys: empty parts, `.`, `..`, NUL,
    white space, control characters, more than 253 bytes. Upper case is allowed, since the kernel has such
    names; what Kubernetes allows in a pod is narrower and decided by `objects.validation`.

    >>> parse_name("net/ipv4/conf/eth0.100/rp_filter") == parse_name("net.ipv4.conf.eth0/100.rp_filter")
    True
    >>> parse_name("kernel/sem").dotted
    'kernel.sem'
    >>> parse_name("a/b.c").dotted
    'a.b/c'
    """
    segments = spelling.split(text)
    problem = spelling.problem_of_name(text, segments)
    if problem:
        raise NameSyntaxError(problem, hint="" if text else "write one such as net.core.somaxconn")
    return SysctlName(segments)


def parse_path(text: str) -> SysctlName:
    """Read a name or an absolute file name below /proc/sys, for command lines.

    Raises NameSyntaxError as `parse_name` does, and for a file that is elsewhere.

    >>> parse_path("/proc/sys/kernel/sem").dotted
    'kernel.sem'
    """
    if not text.startswith("/"):
        return parse_name(text)
    if not text.startswith(PROC_SYS):
        raise NameSyntaxError(f"{text!r} is not below {PROC_SYS}")
    rest = text.removeprefix(PROC_SYS)
    return parse_name(rest if "/" in rest else rest.replace(".", "/"))


def check_interface(interface: str) -> None:
    """Raise NameSyntaxError unless the kernel would accept this as an interface's name."""
    problem = spelling.problem_of_interface(interface)
    if problem:
        raise NameSyntaxError(problem)


def interface_hint(text: str) -> str:
    """What to write instead when an interface's dot was spelled as a separator; empty when that is not it.

    >>> interface_hint("net.ipv4.conf.eth0.100.rp_filter")
    'write net.ipv4.conf.eth0/100.rp_filter: a dot inside an interface name is spelled as a slash'
    """
    separator = first_separator(text)
    parts = text.split(separator) if separator else [text]
    if len(parts) <= 5 or tuple(parts[:3]) not in INTERFACE_DIRECTORIES:
        return ""
    other = "/" if separator == "." else "."
    fixed = separator.join([*parts[:3], other.join(parts[3:-1]), parts[-1]])
    return f"write {fixed}: a dot inside an interface name is spelled as a slash"
