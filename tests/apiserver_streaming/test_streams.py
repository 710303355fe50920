from __future__ import annotations

import asyncio
import json
import ssl
from typing import Any

import aiohttp
import pytest

from podsysctl.apiserver.streaming import channels
from podsysctl.client import tls as tls_load
from tests.apiserver.api import PODS
from tests.apiserver_streaming.harness import NODE, Cluster, pod_object

pytestmark = [pytest.mark.root, pytest.mark.runtime]


def _exec(cluster: Cluster, name: str, *command: str, **flags: str) -> str:
    query = "&".join([f"command={word}" for word in command] + [f"{key}={value}" for key, value in flags.items()])
    return f"{cluster.api.server.url}{PODS}/{name}/exec?{query}"


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> dict[int, bytes]:
    """What arrives on each channel until the server closes."""
    out: dict[int, bytes] = {}
    async with asyncio.timeout(20):
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
            out[message.data[0]] = out.get(message.data[0], b"") + message.data[1:]
    return out


async def test_v5_session_ends_with_a_status_and_close_1000(cluster: Cluster) -> None:
    """Output first, one Status on channel 3, then the close."""
    await cluster.run("p")
    url = _exec(cluster, "p", "cat", stdin="true", stdout="true", stderr="true")
    async with cluster.api.session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        assert socket.protocol == "v5.channel.k8s.io"
        await socket.send_bytes(b"\x00hello")
        await socket.send_bytes(b"\xff\x00")
        got = await _messages(socket)
        assert socket.close_code == 1000
    assert got[1] == b"hello"
    assert json.loads(got[3]) == {"metadata": {}, "status": "Success"}


async def test_v5_session_of_a_failing_command_has_its_exit_code(cluster: Cluster) -> None:
    """The Status that clients take the code from."""
    await cluster.run("p")
    url = _exec(cluster, "p", "false", stdout="true", stderr="true")
    async with cluster.api.session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        said = json.loads((await _messages(socket))[3])
    assert (said["status"], said["reason"]) == ("Failure", "NonZeroExitCode")
    assert said["details"]["causes"] == [{"reason": "ExitCode", "message": "1"}]


async def test_v5_session_whose_client_leaves_ends_the_nodes_stream(cluster: Cluster) -> None:
    """Nothing is left running for a client that is gone."""
    await cluster.run("p")
    url = _exec(cluster, "p", "cat", stdin="true", stdout="true")
    async with cluster.api.session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        await socket.send_bytes(b"\x00hello")
        await socket.receive()
    async with asyncio.timeout(10):
        while _tasks_of_streams():  # noqa: ASYNC110 - bounded
            await asyncio.sleep(0.01)


def _tasks_of_streams() -> list[str]:
    names = ("translate", "_outputs", "_inputs", "SpdyConnection.run", "relay", "_carry")
    return [str(task) for task in asyncio.all_tasks() if any(name in str(task.get_coro()) for name in names)]


async def test_v4_session_is_carried_as_bytes(cluster: Cluster) -> None:
    """Clients older than v5 speak to the runtime itself."""
    await cluster.run("p")
    url = _exec(cluster, "p", "echo", "old", stdout="true", stderr="true")
    async with cluster.api.session.ws_connect(url, protocols=["v4.channel.k8s.io"]) as socket:
        assert socket.protocol == "v4.channel.k8s.io"
        got = await _messages(socket)
    assert got[1] == b"old\n"
    assert json.loads(got[3])["status"] == "Success"


async def test_exec_without_an_upgrade_is_refused(cluster: Cluster) -> None:
    """400, as a Status."""
    await cluster.run("p")
    reply = await cluster.api.call("POST", f"{PODS}/p/exec", command="true", stdout="true")
    assert (reply.code, reply.message) == (400, "Upgrade request required")


async def test_exec_without_streams_is_refused_by_the_node(cluster: Cluster) -> None:
    """Its text is what an older client prints."""
    await cluster.run("p")
    headers = {"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": "v4.channel.k8s.io"}
    reply = await cluster.api.call("POST", f"{PODS}/p/exec", command="true", headers=headers)
    assert (reply.code, reply.body) == (400, "you must specify at least 1 of stdin, stdout, stderr")


async def test_log_of_a_pod_without_a_node_is_empty(cluster: Cluster) -> None:
    """200 and no text."""
    pod = pod_object("p")
    del pod["spec"]["nodeName"]
    await cluster.api.make(PODS, pod)
    reply = await cluster.api.call("GET", f"{PODS}/p/log")
    assert (reply.code, reply.body) == (200, "")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (
            {"waiting": {"reason": "ContainerCreating"}},
            'container "main" in pod "p" is waiting to start: ContainerCreating',
        ),
        (None, 'container "main" in pod "p" is not available'),
    ],
)
async def test_log_of_a_container_that_never_ran_says_why(
    cluster: Cluster, state: dict[str, Any] | None, text: str
) -> None:
    """400 with the node's words; a rejected pod has no status to look at."""
    await cluster.declare("p", state)
    reply = await cluster.api.call("GET", f"{PODS}/p/log")
    assert (reply.code, reply.body["reason"], reply.message) == (400, "BadRequest", text)


async def test_stream_to_a_node_that_does_not_answer_is_an_error(cluster: Cluster) -> None:
    """500 that names the cause, and the server lives on."""
    await cluster.run("p")
    await cluster.node.stop()
    reply = await cluster.api.call("GET", f"{PODS}/p/log")
    assert reply.code == 500
    assert "/containerLogs/default/p/main" in reply.message
    url = _exec(cluster, "p", "true", stdout="true")
    async with cluster.api.session.ws_connect(url, protocols=["v5.channel.k8s.io"]) as socket:
        said = json.loads((await _messages(socket))[3])
    assert said["reason"] == "InternalError"
    assert "error dialing backend" in said["message"]


async def test_node_endpoint_lets_in_only_the_api_server(cluster: Cluster) -> None:
    """401 without a certificate, 403 with a user's, 200 with the API server's."""
    authority = cluster.api.server.authority
    user = authority.client_credential("alice", "alice", ("developers",))
    ours = authority.client_credential("apiserver-kubelet-client", "kube-apiserver-kubelet-client")
    codes = []
    for credential in (None, user, ours):
        context = ssl.create_default_context(cadata=authority.ca_pem.decode())
        if credential is not None:
            tls_load.load_chain(context, credential.certificate, credential.key)
        url = f"https://{cluster.node.address}:{cluster.node.port}"
        async with aiohttp.ClientSession() as session, session.get(f"{url}/pods", ssl=context) as answer:
            codes.append(answer.status)
    assert codes == [401, 403, 200]


async def test_stream_to_a_pod_of_an_unknown_node_is_not_found(cluster: Cluster) -> None:
    """The node was deleted under its pods."""
    await cluster.run("p")
    assert (await cluster.api.call("DELETE", f"/api/v1/nodes/{NODE}")).code == 200
    reply = await cluster.api.call("GET", f"{PODS}/p/log")
    assert (reply.code, reply.message) == (404, f'nodes "{NODE}" not found')


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (b'{"metadata":{},"status":"Success"}', {"metadata": {}, "status": "Success"}),
        (
            b'{"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"7"}]}}',
            {
                "metadata": {},
                "status": "Failure",
                "message": "command terminated with non-zero exit code: command terminated with exit code 7",
                "reason": "NonZeroExitCode",
                "details": {"causes": [{"reason": "ExitCode", "message": "7"}]},
            },
        ),
    ],
)
def test_final_status_of_what_the_node_said_is_upstreams(said: bytes, shown: dict[str, Any]) -> None:
    """Success is said; a code is passed on in upstream's words."""
    assert channels.final_status(said) == shown


@pytest.mark.parametrize(
    ("said", "broken", "text"),
    [
        (b'{"status":"Failure","message":"no such thing"}', "", "no such thing"),
        (b'{"status":"Odd"}', "", "error stream protocol error: unknown error"),
        (
            b'{"status":"Failure","reason":"NonZeroExitCode","details":{}}',
            "",
            "error stream protocol error: no ExitCode cause given",
        ),
        (b"", "connection reset", "error reading from error stream: connection reset"),
        (b"", "", "the connection to the container runtime was lost before it told how the command ended"),
    ],
)
def test_final_status_of_a_failure_is_an_internal_error(said: bytes, broken: str, text: str) -> None:
    """Its message begins with upstream's own words for it."""
    shown = channels.final_status(said, broken)
    assert (shown["reason"], shown["code"]) == ("InternalError", 500)
    assert shown["message"] == f"Internal error occurred: {text}"
    assert "kind" not in shown
