"""What a machine can check of how the source is laid out."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SOURCE = TOP / "src" / "podsysctl"
GENERATED = {SOURCE / "runtime" / "cri_pb2.py"}
MODULE_LINES = 600
FUNCTION_LINES = 70
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path not in GENERATED)
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc"}


def module_ids(path: Path) -> str:
    """A short name for a parametrised case."""
    return str(path.relative_to(SOURCE))


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_architecture_question_table_names_existing_files() -> None:
    """Each row of the question-to-file table points at something that is there."""
    rows = re.findall(r"^\| .*\? \| (.*) \|$", (TOP / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert len(rows) >= 15
    for row in rows:
        for name in re.findall(r"`([^`]+)`", row):
            assert (TOP / name).exists(), f"{name} is named in ARCHITECTURE.md and is not there"


def test_sysctl_forbidden_is_defined_in_one_place() -> None:
    """The reason SysctlForbidden is decided in node/gates/sysctl.py and nowhere else."""
    definition = re.compile(r"^[A-Z_]+(: Final)? = \"SysctlForbidden\"", re.MULTILINE)
    found = {module_ids(p) for p in MODULES if definition.search(p.read_text())}
    readers = {"controllers/rejections.py"}  # recognises what a node has written, on any cluster
    assert found - readers == {"node/gates/sysctl.py"}


def test_proc_sys_is_written_in_one_place() -> None:
    """Only kernel/procfile.py opens files below /proc/sys for writing.

    It is apart from kernel/procsys.py because the CNI plugin cannot afford what that imports.
    """
    writing = re.compile(
        r"os\.open\([^)]*O_(WRONLY|RDWR)[^)]*\)|open\([^)]*[\"'](w|r\+|a)b?[\"']\)|write_text|write_bytes"
    )
    found = []
    for path in MODULES:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if "/proc/sys" in line and writing.search(line):
                found.append(f"{module_ids(path)}:{number}")
    assert [f for f in found if not f.startswith("kernel/procfile.py")] == []
    openers = [module_ids(p) for p in MODULES if "O_WRONLY" in p.read_text() and p.parent.name in ("kernel", "cni")]
    # The others write files of their own, and sysfs.py those of /sys.
    own_files = ("kernel/procfile.py", "kernel/journal.py", "kernel/sysfs.py")
    assert [m for m in openers if m not in own_files] == []


REPLACERS = {
    "base/durable.py",
    "apiserver/audit.py",  # rotates a log
    "cni/install.py",  # a program, installed again when it is not there
    "kernel/journal.py",  # syncs, and the lock goes along with the new file
    "node/log_rotation.py",
    "node/tuning/files.py",  # what a running process tells; nothing depends on it after a crash
    "node/volumes/atomic.py",  # a link, made anew with the pod's volumes
    "node/volumes/manager.py",  # a directory, made again unless it has its name
    "runtime/containerd.py",  # its configuration, written again at every start
    "runtime/images/archive.py",  # an image, built again whenever it is not imported
}


def test_files_that_must_survive_are_replaced_in_one_place() -> None:
    """Whatever else renames a file over another one says above why a loss of power costs nothing."""
    found = set()
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.keywords:
                of_os = isinstance(node.func.value, ast.Name) and node.func.value.id == "os"
                # A string's replace takes two.
                if node.func.attr in ("replace", "rename") and len(node.args) == (2 if of_os else 1):
                    found.add(module_ids(path))
    assert found == REPLACERS


@pytest.mark.parametrize("path", MODULES, ids=module_ids)
def test_module_is_short_and_documented(path: Path) -> None:
    """A module has a docstring, at most 600 lines, and no function longer than 70."""
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "no module docstring"
    assert len(text.splitlines()) <= MODULE_LINES
    long = [
        f"{f.name} ({f.end_lineno - f.lineno + 1})"
        for f in functions(tree)
        if f.end_lineno is not None and f.end_lineno - f.lineno + 1 > FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("path", MODULES, ids=module_ids)
def test_module_name_says_what_it_decides(path: Path) -> None:
    """No module or package is called utils, common, helpers or misc."""
    assert not VAGUE & set(path.relative_to(SOURCE).with_suffix("").parts)


def test_public_functions_have_docstrings() -> None:
    """Every public function and class of the source has a docstring."""
    missing = []
    for path in MODULES:
        for node in ast.parse(path.read_text()).body:
            if (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
                and not node.name.startswith("_")
                and not ast.get_docstring(node)
            ):
                missing.append(f"{module_ids(path)}:{node.name}")
    assert missing == []


def tracked() -> list[str]:
    """The files that git knows; skips where it cannot be asked."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed: the tracked files are unknown")
    done = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, text=True, check=False)
    if not done.stdout:
        pytest.skip("not a git checkout: the tracked files are unknown")
    return [name for name in done.stdout.split("\0") if name]


def test_tracked_files_hold_no_address_of_a_registry_or_machine() -> None:
    """Lock files hold no index address; no tracked file holds a path of a developer's machine."""
    for name in tracked():
        path = TOP / name
        if "requirements" in path.name and path.exists():
            assert not re.search(r"https?://|--(extra-)?index-url", path.read_text()), name


def test_tracked_files_hold_no_package() -> None:
    """Built packages and archives are downloaded, never kept."""
    assert [name for name in tracked() if name.endswith((".whl", ".egg", ".tar.gz", ".deb", ".pyc"))] == []


def test_architecture_question_table_asks_nothing_twice() -> None:
    """One question, one row."""
    rows = re.findall(r"^\| (.*\?) \| .* \|$", (TOP / "ARCHITECTURE.md").read_text(), re.MULTILINE)
    assert len(rows) == len(set(rows))
