"""Scripts run by a real shell beside what is said of them: whoever says "it only sets these" must be right.

`sysctl` is a stub that keeps its values in files, so that nothing is written in the kernel.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podsysctl.policy.migration.shell import effects_of

STUB = """\
#!/bin/sh
for word in "$@"; do
  case $word in
    -n) bare=1 ;;
    -*) ;;
    *=*) printf %s "${word#*=}" > "$STATE/${word%%=*}" ;;
    *) if [ "$bare" ]; then cat "$STATE/$word"; else echo "$word = $(cat "$STATE/$word")"; fi ;;
  esac
done
"""
NAMES = st.sampled_from(["vm.a", "vm.b"])
VALUES = st.integers(1, 9).map(str)
OPERATORS = st.sampled_from(["-lt", "-le", "-gt", "-ge", "-ne", "-eq"])
PRESENT = NAMES.map(lambda name: f"$(sysctl -n {name})")
OPERAND = st.one_of(PRESENT, VALUES, st.just('"$X"'), st.just("${Y:-4}"))
TESTS = st.builds("[ {} {} {} ]".format, OPERAND, OPERATORS, OPERAND)
SHAPES = st.sampled_from(
    [
        "[ $(sysctl -n {0}) {1} {2} ] && sysctl -w {0}={2}",
        "[ {2} {1} $(sysctl -n {0}) ] || sysctl -w {0}={2}",
        "if [ $(sysctl -n {0}) {1} {2} ]; then sysctl -w {0}={2}; fi",
        "if [ ! {2} {1} $(sysctl -n {0}) ]; then echo no; else sysctl -w {0}={2}; fi",
        "X=$(sysctl -n {0}); if ! [ $X {1} {2} ]; then sysctl -w {0}={2}; fi",
        "X={2}; test $X {1} $(sysctl -n {0}) && echo yes && sysctl -w {0}=$X",
        "if [ $(sysctl -n {0}) {1} {2} ]; then exit 0; fi; sysctl -w {0}={2}",
    ]
)
GUARDED = st.builds(lambda shape, *words: shape.format(*words), SHAPES, NAMES, OPERATORS, VALUES)
SIMPLE = st.one_of(
    GUARDED,
    st.builds("sysctl -w {}={}".format, NAMES, st.one_of(VALUES, st.just("$X"))),
    st.builds("sysctl -q -w vm.a={} vm.b={}".format, VALUES, VALUES),
    st.builds("X={}".format, st.one_of(VALUES, PRESENT)),
    st.sampled_from(["true", "echo done", "exit 0", "false", "exec 2>/dev/null", "X=7 true", "X=", "trap - EXIT"]),
    st.sampled_from(["trap 'sysctl -w vm.a=8' EXIT", "ls /nowhere", "command -v sysctl", "S='vm.a=2 vm.b=6'"]),
    st.sampled_from(["sysctl -w $S", "sysctl -w vm.a=${X:-6}", "sysctl -w vm.b=${X-5}", "export X"]),
    TESTS,
)


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    joined = st.builds("{}{}{}".format, inner, st.sampled_from([" && ", " || ", "; ", "\n"]), inner)
    branch = st.builds("if {}; then {}; else {}; fi".format, st.one_of(TESTS, inner), inner, inner)
    grouped = st.one_of(inner.map("( {} )".format), inner.map("! {}".format), inner.map("{{ {}; }}".format))
    return st.one_of(joined, branch, grouped)


SCRIPTS = st.recursive(SIMPLE, _compound, max_leaves=8)


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory for values, with the stub beside it in `bin`."""
    top = tmp_path_factory.mktemp("shell")
    (top / "bin").mkdir()
    (top / "state").mkdir()
    program = top / "bin" / "sysctl"
    program.write_text(STUB)
    program.chmod(0o755)
    return top


def really(stub: Path, script: str, before: dict[str, str]) -> dict[str, str]:
    """The values after a real shell ran the script."""
    for name, value in before.items():
        (stub / "state" / name).write_text(value)
    subprocess.run(
        ["sh", "-c", script], capture_output=True, check=False, timeout=20,
        env={"PATH": f"{stub / 'bin'}:/usr/bin:/bin", "STATE": str(stub / "state")},
    )  # fmt: skip
    return {name: (stub / "state" / name).read_text() for name in before}


def as_said(script: str, before: dict[str, str]) -> dict[str, str] | None:
    """The values after the writes that are said to be all it does, of repeated names the last; None when unclear."""
    found = effects_of({"command": ["sh", "-c", script]})
    if not found.only_sets:
        return None
    after = dict(before)
    for name, write in {w.name: w for w in found.writes}.items():
        has, wanted = int(before[name]), int(write.value)
        if (write.guard == ">" and wanted <= has) or (write.guard == "<" and wanted >= has):
            continue
        after[name] = write.value
    return after


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(SCRIPTS, VALUES, VALUES)
def test_script_that_only_sets_ends_as_said(stub: Path, script: str, a: str, b: str) -> None:
    """Either the real shell leaves exactly the values that were said, or nothing was promised."""
    if shutil.which("sh") is None:
        pytest.skip("there is no shell")
    before = {"vm.a": a, "vm.b": b}
    said = as_said(script, before)
    if said is not None:
        assert really(stub, script, before) == said
