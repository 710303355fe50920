"""The rules of a parameter's path, in functions that import nothing.

`name.py` builds its type on them. They stand apart because the tuning CNI plugin is a process for every pod: it
cannot afford the imports that a dataclass costs, and must not have rules of its own. Answers are texts, since the
error classes are as expensive; an empty text means that nothing is wrong.
"""

from __future__ import annotations

from podsysctl.base import limits

INTERFACE_TOKEN = "IFNAME"
"""What the tuning CNI plugin and this program's catalogue write where an interface name stands."""

PROC_SYS = "/proc/sys/"

INTERFACE_DIRECTORIES = frozenset(
    {
        ("net", "ipv4", "conf"),
        ("net", "ipv4", "neigh"),
        ("net", "ipv6", "conf"),
        ("net", "ipv6", "neigh"),
        ("net", "mpls", "conf"),
    }
)
NOT_INTERFACES = frozenset({"all", "default"})


def first_separator(text: str) -> str:
    """`.` or `/`, whichever comes first; empty when there is none."""
    for character in text:
        if character in "./":
            return character
    return ""


def split(text: str) -> tuple[str, ...]:
    """The parts of a name in either spelling, unchecked.

    >>> split("net.ipv4.conf.eth0/100.rp_filter")
    ('net', 'ipv4', 'conf', 'eth0.100', 'rp_filter')
    """
    if first_separator(text) == "/":
        return tuple(text.split("/"))
    return tuple([part.replace("/", ".") for part in text.split(".")])


def dotted(segments: tuple[str, ...]) -> str:
    """The canonical spelling of the parts."""
    return ".".join([segment.replace(".", "/") for segment in segments])


def is_interface_specific(segments: tuple[str, ...]) -> bool:
    """Do the parts name a file below a directory of interfaces?"""
    return len(segments) == 5 and segments[:3] in INTERFACE_DIRECTORIES


def problem_of_name(text: str, segments: tuple[str, ...]) -> str:
    """Why a text with these parts is no path below /proc/sys."""
    if len(text) > limits.SYSCTL_NAME_BYTES or len(text.encode("utf-8", "replace")) > limits.SYSCTL_NAME_BYTES:
        return f"sysctl name is longer than {limits.SYSCTL_NAME_BYTES} bytes: {text[:40]!r}…"
    if not text:
        return "sysctl name is empty"
    for segment in segments:
        if segment == "":
            return f"sysctl name {text!r} has an empty part"
        if segment in (".", ".."):
            return f"sysctl name {text!r} would leave {PROC_SYS}"
        if not segment.isprintable() or any(character.isspace() for character in segment):
            return f"sysctl name {text!r} holds white space or a control character"
    return problem_of_interface(segments[3]) if is_interface_specific(segments) else ""


def problem_of_interface(interface: str) -> str:
    """Why the kernel would not accept this as an interface's name.

    Source: dev_valid_name() in net/core/dev.c: 1 to 15 bytes, not `.` or `..`, no slash, colon or white space.
    """
    if not interface or len(interface.encode("utf-8", "replace")) > limits.INTERFACE_NAME_BYTES:
        return f"interface name {interface!r} must have 1 to {limits.INTERFACE_NAME_BYTES} bytes"
    if interface in (".", "..") or not interface.isprintable() or any(c in "/:" or c.isspace() for c in interface):
        return f"interface name {interface!r} holds a character that no interface name can have"
    return ""
