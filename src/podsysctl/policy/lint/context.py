"""Everything that was read, and what it is judged by: the cluster's version, the nodes' kernel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from podsysctl.base.versions import KUBERNETES_MINOR, KernelVersion
from podsysctl.policy.lint.document import Document, Kind
from podsysctl.policy.lint.finding import Edit, Finding, Position, Severity
from podsysctl.policy.lint.lines import LineFile
from podsysctl.policy.lint.setting import Setting
from podsysctl.sysctls.kernel_facts import KernelFacts


@dataclass(frozen=True, slots=True)
class Target:
    """What the files are for. `kernel` is None when nobody said; `facts` are measured on that kernel."""

    cluster_minor: int = KUBERNETES_MINOR
    kernel: KernelVersion | None = None
    facts: KernelFacts | None = None


@dataclass(frozen=True)
class Context:
    """The input of every rule. `settings` are all assignments of sysctls, wherever they stand."""

    documents: Sequence[Document]
    files: Sequence[LineFile] = ()
    target: Target = field(default_factory=Target)
    extract: Callable[[Context], list[Setting]] = lambda _: []

    @cached_property
    def settings(self) -> list[Setting]:
        """Every assignment of a sysctl, found once for all rules."""
        return self.extract(self)

    @cached_property
    def by_kind(self) -> Mapping[Kind, list[Document]]:
        """Documents by what they are."""
        out: dict[Kind, list[Document]] = {}
        for document in self.documents:
            out.setdefault(document.kind, []).append(document)
        return out

    def of_kind(self, *kinds: Kind) -> Iterator[Document]:
        """Documents of some kinds, in the order in which they were read."""
        for kind in kinds:
            yield from self.by_kind.get(kind, ())


def find(
    rule: str,
    severity: Severity,
    where: Document | Setting,
    path: Sequence[str | int],
    message: str,
    *,
    subject: str = "",
    hint: str = "",
    edits: tuple[Edit, ...] = (),
) -> Finding:
    """A finding at a path of a document, or at a setting (then the path is ignored)."""
    if isinstance(where, Document):
        return Finding(rule, severity, where.file, where.position(path), message, subject, hint, edits)
    position: Position = where.position
    return Finding(rule, severity, where.file, position, message, subject or where.name, hint, edits)
