"""Reading and writing /proc/sys, here and in other namespaces."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from podsysctl.base import limits
from podsysctl.base.errors import KernelError
from podsysctl.kernel import files, namespaces, procsys
from podsysctl.kernel.journal import Journal
from podsysctl.kernel.namespaces import Namespaces
from podsysctl.kernel.procsys import Reading
from podsysctl.sysctls.name import SysctlName, parse_name
from tests.chroot import outside_chroot

SOMAXCONN = parse_name("net.core.somaxconn")
SHMMNI = parse_name("kernel.shmmni")
QDISC = parse_name("net.core.default_qdisc")
KEEPALIVE = parse_name("net.ipv4.tcp_keepalive_time")


def test_read_value_is_the_files_text_without_newline() -> None:
    """What the file holds, the final newline aside."""
    assert procsys.read(SOMAXCONN) == Path("/proc/sys/net/core/somaxconn").read_text().rstrip("\n")


def test_read_missing_name_says_so_with_errno() -> None:
    """The error names parameter and reason, and keeps the number."""
    with pytest.raises(KernelError, match=r"net\.core\.nothing: there is no such parameter") as caught:
        procsys.read(parse_name("net.core.nothing"))
    assert caught.value.errno == errno.ENOENT


def test_read_group_is_refused() -> None:
    """A directory is no parameter."""
    with pytest.raises(KernelError, match="is a group of parameters"):
        procsys.read(parse_name("net.core"))


def test_open_below_escaping_path_is_refused_by_the_kernel() -> None:
    """Even a name that was never parsed cannot leave /proc/sys."""
    root = files.open_root()
    try:
        for escape in (("..", "version"), ("..", "..", "etc", "passwd"), ("kernel", "..", "..", "version")):
            with pytest.raises(OSError, match=r"[Cc]ross-device link"):
                os.close(files.open_below(root, SysctlName(escape), os.O_RDONLY))
    finally:
        os.close(root)


def test_open_below_without_openat2_walks_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels before 5.6 get the same answers."""
    monkeypatch.setattr(files, "_has_openat2", lambda: False)
    assert procsys.read(SOMAXCONN).isdecimal()
    with pytest.raises(KernelError):
        procsys.read(parse_name("net.core.nothing.more"))


def test_read_tree_and_list_names_agree() -> None:
    """The one pass that reads finds the readable part of the one that lists."""
    listed = {entry.name for entry in procsys.list_entries() if entry.readable}
    read = {name for name, _ in procsys.read_tree()}
    assert read <= listed
    assert {name.dotted for name in listed - read} <= {"vm.stat_refresh"} | {
        name.dotted for name in listed if name.is_interface_specific
    }


def test_list_names_below_a_name_are_its_group() -> None:
    """A group gives its members, a parameter itself."""
    assert SOMAXCONN in procsys.list_names(parse_name("net.core"))
    assert procsys.list_names(SOMAXCONN) == [SOMAXCONN]


@pytest.mark.root
def test_read_many_other_namespaces_gives_their_values(other_process: int, unchanged_host: None) -> None:
    """Another pod's values, absent ones as errors, without a process of ours in it."""
    there = Namespaces.of_pid(other_process)
    namespaces.run_in(there, lambda: procsys.write_all({SOMAXCONN: "77", SHMMNI: "99"}))
    readings = procsys.read_many([SOMAXCONN, SHMMNI, QDISC], there)
    assert (readings[SOMAXCONN], readings[SHMMNI]) == ("77", "99")
    missing = readings[QDISC]
    assert isinstance(missing, KernelError)
    assert missing.errno == errno.ENOENT
    assert procsys.read(SOMAXCONN) != "77"


@pytest.mark.root
def test_read_each_one_thread_visits_all_and_comes_home(other_process: int) -> None:
    """A target that names no namespace is the host, also after others."""
    there = Namespaces.of_pid(other_process)
    namespaces.run_in(there, lambda: procsys.write(SOMAXCONN, "55"))
    values = [reading[SOMAXCONN] for reading in procsys.read_each([SOMAXCONN], [there, Namespaces.host(), there])]
    assert values == ["55", procsys.read(SOMAXCONN), "55"]


@outside_chroot
@pytest.mark.root
def test_read_many_user_namespace_of_a_process_is_its_own(root: None) -> None:
    """Names below user. come from the process's user namespace."""
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", "echo ready; exec sleep 60"]
    name = parse_name("user.max_net_namespaces")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            there = Namespaces.of_pid(process.pid, ("user", "net"))
            value = procsys.read_many([name, SOMAXCONN], there)[name]
            expected = subprocess.run(
                ["nsenter", "-U", "-t", str(process.pid), "sysctl", "-n", name.dotted],
                capture_output=True,
                text=True,
                check=True,
            ).stdout.strip()
            assert value == expected
        finally:
            process.kill()


def test_of_pid_without_process_is_an_error() -> None:
    """A process that is gone is told as such."""
    with pytest.raises(KernelError, match="process 4194304 does not exist"):
        Namespaces.of_pid(4194304)


@pytest.mark.root
def test_write_all_refused_value_leaves_everything_as_it_was(root: None) -> None:
    """What was written before the refusal gets its old value back."""

    def attempt() -> tuple[str, str]:
        before = procsys.read(SOMAXCONN)
        with pytest.raises(
            KernelError, match=r"tcp_keepalive_time = 'x': the kernel does not accept this value \(EINVAL\)"
        ):
            procsys.write_all({SOMAXCONN: "5", KEEPALIVE: "x"})
        return before, procsys.read(SOMAXCONN)

    before, after = namespaces.run_in_fresh(("net",), attempt)
    assert before == after


@pytest.mark.root
def test_write_value_reads_back_what_the_kernel_took(root: None) -> None:
    """A value the kernel rounds does not match; white space does not matter."""
    ports = parse_name("net.ipv4.ip_local_port_range")
    rounded = parse_name("net.ipv4.neigh.lo.retrans_time_ms")

    def write() -> list[procsys.Written]:
        return procsys.write_all({ports: "32770   60666", rounded: "1001"})

    first, second = namespaces.run_in_fresh(("net",), write)
    assert (first.after, first.matched) == ("32770\t60666", True)
    assert second.matched is (second.after == "1001")


@pytest.mark.root
def test_write_empty_value_clears_a_list(root: None) -> None:
    """The kernel ignores a write of no bytes, so a newline is written."""
    reserved = parse_name("net.ipv4.ip_local_reserved_ports")

    def write() -> str | None:
        procsys.write(reserved, "8080")
        return procsys.write(reserved, "").after

    assert namespaces.run_in_fresh(("net",), write) == ""


@pytest.mark.root
def test_journal_restore_puts_the_first_original_back(root: None, tmp_path: Path) -> None:
    """Two writes, one undo: the value from before the first."""

    def play() -> tuple[str, str, str]:
        before = procsys.read(SOMAXCONN)
        with Journal(str(tmp_path / "undo")) as journal:
            procsys.write(SOMAXCONN, "11", journal=journal)
            procsys.write(SOMAXCONN, "12", journal=journal)
            during = procsys.read(SOMAXCONN)
            procsys.restore(journal)
        return before, during, procsys.read(SOMAXCONN)

    before, during, after = namespaces.run_in_fresh(("net",), play)
    assert (during, after) == ("12", before)
    assert (tmp_path / "undo").read_text() == ""


@pytest.mark.root
def test_journal_restore_leaves_what_somebody_else_set(root: None, tmp_path: Path) -> None:
    """A value changed by another program since is not overwritten, and is told."""

    def play() -> tuple[bool, str]:
        with Journal(str(tmp_path / "undo")) as journal:
            procsys.write(SOMAXCONN, "11", journal=journal)
            procsys.write(SOMAXCONN, "99")
            (item,) = procsys.restore(journal)
            assert journal.pending() == []
        return item.matched, procsys.read(SOMAXCONN)

    assert namespaces.run_in_fresh(("net",), play) == (False, "99")


@pytest.mark.root
def test_journal_refused_write_keeps_an_earlier_original(root: None, tmp_path: Path) -> None:
    """A write that fails later does not lose the original of one that succeeded before."""

    def play() -> tuple[str, str]:
        before = procsys.read(SOMAXCONN)
        with Journal(str(tmp_path / "undo")) as journal:
            procsys.write(SOMAXCONN, "11", journal=journal)
            with pytest.raises(KernelError):
                procsys.write_all({SOMAXCONN: "12", KEEPALIVE: "x"}, journal=journal)
            assert [record.name for record in journal.pending()] == [SOMAXCONN]
            procsys.restore(journal)
        return before, procsys.read(SOMAXCONN)

    before, after = namespaces.run_in_fresh(("net",), play)
    assert before == after


CRASH = """
import os, sys
from podsysctl.kernel import procsys
from podsysctl.kernel.journal import Journal
from podsysctl.sysctls.name import parse_name
journal = Journal(sys.argv[1]).__enter__()
procsys.write(parse_name("net.core.somaxconn"), "13", journal=journal)
if sys.argv[2] == "between":
    journal.record({parse_name("net.ipv4.tcp_syncookies"): ("1", "0")})
os.kill(os.getpid(), 9)
"""


@pytest.mark.root
@pytest.mark.parametrize("moment", ["after", "between"])
def test_journal_after_kill_still_restores(other_process: int, tmp_path: Path, moment: str) -> None:
    """Originals are on disk before the write: SIGKILL at any moment loses none."""
    there = Namespaces.of_pid(other_process)
    before = procsys.read_many([SOMAXCONN], there)[SOMAXCONN]
    enter = ["nsenter", "-t", str(other_process), "-n", "-i", "-u"]
    done = subprocess.run([*enter, sys.executable, "-c", CRASH, str(tmp_path / "undo"), moment], check=False)
    assert done.returncode == -9
    assert procsys.read_many([SOMAXCONN], there)[SOMAXCONN] == "13"

    def repair() -> list[procsys.Written]:
        with Journal(str(tmp_path / "undo")) as journal:
            return procsys.restore(journal)

    assert all(item.matched for item in namespaces.run_in(there, repair))
    assert procsys.read_many([SOMAXCONN], there)[SOMAXCONN] == before


def test_journal_torn_last_line_is_dropped(tmp_path: Path) -> None:
    """A record that was being appended when the power went announced nothing that was done."""
    path = tmp_path / "undo"
    with Journal(str(path)) as journal:
        journal.record({SOMAXCONN: ("1", "2")})
    with path.open("a") as file:
        file.write('{"op": "write", "na')
    with Journal(str(path)) as journal:
        assert [record.original for record in journal.pending()] == ["1"]
        journal.record({KEEPALIVE: ("3", "4")})
    with Journal(str(path)) as journal:
        assert [record.original for record in journal.pending()] == ["1", "3"]


def test_journal_on_a_full_disk_keeps_what_it_had(tmp_path: Path) -> None:
    """A record that the disk took in part is none, and what is appended later can be read."""
    path = tmp_path / "undo"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Journal(str(path)) as journal:
        journal.record({SOMAXCONN: ("1", "2")})
        size = path.stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10, hard))
        try:
            with pytest.raises(KernelError, match=r"undo: the disk took 10 of \d+ bytes"):
                journal.record({KEEPALIVE: ("3", "4")})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert path.stat().st_size == size
        assert [record.name for record in journal.pending()] == [SOMAXCONN]
        journal.record({SHMMNI: ("5", "6")})
    with Journal(str(path)) as journal:
        assert [record.original for record in journal.pending()] == ["1", "5"]


def test_journal_of_an_earlier_boot_is_forgotten(tmp_path: Path) -> None:
    """After a reboot the kernel has its own defaults again."""
    path = tmp_path / "undo"
    with Journal(str(path)) as journal:
        journal.record({SOMAXCONN: ("1", "2")})
    lines = path.read_text().splitlines(keepends=True)
    path.write_text('{"op": "boot", "id": "another"}\n' + "".join(lines[1:]))
    with Journal(str(path)) as journal:
        assert journal.pending() == []


def test_journal_in_use_is_refused(tmp_path: Path) -> None:
    """Two processes do not share an undo."""
    with (
        Journal(str(tmp_path / "undo")),
        pytest.raises(KernelError, match="another process is using this journal"),
        Journal(str(tmp_path / "undo")),
    ):
        pass


def test_journal_with_foreign_text_is_refused(tmp_path: Path) -> None:
    """A file that is something else is not overwritten."""
    path = tmp_path / "undo"
    path.write_text("not ours\n")
    with pytest.raises(KernelError, match="not a record of the undo journal"), Journal(str(path)):
        pass
    assert path.read_text() == "not ours\n"


def test_journal_that_grew_is_written_anew_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past its bound the file holds what is pending only, and still keeps a second process out."""
    monkeypatch.setattr(limits, "JOURNAL_BYTES", 4096)
    path = tmp_path / "journal"
    name = parse_name("net.core.somaxconn")
    with Journal(str(path)) as journal:
        for number in range(200):
            journal.record({name: ("128", str(number))})
            journal.confirm({name: str(number)})
        assert path.stat().st_size < 2 * 4096
        with pytest.raises(KernelError, match="another process"), Journal(str(path)):
            pass
    with Journal(str(path)) as journal:
        (record,) = journal.pending()
        assert (record.original, record.wanted, record.confirmed) == ("128", "199", "199")
    assert [entry.name for entry in tmp_path.iterdir()] == ["journal"]


def test_coupled_parameters_are_put_back_when_a_later_write_is_refused(root: None) -> None:
    """What the kernel changed along with a write goes back with it, and what never changed is not written."""
    high, low = parse_name("net.ipv4.ipfrag_high_thresh"), parse_name("net.ipv4.ipfrag_low_thresh")

    def inside() -> tuple[dict[SysctlName, Reading], dict[SysctlName, Reading]]:
        every, one = parse_name("net.ipv4.conf.all.forwarding"), parse_name("net.ipv4.conf.lo.forwarding")
        procsys.write(every, "0")
        before = procsys.read_here([every, one])
        with pytest.raises(procsys.WriteRefusedError) as caught:
            procsys.write_all({every: "1", low: str(int(procsys.read(high)) + 1)}, coupled=[one])
        assert caught.value.name == low
        return before, procsys.read_here([every, one])

    before, after = namespaces.run_in_fresh(["net"], inside)
    assert before == after
