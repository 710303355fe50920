"""Verbs that reach into running containers, on a real cluster with a real runtime."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, free_port, wait_until

pytestmark = [pytest.mark.root, pytest.mark.runtime, pytest.mark.e2e]

PROGRAM = [sys.executable, "-m", "podsysctl.cli.main"]

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  terminationGracePeriodSeconds: 1
  securityContext:
    sysctls: [{name: kernel.shm_rmid_forced, value: "1"}]
  containers:
  - name: a
    image: centos
    command: ["bash", "-c", "echo started; read line; echo got $line; exec sleep INF"]
    stdin: true
  - name: b
    image: centos
    command: ["bash", "-c", "for i in 1 2 3; do echo line $i; done; exec sleep INF"]
---
apiVersion: v1
kind: Pod
metadata: {name: python, labels: {app: python}}
spec:
  terminationGracePeriodSeconds: 1
  hostNetwork: true
  containers:
  - name: c
    image: centos
    command: ["sleep", "INF"]
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A cluster with the two pods running; at the end none of its mounts is left."""
    if os.geteuid() != 0:
        pytest.skip("needs root: kernel namespaces and a container runtime")
    if shutil.which("containerd") is None:
        pytest.skip("containerd is not installed")
    running = Cluster()
    try:
        running.start()
        run(running, "apply", "-f", "-", stdin=PODS.encode())
        done = run(running, "wait", "--for=condition=Ready", "pods", "--all", "--timeout=60s")
        assert done.returncode == 0, done
        yield running
    finally:
        running.destroy()
    assert str(running.data_dir) not in Path("/proc/self/mountinfo").read_text()


def run(cluster: Cluster, *words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """One command with its input."""
    return subprocess.run(
        [*PROGRAM, *words], input=stdin, capture_output=True, env=cluster.environment(), timeout=90, check=False
    )


def test_exec_carries_output_and_exit_code(cluster: Cluster) -> None:
    """stdout and stderr come apart, and the exit code is the command's."""
    done = run(cluster, "exec", "web", "-c", "b", "--", "bash", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == (b"out\n", 7)
    assert done.stderr == b"err\ncommand terminated with exit code 7\n"


def test_exec_passes_stdin_to_its_end(cluster: Cluster) -> None:
    """A pipe of several messages arrives whole, and the command sees its end."""
    data = os.urandom(300_000)
    done = run(cluster, "exec", "-i", "web", "-c", "b", "--", "cat", stdin=data)
    assert done.stdout == data


def test_exec_several_containers_says_which_one(cluster: Cluster) -> None:
    """The first container is the default, and stderr says so."""
    done = run(cluster, "exec", "web", "--", "true")
    assert (done.stderr, done.returncode) == (b'Defaulted container "a" out of: a, b\n', 0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("web", "-c", "none", "--", "true"), b"error: container none is not valid for pod web out of: a, b\n"),
        (("none", "--", "true"), b'Error from server (NotFound): pods "none" not found\n'),
    ],
)
def test_exec_nowhere_fails_with_kubectls_words(cluster: Cluster, words: tuple[str, ...], text: bytes) -> None:
    """The pod and the container must exist."""
    done = run(cluster, "exec", *words)
    assert (done.stderr, done.returncode) == (text, 1)


def type_into(cluster: Cluster, words: list[str], keys: list[tuple[str, bytes]]) -> tuple[str, int]:
    """Run on a terminal of our own; press each key sequence once its prompt has come. Output and exit code."""
    child, handle = pty.fork()
    if child == 0:
        os.execve(sys.executable, [*PROGRAM, *words], {**cluster.environment(), "TERM": "xterm-256color"})
    output = b""
    pending = list(keys)
    deadline = time.monotonic() + 60
    with contextlib.suppress(OSError):  # the other side of a terminal that closes reads as EIO
        while time.monotonic() < deadline:
            ready, _, _ = select.select([handle], [], [], 0.1)
            if ready:
                data = os.read(handle, 4096)
                if not data:
                    break
                output += data
            if pending and pending[0][0].encode() in output:
                os.write(handle, pending.pop(0)[1])
    _, status = os.waitpid(child, 0)
    os.close(handle)
    return output.decode(), os.waitstatus_to_exitcode(status)


def test_rsh_is_a_terminal_with_the_chapters_shell(cluster: Cluster) -> None:
    """rsh gives a tty, TERM is the local one, and the exit code of the shell is ours."""
    output, code = type_into(
        cluster, ["rsh", "-c", "b", "web"], [("# ", b"tty; echo $TERM; sysctl kernel.shm_rmid_forced; exit 3\n")]
    )
    assert "/dev/pts/" in output
    assert "\nxterm-256color" in output
    assert "kernel.shm_rmid_forced = 1" in output
    assert code == 3


def test_rsh_with_a_command_runs_it(cluster: Cluster) -> None:
    """A command instead of a shell, without a terminal."""
    done = run(cluster, "rsh", "-c", "b", "web", "sysctl", "kernel.shm_rmid_forced")
    assert done.stdout == b"kernel.shm_rmid_forced = 1\n"
    done = run(cluster, "rsh", "-c", "b", "web", "sh", "-c", "echo $0 $1; exit 7", "--", "-x")
    assert (done.stdout, done.returncode) == (b"-- -x\n", 7)


def test_logs_tail_prefix_and_selector(cluster: Cluster) -> None:
    """Last lines, all containers with their names, and the pods of a label."""
    assert run(cluster, "logs", "web", "-c", "b", "--tail=1").stdout == b"line 3\n"
    both = run(cluster, "logs", "web", "--all-containers", "--prefix").stdout
    assert b"[pod/web/a] started\n" in both
    assert b"[pod/web/b] line 1\n[pod/web/b] line 2\n" in both
    assert run(cluster, "logs", "-l", "app=web", "-c", "b", "--tail=2").stdout == b"line 2\nline 3\n"


def test_attach_talks_to_the_containers_process_and_logs_follow_it(cluster: Cluster) -> None:
    """What is typed into attach reaches the process; logs -f shows its answer as it comes."""
    with subprocess.Popen(
        [*PROGRAM, "logs", "-f", "web", "-c", "a"], stdout=subprocess.PIPE, env=cluster.environment(), text=True
    ) as follower:
        try:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "started\n"
            with subprocess.Popen(
                [*PROGRAM, "attach", "-i", "-q", "web", "-c", "a"],
                stdin=subprocess.PIPE,
                env=cluster.environment(),
                text=True,
            ) as attached:
                assert attached.stdin is not None
                attached.stdin.write("hello\n")
                attached.stdin.flush()
                assert follower.stdout.readline() == "got hello\n"
                attached.terminate()
        finally:
            follower.terminate()


def test_cp_there_and_back_keeps_a_tree(cluster: Cluster, tmp_path: Path) -> None:
    """A directory survives the way into a container and out again; one file lands under a new name."""
    tree = tmp_path / "tree"
    (tree / "below").mkdir(parents=True)
    (tree / "one").write_bytes(os.urandom(200_000))
    (tree / "below" / "two").write_text("2")
    assert run(cluster, "cp", str(tree), "web:/tmp", "-c", "b").returncode == 0
    back = tmp_path / "back"
    assert run(cluster, "cp", "default/web:/tmp/tree", str(back), "-c", "b").returncode == 0
    assert (back / "one").read_bytes() == (tree / "one").read_bytes()
    assert (back / "below" / "two").read_text() == "2"
    assert run(cluster, "cp", str(tree / "below" / "two"), "web:/tmp/renamed", "-c", "b").returncode == 0
    assert run(cluster, "exec", "web", "-c", "b", "--", "cat", "/tmp/renamed").stdout == b"2"


def test_cp_of_what_is_not_there_fails_with_tars_words(cluster: Cluster, tmp_path: Path) -> None:
    """tar writes an empty archive and an exit code; the first must not hide the second."""
    done = run(cluster, "cp", "web:/none", str(tmp_path / "none"), "-c", "b")
    assert done.returncode == 1
    assert b"none: Cannot stat" in done.stderr
    assert not (tmp_path / "none").exists()


def test_port_forward_carries_bytes_both_ways(cluster: Cluster) -> None:
    """A local port leads to a port in the pod's network; refused ports are told, and the next try works."""
    local = free_port()
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as listener:
        remote = listener.getsockname()[1]
        with subprocess.Popen(
            [*PROGRAM, "port-forward", "python", f"{local}:{remote}", "--address", "127.0.0.1"],
            stdout=subprocess.PIPE,
            env=cluster.environment(),
            text=True,
        ) as forward:
            try:
                assert forward.stdout is not None
                assert forward.stdout.readline() == f"Forwarding from 127.0.0.1:{local} -> {remote}\n"
                with socket.create_connection(("127.0.0.1", local), timeout=20) as near:
                    near.sendall(b"ping" * 20_000)
                    listener.settimeout(20)
                    far, _ = listener.accept()
                    with far:
                        far.settimeout(20)
                        received = b""
                        while len(received) < 80_000:
                            received += far.recv(65536)
                        far.sendall(b"pong")
                        near.settimeout(20)
                        assert near.recv(4) == b"pong"
                assert received == b"ping" * 20_000
            finally:
                forward.terminate()


def test_drain_evicts_and_delete_waits(cluster: Cluster) -> None:
    """drain says what it would lose, then does it when told to; the node is cordoned."""
    node = run(cluster, "get", "nodes", "-o", "jsonpath={.items[0].metadata.name}").stdout.decode()
    run(cluster, "create", "namespace", "drained")
    one = PODS.split("---")[1].replace("name: python", "name: victim").replace("app: python", "app: victim")
    run(cluster, "apply", "-n", "drained", "-f", "-", stdin=one.encode())
    wait_until(
        lambda: run(cluster, "wait", "-n", "drained", "--for=condition=Ready", "pod/victim").returncode == 0,
        60,
        "the victim to run",
    )
    refused = run(cluster, "drain", node, "--pod-selector=app=victim")
    assert b"cannot delete Pods that declare no controller (use --force to override): drained/victim" in refused.stderr
    assert refused.returncode == 1
    done = run(cluster, "drain", node, "--pod-selector=app=victim", "--force", "--timeout=60s")
    assert done.stdout.decode().splitlines() == [
        f"node/{node} already cordoned",
        "evicting pod drained/victim",
        "pod/victim evicted",
        f"node/{node} drained",
    ]
    assert run(cluster, "uncordon", node).returncode == 0


def test_image_list_names_the_toolbox(cluster: Cluster) -> None:
    """The image commands find the running cluster's runtime."""
    done = run(cluster, "image", "list", "--data-dir", str(cluster.data_dir), "-o", "name")
    assert b"localhost/podsysctl/toolbox:latest\n" in done.stdout
