"""`podsysctl check` as a command: what it reads, how it prints, what it excuses, repairs and exits with."""

from __future__ import annotations

import io
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
import yaml

from podsysctl.base import limits
from podsysctl.cli.main import main
from podsysctl.policy.lint import pages
from podsysctl.policy.lint.rules import RULES

TOP = Path(__file__).resolve().parents[2]
CHAPTER = TOP / "examples" / "chapter"

HOSTILE = """\
apiVersion: v1
kind: Pod
metadata:
  name: "a,b:c%"
spec:
  securityContext:
    sysctls:
    - name: vm.swappiness
      value: "1"
    - name: net.core.somaxconn
      value: "1024"
    - name: kernel/shm_rmid_forced
      value: "1"
"""
"""An error (node level), a warning (unsafe) and one that can be repaired (slashes)."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    code = main(["check", *words])
    out, err = capsys.readouterr()
    return code, out, err


def found(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    """Findings as JSON."""
    _, out, _ = check(capsys, *words, "--format", "json")
    listed: list[dict[str, Any]] = json.loads(out)["findings"]
    return listed


def rules(listed: list[dict[str, Any]]) -> list[str]:
    """Rules of findings, in order."""
    return [finding["rule"] for finding in listed]


# Reading


def test_check_reads_directories_of_every_kind_of_file(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """By name and place; what is none of ours is left alone, and so are repositories' own directories."""
    (here / "a" / "sysctl.d").mkdir(parents=True)
    (here / "a" / "sysctl.d" / "x.conf").write_text("vm.swappiness 1\n")
    (here / "a" / "other.conf").write_text("vm.swappiness 1\n")
    (here / "a" / "web.container").write_text("[Container]\nSysctl=net.core.somaxconn\n")
    (here / "a" / "pod.json").write_text(json.dumps(yaml.safe_load(HOSTILE)))
    (here / "kubelet.conf.d").mkdir()
    drop_in = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nallowedUnsafeSysctls: ['net*']\n"
    (here / "kubelet.conf.d" / "10.conf").write_text(drop_in)
    (here / ".git").mkdir()
    (here / ".git" / "bad.yaml").write_text("a: [\n")
    (here / "readme.md").write_text("a: [\n")
    listed = found(capsys, ".", "--fail-on", "error")
    assert {(f["file"], f["rule"]) for f in listed if f["severity"] == "error"} == {
        ("a/pod.json", "PSC005"),
        ("a/sysctl.d/x.conf", "PSC601"),
        ("a/web.container", "PSC601"),
        ("kubelet.conf.d/10.conf", "PSC101"),
    }


def test_check_reads_a_rendered_stream_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments of the chart's files and empty documents do not matter; lines count through the whole stream."""
    stream = f"---\n# Source: chart/templates/empty.yaml\n---\n# Source: chart/templates/pod.yaml\n{HOSTILE}---\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stream.encode())))
    code, out, err = check(capsys, "-")
    assert code == 3
    assert "<stdin>:12:13: error: Pod a,b:c%: vm.swappiness has one value for the whole node" in out
    assert err == "1 file checked: 1 error, 2 warnings, 0 notes; --fix repairs 1\n"


def test_check_judges_charts_that_are_not_rendered_as_no_mistake(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    """A note says how to check them."""
    (here / "t.yaml").write_text("{{- if .Values.x }}\nkind: {{ .Values.kind }}\n{{- end }}\n")
    code, out, _ = check(capsys, ".")
    assert code == 0
    assert "check what `helm template` prints [PSC902]" in out


BOMB = b"a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
"""Half a kilobyte that unfolds to thirty thousand million strings."""


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\x00",
        b"a: [",
        b"\xef\xbb\xbf\x00",
        b"x" * (limits.YAML_DOCUMENT_BYTES + 1),
        b"[" * 100_000,
        b"[" * 2_000 + b"]" * 2_000,
        b"a: &a [*a]",
        BOMB,
    ],
    ids=["binary", "syntax", "nul", "long", "open", "deep", "cycle", "bomb"],
)
def test_check_reports_files_that_cannot_be_read(
    capsys: pytest.CaptureFixture[str], here: Path, content: bytes
) -> None:
    """No text, no YAML, too long: a finding, also when another rule is asked for."""
    (here / "x.yaml").write_bytes(content)
    assert rules(found(capsys, "x.yaml", "--only", "PSC006")) == ["PSC901"]
    assert rules(found(capsys, "x.yaml", "--without", "PSC901")) == []


def test_check_follows_the_chapters_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The unsafe pod needs two names allowed; a KubeletConfig that does so is taken into account."""
    listed = found(capsys, str(CHAPTER / "sysctl-example-unsafe.yaml"))
    assert rules(listed) == ["PSC006", "PSC006"]
    assert [f["subject"] for f in listed] == ["net.core.somaxconn", "kernel.msgmax"]


# Forms


def test_text_names_place_rule_and_hint(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """As compilers print; the summary is talk."""
    (here / "p.yaml").write_text(HOSTILE)
    code, out, err = check(capsys, "p.yaml")
    assert code == 3
    first, hint, *_ = out.splitlines()
    assert first.startswith("p.yaml:8:13: error: Pod a,b:c%: vm.swappiness")
    assert first.endswith("[PSC005]")
    assert hint == "    hint: set it on the node (Tuned, sysctl.d)"
    assert "[PSC010] (fixable)" in out
    assert "1 file checked: " in err


def test_json_is_one_object(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Stable keys."""
    (here / "p.yaml").write_text(HOSTILE)
    first = found(capsys, "p.yaml")[0]
    assert {k: first[k] for k in ("rule", "severity", "file", "line", "column", "subject", "fixable")} == {
        "rule": "PSC005", "severity": "error", "file": "p.yaml", "line": 8, "column": 13, "subject": "vm.swappiness",
        "fixable": False,
    }  # fmt: skip


def test_sarif_has_rules_and_results(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Every result refers to a rule by identifier and index."""
    (here / "p.yaml").write_text(HOSTILE)
    _, out, _ = check(capsys, "p.yaml", "--format", "sarif")
    raw = json.loads(out)
    (run,) = raw["runs"]
    described = run["tool"]["driver"]["rules"]
    assert raw["version"] == "2.1.0"
    assert [rule["id"] for rule in described] == [rule.id for rule in RULES]
    assert {described[result["ruleIndex"]]["id"] == result["ruleId"] for result in run["results"]} == {True}
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "p.yaml"}, "region": {"startLine": 8, "startColumn": 13}}


def test_sarif_names_files_as_uris(
    capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blanks, colons and the like are escaped, absolute paths have a scheme, standard input has a name."""
    for name in ("a b.yaml", "a:b#é.yaml"):
        (here / name).write_text(HOSTILE)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(HOSTILE.encode())))
    _, out, _ = check(capsys, "a b.yaml", "a:b#é.yaml", str(here / "a b.yaml"), "-", "--format", "sarif")
    places = [r["locations"][0]["physicalLocation"] for r in json.loads(out)["runs"][0]["results"]]
    wanted = {"a%20b.yaml", "a%3Ab%23%C3%A9.yaml", f"file://{here}/a%20b.yaml", "stdin"}
    assert {place["artifactLocation"]["uri"] for place in places} == wanted


def test_junit_is_xml_whatever_the_files_hold(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Names and messages are escaped; notes do not fail."""
    (here / '<&">.yaml').write_text(HOSTILE.replace("a,b:c%", "<&\\u0001\\ud800>"))
    _, out, _ = check(capsys, ".", "--format", "junit")
    root = ElementTree.fromstring(out)
    assert root[0].get("failures") == str(len(root.findall(".//failure")))
    assert root.findall(".//testcase")[0].get("classname") == '<&">.yaml'
    (here / '<&">.yaml').write_text("a: 1\n")
    _, out, _ = check(capsys, ".", "--format", "junit")
    assert ElementTree.fromstring(out)[0].get("failures") == "0"


def test_github_annotations_are_escaped(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """A manifest cannot write workflow commands of its own."""
    (here / "p.yaml").write_text(HOSTILE.replace("a,b:c%", "a\\n::error::x%0A"))
    _, out, _ = check(capsys, "p.yaml", "--format", "github")
    lines = out.splitlines()
    assert all(line.startswith(("::error file=", "::warning file=", "::notice file=")) for line in lines)
    assert lines[0].startswith("::error file=p.yaml,line=8,col=13,title=PSC005::Pod a%0A::error::x%250A")


# Excuses


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore PSC005"),
        ("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore"),
        ("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore node-level-in-pod"),
        ("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore: PSC005, the vendor wants it"),
        ("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore because the vendor wants it"),
        ("    - name: vm.swappiness", "    # podsysctl:ignore PSC005 PSC006\n    - name: vm.swappiness"),
        ("apiVersion", "# podsysctl:ignore-file PSC005\napiVersion"),
        ("apiVersion", "# podsysctl:ignore-file\napiVersion"),
    ],
)
def test_comments_excuse(capsys: pytest.CaptureFixture[str], here: Path, old: str, new: str) -> None:
    """A line, the line above it, or a whole file."""
    (here / "p.yaml").write_text(HOSTILE.replace(old, new, 1))
    assert "PSC005" not in rules(found(capsys, "p.yaml"))


def test_comments_excuse_no_other_rule_and_no_other_line(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Only what they name, where they stand."""
    text = HOSTILE.replace("- name: vm.swappiness", "- name: vm.swappiness  # podsysctl:ignore PSC006")
    (here / "p.yaml").write_text(text)
    assert {"PSC005", "PSC006"} <= set(rules(found(capsys, "p.yaml")))


def test_baseline_excuses_what_was_known_wherever_it_moves(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Lines may move; one more of the same kind is new."""
    (here / "p.yaml").write_text(HOSTILE)
    code, out, err = check(capsys, "p.yaml", "--write-baseline", "known.json")
    assert (code, out) == (0, "")
    assert "recorded in known.json" in err
    (here / "p.yaml").write_text("# a comment\n\n" + HOSTILE)
    assert check(capsys, "p.yaml", "--baseline", "known.json", "--fail-on", "note")[:2] == (0, "")
    again = HOSTILE + "    - name: vm.swappiness\n      value: '2'\n"
    (here / "p.yaml").write_text(again)
    assert sorted(rules(found(capsys, "p.yaml", "--baseline", "known.json"))) == ["PSC002", "PSC005"]


@pytest.mark.parametrize("content", ["{", "[]", '{"findings": []}', '{"findings": {"a": "b"}}', None])
def test_baseline_that_is_none_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], here: Path, content: str | None
) -> None:
    """Never taken for an empty one."""
    (here / "p.yaml").write_text(HOSTILE)
    if content is not None:
        (here / "known.json").write_text(content)
    code, out, err = check(capsys, "p.yaml", "--baseline", "known.json")
    assert (code, out) == (2, "")
    assert "known.json" in err


# Repairs


def test_fix_repairs_files_and_reports_the_rest(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """In place; everything else of the file stays as it was; a second run finds nothing to repair."""
    (here / "p.yaml").write_text(HOSTILE)
    code, out, err = check(capsys, "p.yaml", "--fix")
    assert code == 3
    assert "PSC010" not in out
    assert "PSC005" in out
    assert "1 finding(s) repaired" in err
    assert (here / "p.yaml").read_text() == HOSTILE.replace("kernel/shm", "kernel.shm")
    assert "repaired" not in check(capsys, "p.yaml", "--fix")[2]


def test_fix_repairs_one_place_twice_in_one_call(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """A number as the value of a name with slashes, and line ends of another system stay."""
    text = HOSTILE.replace('value: "1"', "value: 1").replace("\n", "\r\n")
    (here / "p.yaml").write_bytes(text.encode())
    check(capsys, "p.yaml", "--fix")
    assert (here / "p.yaml").read_bytes() == HOSTILE.replace("kernel/shm", "kernel.shm").replace("\n", "\r\n").encode()
    assert "repairs" not in check(capsys, "p.yaml")[2]


def test_file_of_parameters_is_known_by_its_content(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """When it is named itself; in a directory only sysctl.d counts."""
    (here / "tuning.conf").write_text("# nodes\n\n-vm.swappiness = 999\n")
    assert rules(found(capsys, "tuning.conf")) == ["PSC008"]
    assert rules(found(capsys, ".")) == []


def test_fix_leaves_excused_findings_alone(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Who excuses a line wants it so; the same for rules that were left out."""
    text = HOSTILE.replace("kernel/shm_rmid_forced", "kernel/shm_rmid_forced  # podsysctl:ignore PSC010")
    (here / "p.yaml").write_text(text)
    check(capsys, "p.yaml", "--fix")
    assert (here / "p.yaml").read_text() == text
    (here / "p.yaml").write_text(HOSTILE)
    check(capsys, "p.yaml", "--fix", "--without", "slash-name")
    assert (here / "p.yaml").read_text() == HOSTILE


# Choices and exit codes


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], 3),
        (["--fail-on", "never"], 0),
        (["--only", "PSC006"], 0),
        (["--only", "unsafe-sysctl", "--fail-on", "warning"], 3),
        (["--without", "PSC005", "--without", "PSC006", "--fail-on", "warning"], 3),
        (["--without", "PSC005", "--without", "PSC006", "--without", "PSC010", "--fail-on", "note"], 0),
    ],
)
def test_exit_code_follows_the_worst_finding(
    capsys: pytest.CaptureFixture[str], here: Path, words: list[str], expected: int
) -> None:
    """3 at or above --fail-on, which is error unless told otherwise."""
    (here / "p.yaml").write_text(HOSTILE)
    assert check(capsys, "p.yaml", *words)[0] == expected


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["nowhere.yaml"],
        ["p.yaml", "--only", "PSC999"],
        ["p.yaml", "--cluster-version", "new"],
        ["p.yaml", "--kernel", "new"],
        ["--explain", "PSC999"],
    ],
)
def test_usage_errors_exit_2(capsys: pytest.CaptureFixture[str], here: Path, words: list[str]) -> None:
    """With a hint, and nothing on standard output."""
    (here / "p.yaml").write_text(HOSTILE)
    code, out, err = check(capsys, *words)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


def test_version_and_kernel_decide_what_is_safe(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """Both sides of the boundary; a kernel may be a recorded probe."""
    text = HOSTILE.replace("net.core.somaxconn", "net.ipv4.tcp_rmem").replace('"1024"', '"4096 8192 16384"')
    (here / "p.yaml").write_text(text)
    assert "PSC006" in rules(found(capsys, "p.yaml", "--cluster-version", "1.31"))
    assert "PSC006" not in rules(found(capsys, "p.yaml", "--cluster-version", "v1.32.0"))
    assert "PSC006" in rules(found(capsys, "p.yaml", "--kernel", "4.14"))
    assert "PSC006" not in rules(found(capsys, "p.yaml", "--kernel", "4.15"))


# Documentation


def test_rules_and_explain_tell_about_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    """The list names each; each explains itself by identifier and by name."""
    code, out, _ = check(capsys, "--rules")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[1:]] == [rule.id for rule in RULES]
    for rule in RULES:
        assert check(capsys, "--explain", rule.name)[1] == pages.page(rule)


def test_every_rule_has_its_page() -> None:
    """`./run docs` was run after the last change; pages of rules that are gone are gone as well."""
    directory = TOP / "docs" / "rules"
    expected = {f"{rule.id}.md": pages.page(rule) for rule in RULES} | {"README.md": pages.index()}
    assert {path.name: path.read_text() for path in directory.iterdir()} == expected


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_page_says_what_why_and_what_to_do(rule: Any) -> None:
    """A first paragraph of one sentence or two, and at least two more."""
    paragraphs = pages.explanation(rule).split("\n\n")
    assert len(paragraphs) >= 3, paragraphs
    assert len(paragraphs[0]) <= 160
