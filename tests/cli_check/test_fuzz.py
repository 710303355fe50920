"""Anything may stand in the files: `check` and `explain` answer, and never fail, hang or repair a file for ever."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any
from unittest import mock

import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from podsysctl.base.versions import KernelVersion
from podsysctl.cli import check_formats
from podsysctl.cli.main import main
from podsysctl.objects import yamltext
from podsysctl.policy.lint import edits, engine
from podsysctl.policy.lint.context import Target
from podsysctl.policy.lint.finding import Finding
from podsysctl.policy.lint.lines import LineKind
from podsysctl.policy.lint.rules import RULES
from tests.cli_check.mutations import WORDS, mutated, values
from tests.cli_check.test_check_rules import BAD, GOOD, MEASURED, Files

BOUNDED = settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
TARGETS = (Target(36, KernelVersion(6, 1)), Target(20), Target(37, KernelVersion(3, 10)), MEASURED)
CASES: tuple[Files, ...] = tuple(case[1] for case in (*BAD, *GOOD))


def parsed(name: str, text: str) -> Iterator[Any]:
    """The documents of a case's file that can be read."""
    if name.endswith(".yaml"):
        with contextlib.suppress(yamltext.YAMLSyntaxError):
            yield from yamltext.load_documents(text)


DOCUMENTS = tuple(doc for files in CASES for name, text in files.items() for doc in parsed(name, text) if doc)
PODS = tuple(doc for doc in DOCUMENTS if isinstance(doc, dict) and doc.get("kind") == "Pod")
LINES = st.lists(st.sampled_from(WORDS) | st.text(max_size=20), max_size=8).map("\n".join)


def as_text(documents: list[Any], block: bool) -> str:
    """YAML in block form where it can be written so, else one JSON document a line."""
    if block:
        with contextlib.suppress(yaml.YAMLError, UnicodeError):
            return yaml.safe_dump_all(documents, sort_keys=False)
    return "\n---\n".join(json.dumps(document) for document in documents)


def judge(given_input: engine.Input, target: Target) -> list[Finding]:
    """All findings, written in all forms."""
    findings = engine.run(given_input, RULES, target)
    for write in check_formats.FORMATS.values():
        write(io.StringIO(), findings, RULES)
    engine.without_known(findings, engine.baseline_of(findings))
    return findings


@BOUNDED
@given(st.lists(mutated(DOCUMENTS), min_size=1, max_size=3), st.booleans(), st.sampled_from(TARGETS))
def test_check_answers_for_any_document(documents: list[Any], block: bool, target: Target) -> None:
    """Every finding has a place in the file, and repairs come to an end and leave a file that can be read."""
    text = as_text(documents, block)
    for _ in range(8):
        read = engine.Input()
        read.add_yaml("m.yaml", text)
        findings = judge(read, target)
        lines = text.count("\n") + 1
        assert all(1 <= finding.position.line <= lines + 1 and finding.position.column >= 1 for finding in findings)
        repairs = [finding.edits for finding in findings if finding.edits]
        if not repairs:
            return
        text, made = edits.apply(text, repairs)
        assert made
        yamltext.load_documents(text)
    raise AssertionError("repairs never end")


@BOUNDED
@given(LINES, st.sampled_from(TARGETS))
def test_check_answers_for_any_text(text: str, target: Target) -> None:
    """The same text as YAML, quadlet, sysctl.d and inside a Tuned profile."""
    read = engine.Input()
    read.add_yaml("m.yaml", text)
    read.add_lines("web.container", f"[Container]\nSysctl={text}\n", LineKind.QUADLET)
    read.add_lines("sysctl.d/a.conf", text, LineKind.SYSCTL_D)
    profile = {"name": "p", "data": f"[main]\n{text}\n[sysctl]\n{text}"}
    tuned = {"apiVersion": "tuned.openshift.io/v1", "kind": "Tuned", "spec": {"profile": [profile]}}
    read.add_yaml("t.yaml", json.dumps(tuned))
    judge(read, target)


EXPLAINED = settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
FORMS = st.sampled_from(["text", "json", "manifests"])
KUBELET_CONFIG = {
    "apiVersion": "machineconfiguration.openshift.io/v1",
    "kind": "KubeletConfig",
    "spec": {"machineConfigPoolSelector": {"matchLabels": None}, "kubeletConfig": {}},
}


@EXPLAINED
@example({"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": None}]}}, "text", "1.36")
@given(mutated(PODS) | values, FORMS, st.sampled_from(["1.36", "1.20"]))
def test_explain_answers_for_any_pod(document: Any, form: str, version: str) -> None:
    """0, 3, or 2 with an error that says what is wrong."""
    explain([document], form, "--cluster-version", version)


@EXPLAINED
@example([{**KUBELET_CONFIG, "metadata": {"name": [None]}}], "text", ())
@example([{**KUBELET_CONFIG, "metadata": [None]}], "text", ())
@given(st.lists(mutated(DOCUMENTS), max_size=3), FORMS, st.sampled_from([(), ("--as", "ann"), ("--as-group", "dev")]))
def test_explain_answers_for_any_objects_beside_the_pod(beside: list[Any], form: str, words: tuple[str, ...]) -> None:
    """Namespaces, constraints, roles and the like may be of any shape as well."""
    explain([*beside, PODS[0]], form, *words, "--platform", "openshift")


def explain(documents: list[Any], form: str, *words: str) -> None:
    """Ask about documents on standard input, and look at the answer."""
    text = "\n---\n".join(map(json.dumps, documents))
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode()))),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(["explain", "-", "--offline", "-o", form, *words])
    assert code in (0, 2, 3)
    if code == 2:
        assert err.getvalue().startswith("error: ")
        assert out.getvalue() == ""
    elif form == "json":
        json.loads(out.getvalue())
