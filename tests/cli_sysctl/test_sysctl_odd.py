"""What a person types who does not know the commands yet, and options that sysctl(8) has for its own past."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from podsysctl.base.versions import PROGRAM_VERSION

from .conftest import Run

PROCPS = shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin") or ""
UNSET = "net.ipv6.conf.default.stable_secret"


def test_version_and_options_that_do_nothing(run: Run) -> None:
    """-V, -o, -x and -d are taken as sysctl(8) takes them."""
    assert run("sysctl", "-V").out == f"podsysctl {PROGRAM_VERSION}\n"
    assert run("sysctl", "-o", "-x", "kernel.ostype").out == "kernel.ostype = Linux\n"
    with pytest.raises(SystemExit) as done:
        run("sysctl", "-d")
    assert done.value.code == 0


@pytest.mark.parametrize("verb", [(), ("get",), ("list",)])
def test_words_behind_two_dashes_are_names(run: Run, verb: tuple[str, ...]) -> None:
    """`--` ends the options, not the command."""
    assert run("sysctl", *verb, "--", "kernel.ostype").out == "kernel.ostype = Linux\n"
    assert run("sysctl", "set", "--dry-run", "--", "kernel.shmmni=1").out == "kernel.shmmni = 1\n"


@pytest.mark.skipif(not PROCPS, reason="sysctl of procps is not installed")
@pytest.mark.parametrize(
    "words", [("-a", "-b", "-r", "ostype|osrelease"), ("-b", "--dry-run", "kernel.shmmni=4096"), ("net.unix", "-N")]
)
def test_binary_output_is_that_of_procps(run: Run, words: tuple[str, ...]) -> None:
    """-b leaves out the newline with every other option."""
    expected = subprocess.run([PROCPS, *words], capture_output=True, text=True, check=False)
    done = run("sysctl", *words)
    assert (done.out, done.code) == (expected.stdout, expected.returncode)


@pytest.mark.skipif(not PROCPS, reason="sysctl of procps is not installed")
def test_system_dry_run_prints_the_lines_of_procps(run: Run) -> None:
    """The files that are applied, by name, and what they ask for."""
    expected = subprocess.run([PROCPS, "--system", "--dry-run"], capture_output=True, text=True, check=False)
    lines = [line for line in expected.stdout.splitlines() if line != "* Applying /etc/sysctl.conf ..."]
    ours = [line for line in run("sysctl", "--system", "--dry-run").out.splitlines() if "/etc/sysctl.conf" not in line]
    assert ours == lines


def test_secret_that_nobody_has_set_is_no_failure_of_a_list(run: Run) -> None:
    """The kernel answers EIO for an unset stable_secret; only who asks for it by name is told."""
    if not Path("/proc/sys/" + UNSET.replace(".", "/")).exists():
        pytest.skip("this kernel has no IPv6")
    done = run("sysctl", "get", UNSET)
    if done.code == 0:
        pytest.skip("somebody has set the secret of this host")
    assert (done.out, done.err) == ("", f"podsysctl: {UNSET}: has not been set\n")
    for words in (("-a",), ("list",), ("net.ipv6.conf.default",), ("get", "net.ipv6.conf.default"), ("list", "net.*")):
        done = run("sysctl", *words)
        assert (done.code, "stable_secret" in done.err) == (0, False), words


@pytest.mark.root
def test_secret_can_be_set_and_reads_back_in_the_kernels_spelling(run: Run, other_process: int) -> None:
    """Before the first write there is no value to save, and addresses are compared as addresses."""
    done = run("sysctl", "set", "net.ipv6.conf.lo.stable_secret=2001:db8::1", "--pid", str(other_process))
    assert done == (0, "net.ipv6.conf.lo.stable_secret = 2001:0db8:0000:0000:0000:0000:0000:0001\n", "")
    (tried,) = json.loads(run("sysctl", "try", "net.ipv6.conf.lo.stable_secret=2001:db8::1", "-o", "json").out)
    assert tried["answer"] == "accepted"


@pytest.mark.parametrize("group", ["net/unix/", "net.unix.", "/proc/sys/net/unix/", "/proc/sys/net/unix"])
def test_group_with_the_separator_behind_it_is_the_group(run: Run, group: str) -> None:
    """A shell completes directories so."""
    assert run("sysctl", "get", "-N", group).out == "net.unix.max_dgram_qlen\n"


@pytest.mark.parametrize("words", [("set", "--dry-run", "net.core.somaxcon=1"), ("--dry-run", "net.core.somaxcon=1")])
def test_dry_run_of_a_name_that_is_not_there_fails(run: Run, words: tuple[str, ...]) -> None:
    """A dry run that succeeds must mean that the names exist."""
    done = run("sysctl", *words)
    assert (done.code, done.out) == (1, "")
    assert "there is no such parameter" in done.err
    assert run("sysctl", "--dry-run", "-e", "net.core.somaxcon=1") == (0, "", "")


@pytest.mark.parametrize("word", ["=", "=1", " =1", "kernel.sem"])
def test_set_without_a_name_or_value_says_how_to_write_it(run: Run, word: str) -> None:
    """`a = 1` in three words is the likeliest mistake."""
    done = run("sysctl", "set", word)
    assert done.code == 2
    assert "not of the form NAME=VALUE" in done.err
    assert "hint: write it as one word" in done.err


def test_mode_of_the_file_is_told_as_such(run: Run) -> None:
    """Root is kept out by the file's mode, which is not a matter of this user."""
    if os.geteuid() != 0:
        pytest.skip("needs root: other users are refused for another reason")
    assert run("sysctl", "set", "kernel.ostype=x").err == "error: kernel.ostype = 'x': is read-only (EACCES)\n"
    assert "net.ipv4.route.flush: can only be written (EACCES)" in run("sysctl", "get", "net.ipv4.route.flush").err


def test_diff_names_the_argument_that_is_missing(run: Run) -> None:
    """Patterns may be left out, so they are not asked for."""
    done = run("sysctl", "diff", "host")
    assert (done.code, "required: RIGHT\n" in done.err) == (2, True)


def test_origin_of_what_nobody_speaks_of_has_no_empty_table(run: Run) -> None:
    """Only the sentence is left."""
    done = run("sysctl", "origin", "kernel.random.boot_id")
    assert (done.code, "WHO" in done.out) == (0, False)
    assert "computed by the kernel" in done.out


def test_undo_of_a_journal_that_is_not_there_makes_none(run: Run, tmp_path: Path) -> None:
    """A misspelt file must not look like work done."""
    done = run("sysctl", "set", "--undo", "--journal", str(tmp_path / "none"))
    assert (done.code, done.out) == (2, "")
    assert f"there is no journal {tmp_path}/none" in done.err
    assert list(tmp_path.iterdir()) == []
