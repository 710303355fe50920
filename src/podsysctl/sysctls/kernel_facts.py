"""What one kernel does with each parameter, as measured by `kernel.probe` and kept as a file.

Pure data, so that gates and checks far from the machine can ask it. A name that is missing here was not
shown by that kernel when it was measured (its module may not have been loaded): that is "unknown", not
"absent".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from podsysctl.base.errors import CatalogueError, PodsysctlError
from podsysctl.base.versions import KernelVersion, parse_kernel_version
from podsysctl.sysctls.catalogue import Access, Namespace
from podsysctl.sysctls.name import SysctlName, parse_name

FORMAT = 1


class InPod(StrEnum):
    """What a pod with fresh namespaces finds below /proc/sys."""

    OWN = "own"
    """Its own value, writable for the runtime."""
    OWN_READ_ONLY = "own-read-only"
    """Its own value, which nobody may write."""
    READ_ONLY = "read-only"
    """The node's value, visible but not writable."""
    ABSENT = "absent"
    """No such file: writing it stops the sandbox."""
    NODE = "node"
    """The node's own value, and a write there changes the node."""
    HIDDEN = "hidden"
    """Not known: the user who measured may not see it in new namespaces, where a pod of the runtime's may."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One parameter on one kernel.

    `namespace` who owns the value; `in_pod` what a pod with its own net, ipc and uts namespaces finds;
    `access` the file's mode in the initial namespaces; `hidden_from_user_namespace` True when namespaces
    owned by another user namespace (hostUsers: false) do not show it, None when that could not be measured;
    `isolated` the leak test's answer, None when it did not run for this name.
    """

    name: str
    namespace: Namespace
    in_pod: InPod
    access: Access
    hidden_from_user_namespace: bool | None = None
    isolated: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, without the name."""
        out: dict[str, Any] = {"namespace": self.namespace, "inPod": self.in_pod, "access": self.access}
        if self.hidden_from_user_namespace is not None:
            out["hiddenFromUserNamespace"] = self.hidden_from_user_namespace
        if self.isolated is not None:
            out["isolated"] = self.isolated
        return out


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """A kernel's facts by catalogue name (dotted, IFNAME token)."""

    release: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    privileged: bool = True

    @property
    def version(self) -> KernelVersion:
        """Major and minor of the release. Raises UsageError when it has none."""
        return parse_kernel_version(self.release)

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the host that a fresh namespace lacks, sorted."""
        return self._with(InPod.ABSENT)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Names of which this measurement, made without privileges, cannot tell what a pod finds, sorted."""
        return self._with(InPod.HIDDEN)

    @property
    def read_only(self) -> tuple[str, ...]:
        """Names writable on the host and only readable in a fresh namespace, sorted."""
        return tuple(name for name in self._with(InPod.READ_ONLY) if self.facts[name].access is Access.READ_WRITE)

    @property
    def namespaced(self) -> dict[str, Namespace]:
        """Names of which each namespace has its own value, with the kind of namespace."""
        return {name: fact.namespace for name, fact in self.facts.items() if fact.namespace is not Namespace.NODE}

    def find(self, name: SysctlName | str) -> Fact | None:
        """The fact of a parameter, of whatever interface; None when this kernel did not show it."""
        parsed = parse_name(name) if isinstance(name, str) else name
        return self.facts.get(parsed.dotted) or self.facts.get(parsed.template.dotted)

    def to_json(self) -> str:
        """The file's text: stable, sorted, one line a parameter."""
        lines = [f"  {json.dumps(name)}: {json.dumps(self.facts[name].to_dict())}" for name in sorted(self.facts)]
        head = {"format": FORMAT, "release": self.release, "privileged": self.privileged}
        return json.dumps(head)[:-1] + ', "facts": {\n' + ",\n".join(lines) + "\n}}\n"

    @classmethod
    def from_json(cls, text: str) -> KernelFacts:
        """Read what `to_json` wrote. Raises CatalogueError when the text is no such file."""
        try:
            raw = json.loads(text)
            if raw["format"] != FORMAT:
                raise CatalogueError(f"kernel facts have format {raw['format']!r}, this program reads {FORMAT}")
            facts = {name: _fact(name, columns) for name, columns in raw["facts"].items()}
            return cls(str(raw["release"]), facts, bool(raw["privileged"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CatalogueError(f"kernel facts cannot be read: {type(error).__name__}: {error}") from error

    def _with(self, in_pod: InPod) -> tuple[str, ...]:
        return tuple(sorted(name for name, fact in self.facts.items() if fact.in_pod is in_pod))


def _fact(name: str, columns: Mapping[str, Any]) -> Fact:
    try:
        parse_name(name)
    except PodsysctlError as error:
        raise CatalogueError(f"kernel facts hold {name!r}, which is no name: {error}") from error
    return Fact(
        name,
        Namespace(columns["namespace"]),
        InPod(columns["inPod"]),
        Access(columns["access"]),
        columns.get("hiddenFromUserNamespace"),
        columns.get("isolated"),
    )
