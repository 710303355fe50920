from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import os
import struct
import sys
import termios

import pytest

from tests.apiserver.api import Done
from tests.apiserver_streaming.harness import Cluster

ECHO_SERVER = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())
socketserver.ThreadingTCPServer(("127.0.0.1", 7777), Echo).serve_forever()
"""

pytestmark = [pytest.mark.root, pytest.mark.runtime]


async def test_exec_prints_both_streams(kubectl: Cluster) -> None:
    """stdout and stderr arrive apart."""
    await kubectl.run("p")
    done = await kubectl.kubectl("exec", "p", "--", "bash", "-c", "echo out; echo err >&2")
    assert done == Done(0, "out\n", "err\n")


async def test_exec_failing_command_gives_its_exit_code(kubectl: Cluster) -> None:
    """kubectl exits with the code of the command and says so."""
    await kubectl.run("p")
    done = await kubectl.kubectl("exec", "p", "--", "bash", "-c", "exit 7")
    assert done == Done(7, "", "command terminated with exit code 7\n")


@pytest.mark.parametrize("command", ["exec", "attach"])
async def test_session_whose_node_dies_is_a_failure(kubectl: Cluster, command: str) -> None:
    """Nobody knows how the command ended, so nothing may say that it ended well."""
    await kubectl.run("p", ["bash", "-c", "while echo start; do sleep 0.1; done"])
    script = ["--", "bash", "-c", "echo start; sleep infinity"] if command == "exec" else []
    process = await kubectl.start_kubectl(command, "p", *script)
    assert process.stdout is not None
    async with asyncio.timeout(10):
        assert await process.stdout.readline() == b"start\n"
        await kubectl.node.stop()
        _, err = await process.communicate()
    assert process.returncode == 1
    assert b"the connection to the container runtime was lost before it told how the command ended" in err


async def test_exec_with_stdin_ends_when_the_input_ends(kubectl: Cluster) -> None:
    """The end of the client's input reaches the command, and much data does, too."""
    await kubectl.run("p")
    text = b"0123456789abcdef" * 65536
    done = await kubectl.kubectl("exec", "-i", "p", "--", "md5sum", stdin=text)
    assert done.code == 0, done
    assert done.out.split()[0] == hashlib.md5(text).hexdigest()


async def test_exec_with_much_output_loses_nothing(kubectl: Cluster) -> None:
    """Megabytes come through whole and in order."""
    await kubectl.run("p")
    done = await kubectl.kubectl("exec", "p", "--", "bash", "-c", "seq 400000")
    assert done.code == 0
    assert done.out == "".join(f"{n}\n" for n in range(1, 400001))


async def test_exec_of_a_missing_command_says_why(kubectl: Cluster) -> None:
    """The runtime's words reach the user."""
    await kubectl.run("p")
    done = await kubectl.kubectl("exec", "p", "--", "no-such-command")
    assert done.code != 0
    assert 'exec: "no-such-command": executable file not found in $PATH' in done.err


async def test_exec_in_a_container_that_ended_says_that_it_is_not_found(kubectl: Cluster) -> None:
    """Upstream's text for a container that does not run."""
    pod = await kubectl.run("p")
    await kubectl.runtime.stop_container(pod.container_id, 0)
    done = await kubectl.kubectl("exec", "p", "--", "true")
    assert done.code == 1
    assert 'unable to upgrade connection: container not found ("main")' in done.err


async def test_exec_with_a_terminal_has_one(kubectl: Cluster) -> None:
    """`-t` gives the command a terminal of the client's size."""
    await kubectl.run("p")
    # The size follows the start of the command.
    script = "tty; until [ \"$(stty size)\" = '33 111' ]; do sleep 0.02; done; stty size; read x; echo got $x"
    out = await _in_terminal(kubectl, ["exec", "-it", "p", "--", "bash", "-c", script], b"yes\n")
    assert "/dev/pts/" in out
    assert "33 111" in out
    assert "got yes" in out


async def test_attach_prints_what_the_container_prints(kubectl: Cluster) -> None:
    """Input goes to the container's own process, its output comes back."""
    await kubectl.run("p", ["bash", "-c", "while read line; do echo got $line; done"], stdin=True)
    process = await kubectl.start_kubectl("attach", "-i", "p")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\n")
    async with asyncio.timeout(10):
        assert await process.stdout.readline() == b"got one\n"
    process.terminate()
    await process.communicate()


async def test_attach_to_a_container_that_just_ends_is_refused(kubectl: Cluster) -> None:
    """A client that is told so reads the log instead; one that is attached would see nothing and succeed."""
    await kubectl.run("p", ["bash", "-c", "echo hi; sleep 0.1"], stdin=True)
    done = await kubectl.kubectl("attach", "-i", "p")
    assert done.code == 1, done
    if kubectl.websockets:  # over SPDY kubectl takes the runtime's words for YAML, and shows none
        assert "container is in CONTAINER_EXITED state" in done.err


async def test_port_forward_carries_connections(kubectl: Cluster) -> None:
    """Each connection to the local port reaches the pod's."""
    await kubectl.run("p", [sys.executable, "-I", "-c", ECHO_SERVER], mounts=["/usr", sys.base_prefix, sys.prefix])
    process = await kubectl.start_kubectl("port-forward", "p", ":7777")
    assert process.stdout is not None
    try:
        async with asyncio.timeout(10):
            line = (await process.stdout.readline()).decode()
        port = int(line.split("127.0.0.1:")[1].split(" ")[0])
        for text in (b"first\n", b"second\n"):
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(text)
                assert await reader.readline() == text
                writer.close()
                await writer.wait_closed()
    finally:
        process.terminate()
        await process.communicate()


async def test_logs_prints_what_the_container_printed(kubectl: Cluster) -> None:
    """Both streams, in their order."""
    await kubectl.run("p", ["bash", "-c", "echo one; echo two; sleep infinity"])
    async with asyncio.timeout(10):
        while (done := await kubectl.kubectl("logs", "p")).out != "one\ntwo\n":  # noqa: ASYNC110 - a file grows
            await asyncio.sleep(0.05)
    assert done.code == 0
    assert (await kubectl.kubectl("logs", "p", "--tail=1")).out == "two\n"


async def test_logs_follow_ends_with_the_container(kubectl: Cluster) -> None:
    """`-f` shows what is written later, and returns when the container ends."""
    pod = await kubectl.run("p", ["bash", "-c", "echo one; read x; echo $x"], stdin=True)
    process = await kubectl.start_kubectl("logs", "-f", "p")
    assert process.stdout is not None
    async with asyncio.timeout(10):
        assert await process.stdout.readline() == b"one\n"
        await kubectl.runtime.stop_container(pod.container_id, 0)
        await process.communicate()
    assert process.returncode == 0


async def test_cp_copies_a_file_in_and_out(kubectl: Cluster) -> None:
    """`kubectl cp` works with the toolbox's tar."""
    await kubectl.run("p")
    source = kubectl.log_directory / "in.txt"
    source.write_text("content\n")
    done = await kubectl.kubectl("cp", str(source), "p:/tmp/copied.txt")
    assert done.code == 0, done
    target = kubectl.log_directory / "out.txt"
    done = await kubectl.kubectl("cp", "p:/tmp/copied.txt", str(target))
    assert done.code == 0, done
    assert target.read_text() == "content\n"


async def _in_terminal(cluster: Cluster, arguments: list[str], text: bytes) -> str:
    """Run kubectl on a pseudo terminal of 33 lines and 111 columns, type once it shows them; all it printed."""
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 111, 0, 0))
    process = await cluster.start_kubectl(*arguments, terminal=follower)
    os.close(follower)
    os.set_blocking(leader, False)
    out = b""
    async with asyncio.timeout(20):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                out += os.read(leader, 65536)
            if text and b"33 111" in out:
                os.write(leader, text)
                text = b""
            await asyncio.sleep(0.02)
    with contextlib.suppress(OSError):
        out += os.read(leader, 65536)
    os.close(leader)
    return out.decode()
