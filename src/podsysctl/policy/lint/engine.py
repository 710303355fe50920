"""Runs the rules over what was read, and leaves out what comments or a baseline excuse.

`# podsysctl:ignore PSC006` on a line, or alone on the line above, excuses findings of that line; without identifiers
all of them. `# podsysctl:ignore-file PSC006` excuses a whole file.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from podsysctl.base.errors import PodsysctlError
from podsysctl.objects import yamltext
from podsysctl.policy.lint.context import Context, Target
from podsysctl.policy.lint.document import Document, documents_of
from podsysctl.policy.lint.extraction import extract
from podsysctl.policy.lint.finding import Finding, Position, Rule
from podsysctl.policy.lint.lines import LineFile, LineKind
from podsysctl.policy.lint.rules import RULES, file_unreadable, template_not_rendered

_IGNORE = re.compile(r"#\s*podsysctl:ignore(-file)?\b([^\n#]*)")
_BY_WORD = {word: rule.id for rule in RULES for word in (rule.id, rule.name)}
_TEMPLATE = re.compile(r"\{\{.*?\}\}")


@dataclass(slots=True)
class Input:
    """Everything that was read, file by file; findings that reading itself made are kept aside."""

    documents: list[Document] = field(default_factory=list)
    files: list[LineFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)

    def add_yaml(self, file: str, text: str) -> None:
        """Read a stream of YAML or JSON documents; what cannot be read becomes a finding."""
        self.texts[file] = text
        try:
            parsed = yamltext.load_nodes(text)
        except PodsysctlError as error:
            line = getattr(error, "line", 0) or 1
            if _TEMPLATE.search(text):
                message = "looks like a template that is not rendered; check what `helm template` prints"
                rule = template_not_rendered.RULE
            else:
                message, rule = error.message, file_unreadable.RULE
            self.findings.append(Finding(rule.id, rule.severity, file, Position(line, 1), message, "syntax"))
            return
        self.documents += documents_of(file, text, parsed)

    def add_lines(self, file: str, text: str, kind: LineKind) -> None:
        """Take in a quadlet or a sysctl.d file."""
        self.texts[file] = text
        self.files.append(LineFile(file, text, kind))


def run(given: Input, rules: Iterable[Rule], target: Target) -> list[Finding]:
    """All findings that no comment excuses, in the order of files and places."""
    context = Context(given.documents, given.files, target, extract)
    found = list(given.findings)
    for rule in rules:
        found += rule.check(context)
    excuses = {file: _excuses(text) for file, text in given.texts.items() if "podsysctl:ignore" in text}
    kept = [finding for finding in found if not _is_excused(finding, excuses.get(finding.file))]
    return sorted(dict.fromkeys(kept), key=lambda finding: finding.sort_key)


@dataclass(frozen=True, slots=True)
class _Excuses:
    """Rules that comments excuse, by line; an empty set means all rules. `whole` holds for the whole file."""

    lines: Mapping[int, frozenset[str]]
    whole: frozenset[str] | None


def _excuses(text: str) -> _Excuses:
    lines: dict[int, frozenset[str]] = {}
    whole: frozenset[str] | None = None
    for number, line in enumerate(text.split("\n"), 1):
        match = _IGNORE.search(line)
        if match is None:
            continue
        names = _excused_rules(match[2])
        if match[1]:
            whole = names if whole is None or not names else whole | names
            continue
        lines[number] = names
        if not line[: match.start()].strip():
            lines[number + 1] = names
    return _Excuses(lines, whole)


def _excused_rules(words: str) -> frozenset[str]:
    """The identifiers at the beginning of what follows the marker; the reason behind them is for people."""
    found = []
    for word in re.split(r"[\s,:]+", words.strip(" :,")):
        rule = _BY_WORD.get(word)
        if rule is None and not re.fullmatch(r"PSC\w*", word):
            break
        found.append(rule or word)
    return frozenset(found)


def _is_excused(finding: Finding, excuses: _Excuses | None) -> bool:
    if excuses is None:
        return False
    if excuses.whole is not None and (not excuses.whole or finding.rule in excuses.whole):
        return True
    names = excuses.lines.get(finding.position.line)
    return names is not None and (not names or finding.rule in names)


def fingerprint(finding: Finding) -> str:
    """What stays the same when lines move: rule, file, subject."""
    text = "\0".join((finding.rule, finding.file, finding.subject or finding.message))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:20]


def without_known(findings: Sequence[Finding], known: Mapping[str, int]) -> list[Finding]:
    """Findings that a baseline does not hold; each fingerprint is excused as often as it was recorded."""
    left = dict(known)
    out = []
    for finding in findings:
        mark = fingerprint(finding)
        if left.get(mark, 0) > 0:
            left[mark] -= 1
        else:
            out.append(finding)
    return out


def baseline_of(findings: Iterable[Finding]) -> dict[str, int]:
    """Fingerprints and how often each occurs."""
    out: dict[str, int] = {}
    for finding in findings:
        mark = fingerprint(finding)
        out[mark] = out.get(mark, 0) + 1
    return dict(sorted(out.items()))
