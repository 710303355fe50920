"""Chroots, which are told from other roots, and left by making their tree the root of a mount namespace."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podsysctl.base.errors import PodsysctlError
from podsysctl.runtime import own_root
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

PREPARE = """
tree=$1; shift
mount --bind "$tree" "$tree"
mount --rbind / "$tree"
mount -t tmpfs mark "$tree/mnt"
touch "$tree/mnt/mark"
mount --make-rshared "$tree"
mounts() { cut -d ' ' -f 1,2,5 /proc/self/mountinfo; }
mounts >"$tree/mnt/before"
chroot "$tree" "$@"
code=$?
mounts >"$tree/mnt/after"
cmp "$tree/mnt/before" "$tree/mnt/after" && exit $code
"""
"""A chroot of the same tree, which alone has a file /mnt/mark; its mounts are shared, so that what leaves it shows."""


@pytest.fixture
def shell(tmp_path: Path) -> str:
    """A starter of /bin/sh."""
    own_root.write_starter(tmp_path / "sh", Path("/bin/sh"))
    return str(tmp_path / "sh")


@pytest.fixture
def chrooted(shell: str, tmp_path: Path) -> Callable[..., str]:
    """What a command prints in a chroot, all in a mount namespace that ends with it and that the machine hears not."""
    tree = tmp_path / "tree"
    tree.mkdir()

    def call(*command: str) -> str:
        words = [shell, "-c", PREPARE, "sh", str(tree), *command]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


def test_root_of_this_machine_is_no_chroot() -> None:
    """The answer is that of the kernel's own refusal of user namespaces, and our root stays what it was."""
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


def test_starter_passes_arguments_and_exit_code(tmp_path: Path) -> None:
    """It stands where a program's path is wanted, so it must act as the program does."""
    program = tmp_path / "a program"
    program.write_text('#!/bin/sh\nprintf "%s|" "$@"\nexit 7\n')
    program.chmod(0o700)
    starter = tmp_path / "starter"
    own_root.write_starter(starter, program)
    done = subprocess.run([starter, "a b", "$HOME", "*"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (7, "a b|$HOME|*|")


def test_starter_with_an_interpreter_that_no_script_can_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux reads one argument and 256 bytes of a script's first line."""
    monkeypatch.setattr(sys, "executable", "/opt/my programs/python")
    with pytest.raises(PodsysctlError, match="my programs"):
        own_root.write_starter(tmp_path / "starter", Path("/bin/true"))
