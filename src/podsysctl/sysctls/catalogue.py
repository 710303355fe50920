"""What every kernel parameter is: meaning, shape, kernel namespace, history, pitfalls and where to read
more.

One row a parameter in `catalogue/<subsystem>.toml`; a file is read when a name of it is first asked for, so
that one question costs one file. Rows are checked when read. Who calls a parameter safe is `safe.py`; what
the running kernel really does is measured by `kernel.probe`, which reports every disagreement with these
rows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from podsysctl.base.errors import CatalogueError, PodsysctlError
from podsysctl.base.versions import KernelVersion, parse_kernel_version
from podsysctl.sysctls import safe
from podsysctl.sysctls.name import SysctlName, parse_name
from podsysctl.sysctls.value import ValueKind, ValueSpec, parse_value

_DIRECTORY: Final = Path(__file__).parent / "catalogue"

DOCUMENTATION: Final = "https://docs.kernel.org/"
"""What `Parameter.doc` is relative to."""

_OR_OLDER: Final = " or older"

_FILES: Final = (
    ("net.core.", "net_core"),
    ("net.ipv4.conf.", "net_ipv4_interface"),
    ("net.ipv4.neigh.", "net_ipv4_interface"),
    ("net.ipv4.tcp_", "net_ipv4_tcp"),
    ("net.ipv4.", "net_ipv4"),
    ("net.ipv6.conf.", "net_ipv6_interface"),
    ("net.ipv6.neigh.", "net_ipv6_interface"),
    ("net.ipv6.", "net_ipv6"),
    ("net.netfilter.", "net_netfilter"),
    ("net.nf_", "net_netfilter"),
    ("net.", "net_other"),
    ("fs.mqueue.", "ipc"),
    ("kernel.auto_msgmni", "ipc"),
    ("kernel.msg", "ipc"),
    ("kernel.sem", "ipc"),
    ("kernel.shm", "ipc"),
    ("fs.", "fs"),
    ("kernel.", "kernel"),
    ("vm.", "vm"),
    ("user.", "user"),
    ("", "other"),
)
"""Which file holds a name: the first prefix that fits."""


class Namespace(StrEnum):
    """Which kernel namespace owns a parameter's value."""

    NET = "net"
    IPC = "ipc"
    UTS = "uts"
    USER = "user"
    PID = "pid"
    NODE = "node"
    """None: one value for the whole machine."""


class Access(StrEnum):
    """What the file's mode allows to root in the initial namespaces."""

    READ_WRITE = "rw"
    READ_ONLY = "ro"
    WRITE_ONLY = "wo"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One row.

    `name` dotted, with IFNAME where an interface stands; `unit` of the numbers, "" for none; `default` as the
    kernel prints it on a usual machine, "" when it depends on memory, processors or the boot; `since` the first
    mainline kernel, None when that is not known exactly, and `since_text` in words: "2.6.35", "2.6.18 or older"
    where the first release looked at had it already, "" when nothing is known; `removed` the first kernel
    without it; `namespaced_since` (in words `namespaced_since_text`) the first kernel where each namespace has
    its own value, with `namespaced_by` the commit or document that says so; `visible` tells how a fresh
    namespace shows a value it does not own ("absent", "read-only", or "" where that is no question); `meanings`
    explains single values; `doc` is relative to DOCUMENTATION.
    """

    name: str
    summary: str
    spec: ValueSpec
    namespace: Namespace
    doc: str
    source: str
    unit: str = ""
    default: str = ""
    access: Access = Access.READ_WRITE
    since: KernelVersion | None = None
    removed: KernelVersion | None = None
    namespaced_since: KernelVersion | None = None
    since_text: str = ""
    namespaced_since_text: str = ""
    namespaced_by: str = ""
    visible: str = ""
    meanings: tuple[tuple[str, str], ...] = ()
    coupled: tuple[str, ...] = ()
    pitfalls: tuple[str, ...] = ()
    needs: str = ""

    @property
    def interface_specific(self) -> bool:
        """Does each interface have its own value?"""
        return parse_name(self.name).is_interface_specific

    @property
    def safe(self) -> safe.SafeRow | None:
        """Who calls it safe, or None."""
        return safe.find(self.name)

    @property
    def doc_url(self) -> str:
        """The kernel's own document."""
        return DOCUMENTATION + self.doc


def find(name: SysctlName | str) -> Parameter | None:
    """The row of a parameter, of whatever interface or processor; None when the catalogue does not know it.

    Raises NameSyntaxError when given a text that is no name.
    """
    parsed = parse_name(name) if isinstance(name, str) else name
    key = parsed.template.dotted
    return load(file_of(key)).get(key)


def spec_of(name: SysctlName | str) -> ValueSpec | None:
    """The shape of a parameter's value, None when unknown: what `value.parse_value` and `values_equal` take."""
    row = find(name)
    return None if row is None else row.spec


def every() -> Iterator[Parameter]:
    """All rows, file by file, in the files' order."""
    for stem in dict.fromkeys(stem for _, stem in _FILES):
        yield from load(stem).values()


def suggest(text: str, count: int = 3) -> list[str]:
    """The known names closest to a mistyped one, best first; empty when none is close.

    >>> suggest("net.core.somaxcon")[0]
    'net.core.somaxconn'
    """
    import difflib

    names = [row.name for row in every()]
    leaf = text.rsplit(".", 1)[-1]
    same_leaf = [name for name in names if name.rsplit(".", 1)[-1] == leaf]
    close = difflib.get_close_matches(text, names, n=count, cutoff=0.75)
    return list(dict.fromkeys([*close, *same_leaf]))[:count]


def file_of(name: str) -> str:
    """The stem of the file that holds this name."""
    return next(stem for prefix, stem in _FILES if name.startswith(prefix))


@cache
def load(stem: str) -> MappingProxyType[str, Parameter]:
    """The rows of one file by name. Raises CatalogueError when a row contradicts itself or stands in the
    wrong file."""
    path = _DIRECTORY / f"{stem}.toml"
    with path.open("rb") as file:
        try:
            raw = tomllib.load(file)
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{path.name}: {error}") from error
    rows: dict[str, Parameter] = {}
    for name, columns in raw.items():
        if file_of(name) != stem:
            raise CatalogueError(f"{name}: stands in {path.name}, belongs into {file_of(name)}.toml")
        rows[name] = parse_row(name, columns)
    return MappingProxyType(rows)


def parse_row(name: str, columns: dict[str, Any]) -> Parameter:
    """Check one row and build the parameter. Raises CatalogueError naming row and rule."""
    rest = dict(columns)
    try:
        spec = _spec(rest)
        since, namespaced_since = rest.pop("since", ""), rest.pop("namespaced_since", "")
        row = Parameter(
            name=name,
            summary=rest.pop("summary"),
            spec=spec,
            namespace=Namespace(rest.pop("namespace")),
            doc=rest.pop("doc"),
            source=rest.pop("source"),
            unit=rest.pop("unit", ""),
            default=rest.pop("default", ""),
            access=Access(rest.pop("access", "rw")),
            since=_exact(since),
            since_text=since,
            removed=_version(rest.pop("removed", "")),
            namespaced_since=_version(namespaced_since),
            namespaced_since_text=namespaced_since,
            namespaced_by=rest.pop("namespaced_by", ""),
            visible=rest.pop("visible", ""),
            meanings=tuple(rest.pop("meanings", {}).items()),
            coupled=tuple(rest.pop("coupled", ())),
            pitfalls=tuple(rest.pop("pitfalls", ())),
            needs=rest.pop("needs", ""),
        )
        if rest:
            raise CatalogueError(f"{name}: unknown columns {sorted(rest)}")
        _check(row)
    except KeyError as error:
        raise CatalogueError(f"{name}: column {error} is missing") from error
    except (ValueError, PodsysctlError) as error:
        raise CatalogueError(f"{name}: {error}") from error
    return row


def _spec(columns: dict[str, Any]) -> ValueSpec:
    kind = ValueKind(columns.pop("type"))
    return ValueSpec(
        kind,
        columns.pop("min", None),
        columns.pop("max", None),
        columns.pop("arity", 2 if kind is ValueKind.RANGE else 1),
        tuple(columns.pop("choices", ())),
    )


def _version(text: str) -> KernelVersion | None:
    return parse_kernel_version(text) if text else None


def _numbers(text: str) -> tuple[int, ...]:
    """All numbers of a version, since before 3.0 the third one is what counts."""
    return tuple(int(number) for number in text.split("."))


def _exact(text: str) -> KernelVersion | None:
    """The version, or None for one that is only known to be no younger."""
    version = _version(text)
    return None if text.endswith(_OR_OLDER) else version


def _check(row: Parameter) -> None:
    parsed = parse_name(row.name)
    if parsed.dotted != row.name or parsed.template != parsed:
        raise CatalogueError(f"{row.name}: must be dotted and use the IFNAME token")
    if not row.summary or row.summary.endswith(".") or "\n" in row.summary:
        raise CatalogueError(f"{row.name}: the summary must be one sentence on one line without a full stop")
    if not row.source or not row.doc.endswith(".html"):
        raise CatalogueError(f"{row.name}: needs a source and a document that ends in .html")
    if row.spec.kind is ValueKind.ENUM and not row.spec.choices:
        raise CatalogueError(f"{row.name}: an enum needs its choices")
    if row.default:
        parse_value(row.spec, row.default, name=row.name)
    for value, _ in row.meanings:
        if row.spec.kind is ValueKind.INTEGER:
            parse_value(row.spec, value, name=row.name)
    if row.visible not in ("", "absent", "read-only", "node"):
        raise CatalogueError(f"{row.name}: visible is {row.visible!r}")
    if not re.fullmatch(r"(?:\d+(?:\.\d+){1,2}(?: or older)?)?", row.since_text):
        raise CatalogueError(f"{row.name}: since is {row.since_text!r}, not a version or one with `or older`")
    if row.namespaced_since_text and row.since and _numbers(row.namespaced_since_text) < _numbers(row.since_text):
        raise CatalogueError(f"{row.name}: is namespaced before it exists")
    if row.namespaced_since is not None and row.namespace is Namespace.NODE:
        raise CatalogueError(f"{row.name}: is namespaced since {row.namespaced_since}, yet its namespace is node")
