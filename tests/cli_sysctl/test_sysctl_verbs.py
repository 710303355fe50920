"""The verbs of `podsysctl sysctl`: get, set, try, probe, diff, export, origin."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from podsysctl.cli import sysctl_diff, sysctl_origin
from podsysctl.kernel import procsys, settings
from podsysctl.kernel.settings import Source
from podsysctl.sysctls.name import parse_name
from tests.chroot import outside_chroot

from .conftest import Run

SOMAXCONN = "net.core.somaxconn"


def test_get_json_is_names_to_values(run: Run) -> None:
    """The stable form for programs."""
    assert json.loads(run("sysctl", "get", "-o", "json", SOMAXCONN).out) == {
        SOMAXCONN: procsys.read(parse_name(SOMAXCONN))
    }


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net.core.somaxcon", "did you mean net.core.somaxconn"),
        ("net.ipv4.conf.eth0.100.rp_filter", "write net.ipv4.conf.eth0/100.rp_filter"),
        ("net.ipv4.tcp_tw_recycle", "podsysctl explain net.ipv4.tcp_tw_recycle"),
    ],
)
def test_get_wrong_name_tells_what_to_write(run: Run, name: str, hint: str) -> None:
    """A typo, a VLAN's dot, and a parameter of other kernels each get their own help."""
    done = run("sysctl", "get", name)
    assert done.code == 1
    assert hint in done.err


def test_get_names_that_cannot_be_are_usage_errors(run: Run) -> None:
    """Nothing outside /proc/sys is even tried."""
    for name in ("../../etc/passwd", "/etc/passwd", "net//core", "/proc/sys/../version"):
        assert run("sysctl", "get", name).code == 2


def test_list_pattern_without_match_exits_one(run: Run) -> None:
    """An empty list is told by the exit code."""
    done = run("sysctl", "list", "net.nonesuch.*")
    assert (done.code, done.out) == (1, "")


def test_list_table_explains_each_name(run: Run) -> None:
    """The table has namespace, unit and summary."""
    out = run("sysctl", "list", "-o", "table", "net.core.som*").out
    assert "NAMESPACE" in out
    assert "connections waiting for accept()" in out


@pytest.mark.root
def test_set_value_out_of_range_is_refused_before_any_write(run: Run, other_process: int) -> None:
    """All are checked before the first is written."""
    pid = str(other_process)
    done = run("sysctl", "set", "--pid", pid, "net.core.somaxconn=7", "net.ipv4.ip_local_port_range=1 70000")
    assert done.code == 2
    assert "error: net.ipv4.ip_local_port_range: 70000 is above 65535\n" in done.err
    assert run("sysctl", "get", "-n", "--pid", pid, SOMAXCONN).out != "7\n"


@pytest.mark.root
def test_set_force_lets_the_kernel_judge(run: Run, other_process: int) -> None:
    """The kernel's refusal has its errno and undoes what was written."""
    pid = str(other_process)
    before = run("sysctl", "get", "-n", "--pid", pid, SOMAXCONN).out
    done = run("sysctl", "set", "--force", "--pid", pid, "net.core.somaxconn=7", "net.ipv4.ip_local_port_range=1 70000")
    assert done.code == 1
    assert "(EINVAL)" in done.err
    assert run("sysctl", "get", "-n", "--pid", pid, SOMAXCONN).out == before


def test_set_mistyped_name_tells_the_close_one(run: Run) -> None:
    """As `get` does."""
    done = run("sysctl", "set", "net.core.somaxcon=9")
    assert done.code == 1
    assert "hint: did you mean net.core.somaxconn" in done.err


def test_set_dry_run_writes_nothing(run: Run) -> None:
    """What would be written is printed."""
    before = procsys.read(parse_name(SOMAXCONN))
    assert run("sysctl", "set", "--dry-run", f"{SOMAXCONN}=9").out == f"{SOMAXCONN} = 9\n"
    assert procsys.read(parse_name(SOMAXCONN)) == before


def test_set_same_value_with_journal_can_be_undone(run: Run, tmp_path: Path) -> None:
    """The journal is used and emptied; the host keeps its value throughout."""
    value = procsys.read(parse_name("kernel.shmmni"))
    journal = str(tmp_path / "undo")
    done = run("sysctl", "set", "--journal", journal, f"kernel.shmmni={value}")
    if done.code:
        pytest.skip("needs root: writes a value of the host (the one it has)")
    assert '"original"' in Path(journal).read_text()
    assert run("sysctl", "set", "--journal", journal, "--undo").out == f"kernel.shmmni = {value}\n"
    assert Path(journal).read_text() == ""


@pytest.mark.root
def test_try_exit_code_tells_whether_a_pod_would_get_it(run: Run) -> None:
    """0 when every value is taken, 1 otherwise."""
    assert run("sysctl", "try", "net.core.somaxconn=1024", "kernel.msgmax=65536").code == 0
    done = run("sysctl", "try", "-o", "json", "net.core.somaxconn=1024", "vm.swappiness=1")
    assert done.code == 1
    assert [item["answer"] for item in json.loads(done.out)] == ["accepted", "node-level"]


@pytest.mark.root
def test_probe_forms(run: Run) -> None:
    """Table, JSON and disagreements hold the measured facts."""
    table = run("sysctl", "probe", "net.core.rmem_max", "net.core.somaxconn")
    assert table.code == 0
    assert "read-only" in table.out
    facts = json.loads(run("sysctl", "probe", "-o", "json", "net.core.*").out)["facts"]
    assert facts["net.core.rmem_max"]["inPod"] == "read-only"
    assert "net.ipv4.tcp_rmem" not in facts
    found = json.loads(run("sysctl", "probe", "--disagreements", "-o", "json").out)
    assert {"net.core.rmem_max"} <= {item["name"] for item in found if item["by"] == "prefix rule"}
    assert run("sysctl", "probe", "net.core.somaxcon").code == 2


@pytest.mark.root
def test_diff_host_and_process_shows_what_differs(run: Run, other_process: int) -> None:
    """Exit code 1 and one row per difference, values compared as values."""
    run("sysctl", "set", "-q", "--pid", str(other_process), "net.core.somaxconn=123")
    done = run("sysctl", "diff", "host", f"pid:{other_process}", "net.core.*", "-o", "json")
    assert done.code == 1
    assert {"name": SOMAXCONN, "left": procsys.read(parse_name(SOMAXCONN)), "right": "123"} in json.loads(done.out)


def test_diff_export_with_itself_is_empty(run: Run, tmp_path: Path) -> None:
    """A host's export equals the host, counters aside."""
    file = tmp_path / "host.json"
    file.write_text(run("sysctl", "export", "kernel.*").out)
    done = run("sysctl", "diff", f"file:{file}", "host", "kernel.*")
    assert (done.code, done.out) == (0, "")


def test_diff_foreign_file_is_a_usage_error(run: Run, tmp_path: Path) -> None:
    """A file that is no export, and a word that means nothing, are told."""
    file = tmp_path / "x.json"
    file.write_text("[]")
    assert run("sysctl", "diff", f"file:{file}", "host").code == 2
    assert run("sysctl", "diff", "moon", "host").code == 2


def test_compare_missing_names_only_when_asked() -> None:
    """A name that one side lacks is a difference only on request; white space is none."""
    one, two = parse_name("net.ipv4.tcp_rmem"), parse_name(SOMAXCONN)
    left = {one: "4096\t131072\t6291456", two: "1"}
    right = {one: "4096 131072 6291456"}
    assert sysctl_diff.compare(left, right, missing=False) == []
    assert sysctl_diff.compare(left, right, missing=True) == [(two, "1", None)]


def test_export_conf_can_be_read_back(run: Run, tmp_path: Path) -> None:
    """The file for sysctl.d holds writable parameters only and means the same values."""
    out = run("sysctl", "export", "-o", "conf", "net.unix.*", "kernel.ostype", "kernel.shm*").out
    assert "kernel.ostype" not in out
    assert f"net.unix.max_dgram_qlen = {procsys.read(parse_name('net.unix.max_dgram_qlen'))}\n" in out


@pytest.mark.root
def test_netns_by_path_and_conflicting_flags(run: Run, other_process: int) -> None:
    """--netns takes a path; two places at once are refused."""
    path = f"/proc/{other_process}/ns/net"
    assert run("sysctl", "get", "net.core.default_qdisc", "--netns", path).code == 1
    assert run("sysctl", "get", SOMAXCONN, "--netns", path, "--pid", "1").code == 2
    assert run("sysctl", "get", SOMAXCONN, "--netns", "nonesuch").code == 1


@pytest.mark.root
@pytest.mark.parametrize("assignment", ["vm.swappiness=61", "user.max_net_namespaces=9", "net.nonesuch=1"])
def test_set_in_a_process_refuses_what_is_the_hosts(run: Run, other_process: int, assignment: str) -> None:
    """A node's parameter written from inside a pod would change the node: neither form does it."""
    name, _, wanted = assignment.partition("=")
    for words, code in ((("set", assignment), 2), ((assignment,), 1), (("set", "--dry-run", assignment), 2)):
        done = run("sysctl", *words, "--pid", str(other_process))
        assert (done.code, done.out) == (code, ""), words
        assert "this host" in done.err
    assert run("sysctl", "get", "-n", name).out.strip() != wanted


@pytest.mark.root
def test_set_in_a_network_namespace_refuses_other_kinds(run: Run, other_process: int) -> None:
    """Only the network namespace is entered, so an IPC parameter would be the host's."""
    path = f"/proc/{other_process}/ns/net"
    assert run("sysctl", "set", "--netns", path, "kernel.shmmni=4095").code == 2
    assert run("sysctl", "set", "--pid", str(other_process), "kernel.shmmni=4095").code == 0
    assert run("sysctl", "set", "--netns", path, f"{SOMAXCONN}=77").code == 0


@pytest.mark.root
@outside_chroot
def test_user_parameters_are_those_of_the_process(run: Run) -> None:
    """No thread can enter a user namespace, so these are asked of a child."""
    command = "echo 7 > /proc/sys/user/max_net_namespaces; echo; exec sleep 60"
    process = subprocess.Popen(["unshare", "--user", "--map-root-user", "sh", "-c", command], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        name, where = "user.max_net_namespaces", ("--pid", str(process.pid))
        assert run("sysctl", "get", "-n", name, *where).out == "7\n"
        assert run("sysctl", "list", "-n", name, *where).out == "7\n"
        assert f"{name} = 7\n" in run("sysctl", "origin", name, *where).out
        assert "7\n" in run("sysctl", "diff", "host", f"pid:{process.pid}", name).out
    finally:
        process.kill()
        process.communicate()


def test_pid_that_is_none_is_a_usage_error(run: Run) -> None:
    """Zero is not another way to say "this host"."""
    for text in ("0", "-5", "abc"):
        assert run("sysctl", "get", SOMAXCONN, "--pid", text).code == 2
    assert run("sysctl", "diff", "host", "pid:0").code == 2


def test_get_place_that_cannot_be_entered_is_one_error(run: Run) -> None:
    """It is told once, without hints about the names."""
    done = run("sysctl", "get", SOMAXCONN, "kernel.ostype", "--pid", "4194303")
    assert (done.code, done.out) == (1, "")
    assert done.err == "error: process 4194303 does not exist\n"


def test_get_pattern_without_match_fails_unless_ignored(run: Run) -> None:
    """As with a name that is not there."""
    done = run("sysctl", "get", "net.nonesuch.*")
    assert (done.code, done.out) == (1, "")
    assert "net.nonesuch.*: matches no parameter" in done.err
    assert run("sysctl", "get", "-e", "net.nonesuch.*") == (0, "", "")


def test_find_pid_of_pod_passes_over_the_runtimes_monitor() -> None:
    """A process in the pod's control group that shares the host's mounts is no container of it."""
    from podsysctl.kernel import pods

    uid = "0ac0ffee-1111-2222-3333-444444444444"
    hierarchies = [Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")]
    top = next((path for path in hierarchies if os.access(path / "cgroup.procs", os.W_OK)), None)
    if top is None:
        pytest.skip("needs root and a writable control group hierarchy of version 2")
    group = top / f"podsysctl-test-pod{uid}"
    group.mkdir()
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for command in (["sh"], ["unshare", "--mount", "--propagation", "unchanged", "sh"]):
            processes.append(subprocess.Popen([*command, "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE))
            stdout = processes[-1].stdout
            assert stdout is not None
            stdout.readline()
            (group / "cgroup.procs").write_text(str(processes[-1].pid))
        assert pods.find_pid(uid) == processes[1].pid
    finally:
        for process in processes:
            process.kill()
            process.communicate()
        group.rmdir()


def test_find_pid_of_pod_uses_the_control_group(tmp_path: Path) -> None:
    """A pod that does not run here is an error with a hint."""
    from podsysctl.base.errors import KernelError
    from podsysctl.kernel import pods

    with pytest.raises(KernelError, match="no process of this machine belongs to the pod"):
        pods.find_pid("00000000-1111-2222-3333-444444444444")


def layers(sources: list[Source], live: str) -> list[str]:
    """The verdicts only."""
    return [layer.verdict for layer in sysctl_origin.judge(sources, live, None)]


def test_judge_last_party_with_the_live_value_wins() -> None:
    """Earlier ones are overridden or agree, later ones disagree, and nobody wins when no one asks for it."""
    parties = [Source("a", "", "1"), Source("b", "", "2"), Source("c", "", "2"), Source("d", "", "3")]
    assert layers(parties, "2") == ["overridden", "agrees", "wins", "disagrees"]
    assert layers(parties, "9") == ["disagrees"] * 4


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A root directory with settings of every party."""
    patterns = "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\nvm.swappiness=60\n"
    mine = "[main]\ninclude=base\n[sysctl]\nvm.swappiness=20\nnet.core.somaxconn=>2048\n"
    crio = '[crio.runtime]\ndefault_sysctls = ["net.ipv4.ping_group_range=0 2147483647"]\n'
    for directory, name, text in (
        ("usr/lib/sysctl.d", "10-default.conf", patterns),
        ("usr/lib/sysctl.d", "50-hidden.conf", "vm.swappiness = 1\n"),
        ("run/sysctl.d", "50-hidden.conf", "vm.swappiness = 2\n"),
        ("etc/sysctl.d", "60-local.conf", "vm.swappiness = 10\n"),
        ("etc", "sysctl.conf", "vm.dirty_ratio = 30\n"),
        ("etc/tuned", "active_profile", "mine\n"),
        ("etc/tuned/mine", "tuned.conf", mine),
        ("usr/lib/tuned/base", "tuned.conf", "[sysctl]\nvm.swappiness=5\nvm.dirty_ratio=40\nkernel.pid_max=99 # why\n"),
        ("etc/crio/crio.conf.d", "00.conf", crio),
        ("etc/containerd", "config.toml", '[plugins."io.containerd.grpc.v1.cri"]\nenable_unprivileged_ports = true\n'),
    ):  # fmt: skip
        (tmp_path / directory).mkdir(parents=True, exist_ok=True)
        (tmp_path / directory / name).write_text(text)
    (tmp_path / "etc/sysctl.d/70-masked.conf").symlink_to("/dev/null")
    (tmp_path / "usr/lib/sysctl.d/70-masked.conf").write_text("vm.swappiness = 77\n")
    return tmp_path


def test_sysctl_files_are_in_systemd_order(machine: Path) -> None:
    """By file name; /etc hides /run, which hides /usr/lib; a link to /dev/null masks."""
    names = [str(path.relative_to(machine)) for path in settings.sysctl_files(machine)]
    assert names == ["usr/lib/sysctl.d/10-default.conf", "run/sysctl.d/50-hidden.conf", "etc/sysctl.d/60-local.conf"]


def test_settings_of_host_end_with_the_one_that_is_applied_last(machine: Path) -> None:
    """TuneD acts after the files and then applies /etc and /run again on top of its own."""
    found = settings.of_host(parse_name("vm.swappiness"), machine)
    assert [(item.kind, item.value) for item in found] == [
        ("sysctl.d", "60"), ("sysctl.d", "2"), ("TuneD", "20"), ("sysctl.d", "10")
    ]  # fmt: skip
    (machine / "etc/tuned/tuned-main.conf").write_text("reapply_sysctl = 0\n")
    assert settings.of_host(parse_name("vm.swappiness"), machine)[-1].value == "20"


def test_settings_tuned_child_profile_overrides_its_parent(machine: Path) -> None:
    """Included profiles first; comments are dropped; values of the parent alone count too."""
    assert settings.of_tuned(parse_name("vm.swappiness"), machine) == Source(
        "TuneD", f"{machine}/etc/tuned/mine/tuned.conf [sysctl]", "20"
    )
    pid_max = settings.of_tuned(parse_name("kernel.pid_max"), machine)
    assert pid_max is not None
    assert pid_max.value == "99"


def test_settings_pattern_spares_excluded_and_named_ones(machine: Path) -> None:
    """`-name` keeps a name out of the patterns."""
    lo = settings.of_host(parse_name("net.ipv4.conf.lo.rp_filter"), machine)
    assert [item.value for item in lo] == ["2"]
    from podsysctl.sysctls import sysctl_d

    assignments, _ = settings.read_sysctl_files(machine)
    assert sysctl_d.winner(assignments, parse_name("net.ipv4.conf.all.rp_filter")) is None


def test_settings_runtime_defaults_are_found(machine: Path) -> None:
    """CRI-O's default_sysctls and containerd's switches."""
    ping = settings.of_runtime(parse_name("net.ipv4.ping_group_range"), machine)
    ports = settings.of_runtime(parse_name("net.ipv4.ip_unprivileged_port_start"), machine)
    assert ping is not None
    assert ports is not None
    assert (ping.kind, ping.value) == ("CRI-O default", "0 2147483647")
    assert (ports.kind, ports.value) == ("containerd", "0")
    assert settings.of_runtime(parse_name(SOMAXCONN), machine) is None


@pytest.mark.root
def test_origin_in_a_process_names_the_fresh_namespace_or_nobody(run: Run, other_process: int) -> None:
    """An untouched value comes from the namespace's start; one set by hand from nobody known."""
    pid = str(other_process)
    first = json.loads(run("sysctl", "origin", SOMAXCONN, "--pid", pid, "-o", "json").out)
    assert first["from"]["kind"] == "fresh namespace"
    run("sysctl", "set", "-q", "--pid", pid, "net.core.somaxconn=123")
    assert json.loads(run("sysctl", "origin", SOMAXCONN, "--pid", pid, "-o", "json").out)["from"] is None
    assert "set by hand" in run("sysctl", "origin", SOMAXCONN, "--pid", pid).out


def test_program_starts_the_verbs(tmp_path: Path) -> None:
    """Every verb is reachable from the command line and has help."""
    for verb in ("list", "get", "set", "probe", "try", "diff", "export", "origin"):
        done = subprocess.run(
            ["podsysctl", "sysctl", verb, "--help"], capture_output=True, text=True, check=False, cwd=tmp_path,
            executable=str(Path(__import__("sys").executable).parent / "podsysctl"),
        )  # fmt: skip
        assert done.returncode == 0, verb
        assert "podsysctl sysctl" in done.stdout
