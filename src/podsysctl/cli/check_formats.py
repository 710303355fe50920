"""How `check` prints its findings: for people, programs, code hosts and CI servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TextIO
from urllib.parse import quote
from xml.sax.saxutils import escape, quoteattr

from podsysctl.base.versions import PROGRAM_VERSION
from podsysctl.cli.check_files import STANDARD_INPUT
from podsysctl.policy.lint import engine, pages
from podsysctl.policy.lint.finding import Finding, Rule, Severity

Writer = Callable[[TextIO, Sequence[Finding], Sequence[Rule]], None]

_SARIF_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "note"}
_GITHUB_LEVEL = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def write_text(stream: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """`file:line:column: severity: message [PSC006]`, as compilers print."""
    for finding in findings:
        where = f"{finding.file}:{finding.position.line}:{finding.position.column}"
        hint = f"\n    hint: {finding.hint}" if finding.hint else ""
        fixable = " (fixable)" if finding.edits else ""
        stream.write(f"{where}: {finding.severity}: {_one_line(finding.message)} [{finding.rule}]{fixable}{hint}\n")


def write_json(stream: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """One stable object."""
    listed = [
        {
            "rule": finding.rule,
            "severity": str(finding.severity),
            "file": finding.file,
            "line": finding.position.line,
            "column": finding.position.column,
            "message": finding.message,
            "subject": finding.subject,
            "hint": finding.hint,
            "fixable": bool(finding.edits),
            "fingerprint": engine.fingerprint(finding),
        }
        for finding in findings
    ]
    json.dump({"version": 1, "findings": listed}, stream, indent=2)
    stream.write("\n")


def write_sarif(stream: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """SARIF 2.1.0, for code scanning."""
    index = {rule.id: number for number, rule in enumerate(rules)}
    described = [
        {
            "id": rule.id,
            "name": rule.name,
            "shortDescription": {"text": rule.summary},
            "fullDescription": {"text": pages.explanation(rule).partition("\n\n")[0]},
            "help": {"text": pages.explanation(rule), "markdown": pages.page(rule)},
            "defaultConfiguration": {"level": _SARIF_LEVEL[rule.severity]},
        }
        for rule in rules
    ]
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": index[finding.rule],
            "level": _SARIF_LEVEL[finding.severity],
            "message": {"text": finding.message},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": _uri(finding.file)},
                        "region": {"startLine": finding.position.line, "startColumn": finding.position.column},
                    }
                }
            ],
            "partialFingerprints": {"podsysctl/v1": engine.fingerprint(finding)},
        }
        for finding in findings
    ]
    driver = {"name": "podsysctl", "version": PROGRAM_VERSION, "rules": described}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    json.dump({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, stream, indent=2)
    stream.write("\n")


def _uri(file: str) -> str:
    """A file as a URI reference: relative as it was given, absolute ones with their scheme."""
    if file == STANDARD_INPUT:
        return file.strip("<>")
    quoted = quote(file.encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{quoted}" if quoted.startswith("/") else quoted


def write_junit(stream: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """JUnit's XML: a test case for each finding, one that passed when there are none."""
    failures = [finding for finding in findings if finding.severity is not Severity.NOTE]
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    count = max(len(findings), 1)
    stream.write(f'<testsuites><testsuite name="podsysctl check" tests="{count}" failures="{len(failures)}">\n')
    if not findings:
        stream.write('<testcase classname="podsysctl" name="check"/>\n')
    for finding in findings:
        name = f"{finding.rule} {finding.position.line}:{finding.position.column} {_xml(finding.message)}"
        head = f"<testcase classname={quoteattr(_xml(finding.file))} name={quoteattr(name)}"
        if finding.severity is Severity.NOTE:
            stream.write(f"{head}/>\n")
            continue
        text = escape(_xml(f"{finding.file}:{finding.position.line}: {finding.message}\n{finding.hint}".rstrip()))
        message = quoteattr(_xml(finding.message))
        stream.write(f'{head}><failure type="{finding.severity}" message={message}>{text}</failure></testcase>\n')
    stream.write("</testsuite></testsuites>\n")


def write_github(stream: TextIO, findings: Sequence[Finding], rules: Sequence[Rule]) -> None:
    """Workflow commands of GitHub Actions: annotations at the lines of a pull request."""
    for finding in findings:
        properties = {
            "file": finding.file,
            "line": str(finding.position.line),
            "col": str(finding.position.column),
            "title": finding.rule,
        }
        shown = ",".join(f"{key}={_command(value, is_property=True)}" for key, value in properties.items())
        text = f"{finding.message}; {finding.hint}" if finding.hint else finding.message
        stream.write(f"::{_GITHUB_LEVEL[finding.severity]} {shown}::{_command(text)}\n")


FORMATS: Mapping[str, Writer] = {
    "text": write_text,
    "json": write_json,
    "sarif": write_sarif,
    "junit": write_junit,
    "github": write_github,
}


def rule_table(rules: Iterable[Rule]) -> str:
    """Identifier, severity, name and summary of every rule."""
    lines = [f"{rule.id}  {rule.severity:8}{rule.name:28}{rule.summary}" for rule in rules]
    return "\n".join(["RULE    SEVERITY NAME".ljust(45) + "SUMMARY", *lines]) + "\n"


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _xml(text: str) -> str:
    """Text without the characters that XML cannot hold."""
    return "".join(char if char in "\t\n" or _is_xml(ord(char)) else "?" for char in text)


def _is_xml(code: int) -> bool:
    return code >= 0x20 and not 0xD800 <= code <= 0xDFFF and code not in (0xFFFE, 0xFFFF)


def _command(text: str, *, is_property: bool = False) -> str:
    out = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return out.replace(":", "%3A").replace(",", "%2C") if is_property else out
