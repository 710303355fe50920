"""One call of a plugin: what the runtime put into environment and standard input, checked as the CNI library does.

Source: cni pkg/skel/skel.go, pkg/utils/utils.go, v1.1.2 and v1.2.3.
"""

from __future__ import annotations

import os

from podsysctl.cni import wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from podsysctl.cni.profile import Profile

INCOMPATIBLE, ENVIRONMENT, IO, DECODING, NETWORK, SAME_NETNS, NOT_AVAILABLE, INTERNAL = 1, 4, 5, 6, 7, 8, 50, 999
"""Error codes of the CNI specification; 999 is the library's for everything else."""

_ATTACHMENT = frozenset({"ADD", "CHECK", "DEL"})
_NODE = frozenset({"GC", "STATUS"})
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")


class PluginError(Exception):
    """What is printed on standard output before exit code 1."""

    def __init__(self, code: int, text: str, details: str = "") -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.details = details
        self.version = ""

    def to_json(self) -> str:
        """The error result, with a version as the specification has it, or without as upstream's library prints it."""
        out: dict[str, Any] = {"cniVersion": self.version} if self.version else {}
        out |= {"code": self.code, "msg": self.text}
        if self.details:
            out["details"] = self.details
        return wire.indent(out)


class Call:
    """Command, attachment and behaviour."""

    __slots__ = ("arguments", "command", "container", "interface", "netns", "netns_override", "profile")

    def __init__(self, environment: Mapping[str, str], profile: Profile) -> None:
        """Raises PluginError naming what is missing."""
        self.profile = profile
        self.command = environment.get("CNI_COMMAND", "")
        self.container = environment.get("CNI_CONTAINERID", "")
        self.netns = environment.get("CNI_NETNS", "")
        self.interface = environment.get("CNI_IFNAME", "")
        self.arguments = environment.get("CNI_ARGS", "")
        self.netns_override = environment.get("CNI_NETNS_OVERRIDE", "").upper() in ("TRUE", "1")
        self._check(environment.get("CNI_PATH", ""))

    def _check(self, path: str) -> None:
        per_attachment = self.command in _ATTACHMENT
        per_node = self.command in _NODE and self.profile.newest
        missing = []
        for name, value, needed, problem in (
            ("CNI_COMMAND", self.command, True, None),
            ("CNI_CONTAINERID", self.container, per_attachment, problem_of_container),
            ("CNI_NETNS", self.netns, self.command in ("ADD", "CHECK"), None),
            ("CNI_IFNAME", self.interface, per_attachment, problem_of_interface),
            ("CNI_PATH", path, per_attachment or per_node, None),
        ):
            if not value and needed:
                missing.append(name)
            elif value and needed and problem is not None and self.profile.newest:
                _raise(problem(value))
        if missing:
            raise PluginError(ENVIRONMENT, f"required env variables [{','.join(missing)}] missing")

    def check_attachment(self) -> None:
        """What the library checked later before 1.2, for every command. Raises PluginError."""
        if not self.profile.newest:
            _raise(problem_of_container(self.container))
            _raise(problem_of_interface(self.interface))

    def backup(self, directory: str) -> str:
        """The file that says how the interface was."""
        return os.path.normpath(f"{directory}/{self.container}_{self.interface}.json")


def problem_of_container(name: str) -> PluginError | None:
    """Why a container's id cannot be one."""
    if not name:
        return PluginError(3, "missing containerID")
    return None if _is_name(name) else PluginError(ENVIRONMENT, "invalid characters in containerID", name)


def problem_of_interface(name: str) -> PluginError | None:
    """Why an interface's name cannot be one."""
    if not name:
        return PluginError(ENVIRONMENT, "interface name is empty")
    if len(name.encode("utf-8", "surrogateescape")) > 15:
        return PluginError(
            ENVIRONMENT, "interface name is too long", "interface name should be less than 16 characters"
        )
    if name in (".", ".."):
        return PluginError(ENVIRONMENT, "interface name is . or ..")
    if any(character in "/:" or character.isspace() for character in name):
        return PluginError(ENVIRONMENT, "interface name contains / or : or whitespace characters")
    return None


def problem_of_network(name: str) -> PluginError | None:
    """Why a network's name cannot be one."""
    if not name:
        return PluginError(NETWORK, "missing network name")
    return None if _is_name(name) else PluginError(NETWORK, "invalid characters found in network name", name)


def _is_name(text: str) -> bool:
    """Letters and digits, after the first also `_`, `.` and `-`."""
    return text[0] in _LETTERS and all(character in _LETTERS or character in "_.-" for character in text)


def _raise(problem: PluginError | None) -> None:
    if problem is not None:
        raise problem
