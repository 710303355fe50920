"""The options that sysctl(8) has mean the same here."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from podsysctl.cli.sysctl_export import VOLATILE
from podsysctl.kernel import procsys
from podsysctl.sysctls.name import parse_name

from .conftest import Run

PROCPS = shutil.which("sysctl", path="/usr/sbin:/sbin:/usr/bin:/bin") or ""
needs_procps = pytest.mark.skipif(not PROCPS, reason="sysctl of procps is not installed")


def procps(*words: str) -> list[str]:
    """What sysctl(8) prints."""
    return subprocess.run([PROCPS, *words], capture_output=True, text=True, check=False).stdout.splitlines()


def steady(lines: list[str]) -> list[str]:
    """Lines of parameters that hold still while other tests make and remove interfaces."""
    out = []
    for line in lines:
        name = parse_name(line.split(" = ")[0])
        moving = name.dotted in VOLATILE or name.dotted.startswith("fs.quota.")
        if not moving and (name.interface in (None, "lo", "eth0") or not name.is_interface_specific):
            out.append(line)
    return sorted(out)


@needs_procps
@pytest.mark.parametrize("words", [("-a",), ("-a", "-N"), ("-a", "-r", "shm|somax"), ("-a", "--deprecated")])
def test_all_prints_the_lines_of_procps(run: Run, words: tuple[str, ...]) -> None:
    """The same names with the same values, counters and other tests' interfaces aside."""
    assert steady(run("sysctl", *words).out.splitlines()) == steady(procps(*words))


@needs_procps
def test_list_prints_the_lines_of_procps_in_order(run: Run) -> None:
    """`sysctl list` is `sysctl -a`."""
    ours = [line.split(" = ")[0] for line in run("sysctl", "list").out.splitlines()]
    assert steady(run("sysctl", "list").out.splitlines()) == steady(procps("-a"))
    assert [name for name in ours if name.startswith("kernel.")] == [
        line.split(" = ")[0] for line in procps("-a") if line.startswith("kernel.")
    ]


@needs_procps
@pytest.mark.parametrize(
    "words",
    [
        ("net.core.somaxconn",),
        ("net/core/somaxconn", "kernel.shmmni"),
        ("-n", "net.ipv4.ip_local_port_range"),
        ("-N", "kernel.sem"),
        ("-b", "kernel.ostype"),
        ("net.unix",),
        ("-e", "net.core.nonesuch", "kernel.ostype"),
        ("--dry-run", "net.core.somaxconn=5"),
        ("-n", "--dry-run", "net.core.somaxconn=5"),
        ("-q", "--dry-run", "net.core.somaxconn=5"),
    ],
)
def test_output_is_that_of_procps(run: Run, words: tuple[str, ...]) -> None:
    """Byte for byte, as far as both have the option."""
    expected = subprocess.run([PROCPS, *words], capture_output=True, text=True, check=False)
    done = run("sysctl", *words)
    assert (done.out, done.code) == (expected.stdout, expected.returncode)


@pytest.mark.parametrize(
    "words", [("net.core.nonesuch",), ("-w", "net.core.somaxconn"), (), ("-p", "/nonexistent"), ("-w", "net.core.x=1")]
)
def test_failures_exit_as_procps_does(run: Run, words: tuple[str, ...]) -> None:
    """What fails there fails here."""
    assert run("sysctl", *words).code != 0


@pytest.mark.root
def test_write_in_other_namespace_prints_and_takes_effect(run: Run, other_process: int) -> None:
    """-w with --pid writes there, not here."""
    here = procsys.read(parse_name("net.core.somaxconn"))
    done = run("sysctl", "-w", "net.core.somaxconn=321", "--pid", str(other_process))
    assert done.out == "net.core.somaxconn = 321\n"
    assert run("sysctl", "-n", "net.core.somaxconn", "--pid", str(other_process)).out == "321\n"
    assert procsys.read(parse_name("net.core.somaxconn")) == here


@pytest.mark.root
def test_load_file_applies_lines_in_order_and_goes_on_after_bad_ones(
    run: Run, other_process: int, tmp_path: Path
) -> None:
    """Comments, patterns, exclusions and forgiven failures, as in sysctl.d(5)."""
    file = tmp_path / "x.conf"
    file.write_text(
        "# a comment\n; another\nnet.core.somaxconn = 100\nnet.core.somaxconn=200\n-net.core.nonesuch = 1\n"
        "net.ipv4.conf.*.log_martians = 1\nnet.ipv4.conf.lo.log_martians = 0\nnonsense\n"
    )
    done = run("sysctl", "-p", str(file), "--pid", str(other_process))
    assert done.code == 1
    assert f"{file}(8): invalid syntax" in done.err
    values = run(
        "sysctl", "-n", "net.core.somaxconn", "net.ipv4.conf.all.log_martians", "net.ipv4.conf.lo.log_martians",
        "--pid", str(other_process),
    )  # fmt: skip
    assert values.out.split() == ["200", "1", "0"]
