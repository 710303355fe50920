"""Chroots, which are told from other roots, and left by making their tree the root of a mount namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import own_root
from podsysctl.runtime.binaries import find_binaries
from podsysctl.runtime.containerd import PrivateContainerd
from tests.chroot import is_chroot

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount and to enter a mount namespace"),
]

SOURCE = str(Path(own_root.__file__).resolve().parents[2])
ASK = f"""
import sys
sys.path.insert(0, {SOURCE!r})
from podsysctl.runtime.own_root import is_chroot
print(is_chroot())
"""

MOUNTED = 'mount --bind "$tree" "$tree" && mount --rbind / "$tree"'
PLAIN = """
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$tree/"
  elif [ -d "$entry" ]; then mkdir -p "$tree$entry" && mount --rbind "$entry" "$tree$entry"
  fi
done
"""
PREPARE = """
tree=$1; shift
FILL
mount -t tmpfs mark "$tree/mnt"
touch "$tree/mnt/mark"
mount --make-rshared "$tree/proc"
mount --make-rshared "$tree/mnt"
mounts() { cut -d ' ' -f 1,2,5 /proc/self/mountinfo; }
mounts >"$tree/mnt/before"
chroot "$tree" "$@"
code=$?
mounts >"$tree/mnt/after"
cmp "$tree/mnt/before" "$tree/mnt/after" && exit $code
"""
"""A chroot of the same tree, which alone has a file /mnt/mark; some mounts are shared, so that what leaves it shows."""


@pytest.fixture
def shell(tmp_path: Path) -> str:
    """A script that becomes /bin/sh."""
    path = tmp_path / "sh"
    path.write_text(own_root.script("/bin/sh"))
    path.chmod(0o700)
    return str(path)


@pytest.fixture(params=[MOUNTED, PLAIN], ids=["mount", "directory"])
def chrooted(request: pytest.FixtureRequest, shell: str, tmp_path: Path) -> Callable[..., str]:
    """What a command prints in a chroot, all in a mount namespace that ends with it and that the machine hears not."""
    tree = tmp_path / "tree"
    tree.mkdir()

    def call(*command: str) -> str:
        words = [shell, "-c", PREPARE.replace("FILL", request.param), "sh", str(tree), *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_is_chroot_of_the_tests_own_root() -> None:
    """The kernel refuses user namespaces in a chroot; our root and directory stay what they were."""
    before = Path("/").stat().st_ino, Path.cwd()
    assert own_root.is_chroot() == is_chroot()
    assert (Path("/").stat().st_ino, Path.cwd()) == before


def test_chroot_of_the_same_tree_is_told(chrooted: Callable[..., str]) -> None:
    """Also where the directory has the device and inode of the machine's root."""
    assert chrooted(sys.executable, "-I", "-S", "-c", ASK) == "True\n"


def test_program_in_a_chroot_gets_the_tree_as_its_namespaces_root(chrooted: Callable[..., str], shell: str) -> None:
    """Who enters the namespace finds the chroot's files; without, those of the machine."""
    enter = "nsenter --mount=/proc/self/ns/mnt ls /mnt/mark 2>&1 || true"
    assert "No such file" in chrooted("sh", "-c", enter)
    assert chrooted(shell, "-c", enter) == "/mnt/mark\n"
    assert chrooted(shell, "-c", 'exec "$@"', "sh", sys.executable, "-I", "-S", "-c", ASK) == "False\n"


def test_program_keeps_its_working_directory(chrooted: Callable[..., str], shell: str, tmp_path: Path) -> None:
    """One that was removed, as runc's may be, becomes the root directory."""
    assert chrooted("sh", "-c", f"cd /mnt && exec {shell} -c pwd") == "/mnt\n"
    gone = tmp_path / "gone"
    assert chrooted("sh", "-c", f"mkdir {gone} && cd {gone} && rmdir {gone} && exec {shell} -c pwd") == "/\n"


def test_mounts_of_the_program_stay_its_own(chrooted: Callable[..., str], shell: str) -> None:
    """Nothing it mounts or unmounts reaches the machine, which `chrooted` compares."""
    script = "mount -t tmpfs more /mnt && umount -l /proc && ls -A /mnt"
    assert chrooted(shell, "-c", script) == ""


def test_script_passes_arguments_and_exit_code(tmp_path: Path) -> None:
    """It stands where a program's path is wanted, so it must act as the program does."""
    program = tmp_path / "a program"
    program.write_text('#!/bin/sh\nprintf "%s|" "$0" "$@"\nexit 7\n')
    path = tmp_path / "script"
    path.write_text(own_root.script(str(program)))
    for each in (program, path):
        each.chmod(0o700)
    done = subprocess.run([path, "a b", "$HOME", "*"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, f"{program}|a b|$HOME|*|")


def test_script_of_an_interpreter_that_no_first_line_can_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux reads one argument and 256 bytes of a script's first line."""
    monkeypatch.setattr(sys, "executable", "/opt/my programs/python")
    with pytest.raises(ValueError, match="my programs"):
        own_root.script("/bin/true")


async def test_runc_is_started_by_the_script_in_a_chroot_alone(
    runtime_programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script is tried before containerd is told of it."""
    containerd = PrivateContainerd(tmp_path)
    (tmp_path / "containerd").mkdir()
    found = await find_binaries()
    monkeypatch.setattr(own_root, "is_chroot", lambda: False)
    assert await containerd._for_our_root(found) == found
    monkeypatch.setattr(own_root, "is_chroot", lambda: True)
    script = tmp_path / "containerd" / "runc"
    assert await containerd._for_our_root(found) == replace(found, runc=script)
    assert str(found.runc) in script.read_text()
    with pytest.raises(PodsysctlError, match=r"with this root directory: runc --version: .*No such file"):
        await containerd._for_our_root(replace(found, runc=tmp_path / "none"))
