"""How `explain` prints its answers: text for people, JSON for programs, or the manifests alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

from podsysctl.cli import yaml_text
from podsysctl.cli.explain_target import Answer
from podsysctl.policy.node_gates import SysctlReport
from podsysctl.policy.verdict import Gate, Outcome, Verdict
from podsysctl.policy.whole import NodeReport

_NODE_GATES = (Gate.KUBELET, Gate.RUNTIME, Gate.KERNEL)
_REASON_CHARACTERS = 160
"""Longest reason that the conclusion repeats; the whole of it stands in the table above."""
_HEAD = ("SYSCTL", "WANTED", "KUBELET", "RUNTIME", "KERNEL", "IN THE POD")


def write(stream: TextIO, answers: Sequence[Answer], output: str) -> None:
    """Print in one of the three forms."""
    if output == "json":
        json.dump({"targets": [_as_dict(answer) for answer in answers]}, stream, indent=2)
        stream.write("\n")
        return
    if output == "manifests":
        stream.write("---\n".join(yaml_text.dump(m) for answer in answers for m in answer.manifests))
        return
    for index, answer in enumerate(answers):
        if index:
            stream.write("\n")
        stream.write("\n".join(_lines(answer)) + "\n")


def _lines(answer: Answer) -> Iterator[str]:
    situation = answer.subject.situation
    who = f", created by {situation.subject}" if situation.subject else ""
    yield f"{answer.subject.target.title} in namespace {situation.namespace.name}{who}"
    for name in answer.subject.target.quoted:
        yield f"  the value of {name} is not a string: the API server refuses it with 400; it is judged in quotes"
    yield ""
    yield from _table([["GATE", "VERDICT", "WHY"], *(_admission_row(v) for v in answer.report.admission)], "  ")
    for group in _groups(answer.report.nodes):
        yield ""
        yield from _node_lines(group)
    yield ""
    yield _conclusion(answer)
    yield from _plan_lines(answer)


def _admission_row(verdict: Verdict) -> list[str]:
    return [verdict.gate, _shown(verdict.outcome), verdict.reason or verdict.rule]


def _shown(outcome: Outcome) -> str:
    return outcome.upper() if outcome in (Outcome.REFUSED, Outcome.IGNORED) else str(outcome)


def _groups(reports: Iterable[NodeReport]) -> list[list[NodeReport]]:
    """Nodes of which the same is to be said stand together."""
    groups: dict[Any, list[NodeReport]] = {}
    for report in reports:
        facts = report.node.facts
        said = (report.scheduling, report.sysctls, report.interfaces, report.kubelet)
        same = (report.node.pool, facts.release, facts.runtime, said)
        groups.setdefault(repr(same), []).append(report)
    return list(groups.values())


def _node_lines(group: list[NodeReport]) -> Iterator[str]:
    first = group[0]
    facts = first.node.facts
    names = ", ".join(report.node.name for report in group)
    pool = f"pool {first.node.pool}, " if first.node.pool else ""
    yield f"  node {names} ({pool}Linux {facts.release or 'unknown'}, {facts.runtime})"
    if not first.eligible:
        yield f"    not chosen by the scheduler: {first.scheduling.reason} ({first.scheduling.rule})"
    yield from (f"    kubelet: {_shown(v.outcome)}: {v.reason} ({v.rule})" for v in first.kubelet if v.stops)
    yield from (f"    not judged: {reason}" for reason in first.unjudged)
    if first.sysctls:
        yield from _table([list(_HEAD), *(_sysctl_row(report) for report in first.sysctls)], "    ")
    shown = dict.fromkeys(
        f"    {verdict.gate}: {verdict.reason or verdict.rule}"
        for report in first.sysctls
        for verdict in report.verdicts
        if verdict.outcome is not Outcome.ALLOWED
    )
    yield from shown
    for verdict in first.interfaces:
        subject = verdict.subject or "attachment"
        yield f"    interface: {subject} {_shown(verdict.outcome)}: {verdict.reason or verdict.rule}"


def _sysctl_row(report: SysctlReport) -> list[str]:
    by_gate = {verdict.gate: _shown(verdict.outcome) for verdict in report.verdicts}
    wanted = " ".join(report.wanted.split()) or '""'
    effective = " ".join(report.effective.split()) or "-"
    return [report.name, wanted, *(by_gate.get(gate, "-") for gate in _NODE_GATES), effective]


def _conclusion(answer: Answer) -> str:
    report = answer.report
    accepting = [entry for entry in report.nodes if entry.eligible and entry.accepts]
    eligible = [entry for entry in report.nodes if entry.eligible]
    if report.runs:
        text = f"verdict: it would run on {len(accepting)} of {len(eligible)} node(s) that may be chosen"
        if len(accepting) < len(eligible):
            refusing = ", ".join(entry.node.name for entry in eligible if not entry.accepts)
            text += f"; mind that {refusing} would refuse it: choose nodes with a nodeSelector"
        unjudged = dict.fromkeys(reason for entry in accepting for reason in entry.unjudged)
        return f"{text}; not judged: {'; '.join(unjudged)}" if unjudged else text
    refusal = report.first_refusal
    if refusal is None:
        return "verdict: it would not run: there is no node that it may run on"
    reason = refusal.reason if len(refusal.reason) <= _REASON_CHARACTERS else f"{refusal.reason[:_REASON_CHARACTERS]}…"
    return f"verdict: refused by {refusal.gate}: {reason}"


def _plan_lines(answer: Answer) -> Iterator[str]:
    if answer.report.runs:
        return
    plan = answer.plan
    for number, remedy in enumerate(plan.remedies, 1):
        yield ""
        yield f"fix {number}: {remedy.title}"
        for text in remedy.opens:
            yield f"  opens: {text}"
        for path, content in remedy.files:
            yield f"  file on the node: {path}"
            yield from (f"    {line}" for line in content.splitlines())
    if not plan.runs:
        yield ""
        yield "no fix is known for what is left"
    manifests = answer.manifests
    if manifests:
        yield ""
        yield "manifests, in the order in which to apply them (a pod that is there already must be replaced):"
        for manifest in manifests:
            yield "---"
            yield yaml_text.dump(manifest).rstrip("\n")


def _table(rows: list[list[str]], indent: str) -> Iterator[str]:
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (str(cell).ljust(width) for cell, width in zip(row, widths, strict=True))
        yield (indent + "  ".join(cells)).rstrip()


def _as_dict(answer: Answer) -> dict[str, Any]:
    situation, report, plan = answer.subject.situation, answer.report, answer.plan
    refusal = report.first_refusal
    return {
        "target": answer.subject.target.title,
        "namespace": situation.namespace.name,
        "user": situation.subject,
        "runs": report.runs,
        "firstRefusal": refusal.to_dict() if refusal is not None else None,
        "quotedValues": list(answer.subject.target.quoted),
        "gates": [verdict.to_dict() for verdict in report.admission],
        "nodes": [_node_dict(entry) for entry in report.nodes],
        "fixes": [
            {
                "title": remedy.title,
                "opens": list(remedy.opens),
                "manifests": list(remedy.manifests),
                "files": [{"path": path, "content": content} for path, content in remedy.files],
            }
            for remedy in plan.remedies
        ],
        "runsAfterFixes": plan.runs,
        "manifests": list(answer.manifests),
    }


def _node_dict(entry: NodeReport) -> Mapping[str, Any]:
    facts = entry.node.facts
    return {
        "name": entry.node.name,
        "pool": entry.node.pool,
        "kernel": facts.release,
        "runtime": str(facts.runtime),
        "eligible": entry.eligible,
        "accepts": entry.accepts,
        "scheduling": entry.scheduling.to_dict(),
        "kubelet": [verdict.to_dict() for verdict in entry.kubelet],
        "sysctls": [
            {
                "name": report.name,
                "wanted": report.wanted,
                "effective": report.effective,
                "gates": [verdict.to_dict() for verdict in report.verdicts],
            }
            for report in entry.sysctls
        ],
        "interfaces": [verdict.to_dict() for verdict in entry.interfaces],
    }
