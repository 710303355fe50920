"""The real kubectl against the whole program, verb by verb."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from podsysctl.kernel import namespaces
from podsysctl.kernel.namespaces import Namespaces
from tests.e2e.cluster import Cluster, free_port, wait_until
from tests.e2e.pods import manifest, pod

pytestmark = pytest.mark.e2e


@pytest.fixture
def running(kubectl: Cluster, namespace: str) -> tuple[Cluster, str]:
    """A namespace with a running pod `p`."""
    script = "echo hello; trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"
    speaking = pod("p", command=["bash", "-c", script])
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(speaking))
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/p", "--timeout=30s")
    return kubectl, namespace


def test_apply_reports_created_unchanged_configured(kubectl: Cluster, namespace: str) -> None:
    """Client-side apply: three outcomes in kubectl's words."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}
    args = ("apply", "-n", namespace, "-f", "-")
    assert kubectl.kubectl(*args, input_text=manifest(config)).stdout == "configmap/m created\n"
    assert kubectl.kubectl(*args, input_text=manifest(config)).stdout == "configmap/m unchanged\n"
    config["data"] = {"b": "2"}
    assert kubectl.kubectl(*args, input_text=manifest(config)).stdout == "configmap/m configured\n"
    assert kubectl.get("configmap", "m", "-n", namespace)["data"] == {"b": "2"}


def test_server_side_apply_names_the_owner_in_a_conflict(kubectl: Cluster, namespace: str) -> None:
    """Two managers of one field conflict; --force-conflicts takes it over."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}
    args = ("apply", "--server-side", "-n", namespace, "-f", "-")
    first = kubectl.kubectl(*args, "--field-manager=one", input_text=manifest(config)).stdout
    assert first == "configmap/m serverside-applied\n"
    config["data"] = {"a": "2"}
    refused = kubectl.kubectl(*args, "--field-manager=two", input_text=manifest(config), check=False)
    assert 'Apply failed with 1 conflict: conflict with "one": .data.a' in refused.stderr
    kubectl.kubectl(*args, "--field-manager=two", "--force-conflicts", input_text=manifest(config))
    assert kubectl.get("configmap", "m", "-n", namespace)["data"] == {"a": "2"}


def test_get_watch_prints_each_change(kubectl: Cluster, namespace: str) -> None:
    """get -w prints the rows of a pod on its way to Running."""
    with subprocess.Popen(
        ["kubectl", "get", "pod", "-n", namespace, "-w", "--no-headers"],
        env=kubectl.environment(), stdout=subprocess.PIPE, text=True,
    ) as watch:  # fmt: skip
        kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(pod("p")))
        kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/p", "--timeout=30s")
        time.sleep(0.3)
        watch.terminate()
        assert watch.stdout is not None
        states = [line.split()[2] for line in watch.stdout.read().splitlines()]
    assert states[0] in ("Pending", "ContainerCreating")
    assert states[-1] == "Running"


def test_label_annotate_and_describe(running: tuple[Cluster, str]) -> None:
    """label and annotate change metadata; describe shows pod and events."""
    cluster, namespace = running
    assert cluster.kubectl("label", "pod", "p", "-n", namespace, "a=b").stdout == "pod/p labeled\n"
    assert cluster.kubectl("annotate", "pod", "p", "-n", namespace, "c=d").stdout == "pod/p annotated\n"
    text = cluster.kubectl("describe", "pod", "p", "-n", namespace).stdout
    for expected in ("a=b", "c: d", "Running", "Successfully assigned", "Started"):
        assert expected in text
    yaml_text = cluster.kubectl("get", "pod", "p", "-n", namespace, "-o", "yaml").stdout
    assert "kind: Pod" in yaml_text


def test_logs_follow_tail_and_previous(running: tuple[Cluster, str]) -> None:
    """logs prints what the container wrote; -f ends with the container."""
    cluster, namespace = running
    assert cluster.kubectl("logs", "p", "-n", namespace).stdout == "hello\n"
    assert cluster.kubectl("logs", "p", "-n", namespace, "--tail=0").stdout == ""
    stamped = cluster.kubectl("logs", "p", "-n", namespace, "--timestamps").stdout
    assert stamped.endswith("Z hello\n")
    with subprocess.Popen(
        ["kubectl", "logs", "-f", "p", "-n", namespace], env=cluster.environment(), stdout=subprocess.PIPE, text=True
    ) as follow:
        cluster.kubectl("delete", "pod", "p", "-n", namespace)
        assert follow.wait(timeout=20) == 0
        assert follow.stdout is not None
        assert follow.stdout.read() == "hello\n"


def test_exec_carries_stdin_streams_and_exit_code(running: tuple[Cluster, str]) -> None:
    """exec: stdin to stdout, stderr apart, the exit code of the command."""
    cluster, namespace = running
    done = cluster.kubectl("exec", "-i", "p", "-n", namespace, "--", "cat", input_text="in\n")
    assert done.stdout == "in\n"
    done = cluster.kubectl("exec", "p", "-n", namespace, "--", "bash", "-c", "echo out; echo err >&2; exit 7",
                           check=False)  # fmt: skip
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert "err" in done.stderr
    assert "command terminated with exit code 7" in done.stderr


def test_exec_with_a_terminal_is_a_terminal(running: tuple[Cluster, str]) -> None:
    """exec -it gives the process a terminal of its own."""
    cluster, namespace = running
    parent, child = pty.openpty()
    with subprocess.Popen(
        ["kubectl", "exec", "-it", "p", "-n", namespace, "--", "bash", "-c", "test -t 0 && stty size && echo tty-yes"],
        env=cluster.environment(), stdin=child, stdout=child, stderr=child, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(child)
        seen = b""
        deadline = time.monotonic() + 20
        while b"tty-yes" not in seen and time.monotonic() < deadline:
            if select.select([parent], [], [], 0.2)[0]:
                try:
                    seen += os.read(parent, 4096)
                except OSError:  # EIO: the other side closed
                    break
        assert process.wait(timeout=10) == 0
    os.close(parent)
    assert b"tty-yes" in seen


def test_cp_copies_both_ways(running: tuple[Cluster, str], tmp_path: Path) -> None:
    """cp needs tar in the image and exec with stdin."""
    cluster, namespace = running
    source = tmp_path / "in.txt"
    source.write_text("payload\n" * 1000)
    cluster.kubectl("cp", str(source), f"{namespace}/p:/tmp/in.txt")
    cluster.kubectl("cp", f"{namespace}/p:/tmp/in.txt", str(tmp_path / "out.txt"))
    assert (tmp_path / "out.txt").read_text() == source.read_text()


class _Pong(BaseHTTPRequestHandler):
    """Answers GET with a word and POST with the body that came in."""

    def do_GET(self) -> None:
        self._answer(b"pong")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["Content-Length"])))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def network_namespace(cluster: Cluster, namespace: str, name: str) -> str:
    """The network namespace of a pod, found by one of its processes."""
    uid = cluster.get("pod", name, "-n", namespace)["metadata"]["uid"]
    for groups in Path("/proc").glob("[0-9]*/cgroup"):
        with contextlib.suppress(OSError):
            if uid in groups.read_text():
                return str(groups.with_name("ns") / "net")
    raise AssertionError(f"no process belongs to pod {uid}")


@pytest.fixture
def pong(running: tuple[Cluster, str]) -> Iterator[int]:
    """A web server of this process that listens inside pod `p`, which needs no program in the image; its port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pong, bind_and_activate=False)
    server.socket.close()

    def listen() -> None:
        server.socket = socket.socket()
        server.server_bind()
        server.server_activate()

    namespaces.run_in(Namespaces.of_netns(network_namespace(*running, "p")), listen)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


@contextlib.contextmanager
def forwarded(cluster: Cluster, namespace: str, target: int, websockets: str) -> Iterator[int]:
    """A running `kubectl port-forward pod/p`; the port on this side."""
    port = free_port()
    with subprocess.Popen(
        ["kubectl", "port-forward", "-n", namespace, "pod/p", f"{port}:{target}"],
        env={**cluster.environment(), "KUBECTL_PORT_FORWARD_WEBSOCKETS": websockets},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as forward:  # fmt: skip
        try:
            assert forward.stdout is not None
            assert forward.stdout.readline().startswith("Forwarding from 127.0.0.1")
            yield port
        finally:
            forward.terminate()


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_port_forward_carries_http(running: tuple[Cluster, str], pong: int, websockets: str) -> None:
    """port-forward reaches a port inside the pod, over WebSocket and SPDY, with several large bodies at once."""
    with forwarded(*running, pong, websockets) as port:
        url = f"http://127.0.0.1:{port}/"
        with urllib.request.urlopen(url, timeout=10) as answer:
            assert answer.read() == b"pong"
        bodies = [os.urandom(2_000_000) for _ in range(4)]

        def echo(body: bytes) -> bytes:
            with urllib.request.urlopen(url, data=body, timeout=60) as answer:
                return bytes(answer.read())

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(echo, bodies)) == bodies


@pytest.mark.parametrize("websockets", ["true", "false"])
def test_port_forward_to_a_silent_port_ends_the_connection_only(running: tuple[Cluster, str], websockets: str) -> None:
    """Nobody listens: the client's connection ends, and the node goes on."""
    with forwarded(*running, 9, websockets) as port, socket.create_connection(("127.0.0.1", port), 10) as client:
        with contextlib.suppress(ConnectionError):
            client.sendall(b"x")
        client.settimeout(20)
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""
    assert running[0].kubectl("exec", "p", "-n", running[1], "--", "echo", "on").stdout == "on\n"


def test_wait_events_and_explain(running: tuple[Cluster, str]) -> None:
    """wait, events and explain answer."""
    cluster, namespace = running
    done = cluster.kubectl("wait", "-n", namespace, "--for=jsonpath={.status.phase}=Running", "pod/p", "--timeout=10s")
    assert done.stdout == "pod/p condition met\n"
    assert "Scheduled" in cluster.kubectl("events", "-n", namespace, "--for", "pod/p").stdout
    text = cluster.kubectl("explain", "pod.spec.securityContext.sysctls").stdout
    assert "FIELD: sysctls <[]Sysctl>" in text
    assert "name\t<string> -required-" in text.replace("  ", "")


def test_api_resources_lists_kinds_with_short_names(kubectl: Cluster) -> None:
    """api-resources knows the core kinds and the custom ones."""
    text = kubectl.kubectl("api-resources").stdout
    rows = {line.split()[0]: line.split() for line in text.splitlines()}
    assert rows["pods"][1:4] == ["po", "v1", "true"]
    assert rows["customresourcedefinitions"][1].startswith("crd")


def test_cordon_taint_and_drain(kubectl: Cluster, namespace: str) -> None:
    """cordon stops scheduling, taint marks, drain evicts, uncordon restores."""
    node = kubectl.get("nodes")["items"][0]["metadata"]["name"]
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(pod("victim")))
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/victim", "--timeout=30s")
    assert kubectl.kubectl("taint", "node", node, "k=v:NoSchedule").stdout == f"node/{node} tainted\n"
    kubectl.kubectl("taint", "node", node, "k-")
    try:
        assert kubectl.kubectl("cordon", node).stdout == f"node/{node} cordoned\n"
        assert "SchedulingDisabled" in kubectl.kubectl("get", "node", node).stdout
        kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(pod("waits")))
        wait_until(
            lambda: "0/1 nodes are available: 1 node(s) were unschedulable." in kubectl.kubectl(
                "get", "events", "-n", namespace, "-o", "jsonpath={.items[*].message}").stdout,
            10, "FailedScheduling with upstream's message",
        )  # fmt: skip
        out = kubectl.kubectl("drain", node, "--force", "--ignore-daemonsets", "--delete-emptydir-data",
                              "--pod-selector=!never", "--timeout=60s").stdout  # fmt: skip
        assert f"node/{node} drained" in out
        gone = kubectl.kubectl("get", "pod", "victim", "-n", namespace, check=False)
        assert gone.returncode == 1
    finally:
        assert kubectl.kubectl("uncordon", node).stdout == f"node/{node} uncordoned\n"
    kubectl.kubectl("wait", "-n", namespace, "--for=condition=Ready", "pod/waits", "--timeout=60s")


def test_auth_can_i_and_whoami(kubectl: Cluster) -> None:
    """Protobuf bodies are understood: reviews answer."""
    assert kubectl.kubectl("auth", "can-i", "create", "pods").stdout == "yes\n"
    done = kubectl.kubectl("auth", "can-i", "create", "pods", "--as", "nobody", check=False)
    assert (done.stdout, done.returncode) == ("no\n", 1)
    assert "Username" in kubectl.kubectl("auth", "whoami").stdout


def test_custom_resource_is_served(kubectl: Cluster) -> None:
    """A user's own CRD: schema, pruning, defaults, columns and short names."""
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"plural": "gadgets", "singular": "gadget", "kind": "Gadget", "shortNames": ["gg"]},
            "versions": [{
                "name": "v1", "served": True, "storage": True,
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {
                    "type": "object", "properties": {"size": {"type": "integer", "minimum": 1, "default": 3}}}}}},
            }],
        },
    }  # fmt: skip
    kubectl.kubectl("apply", "-f", "-", input_text=manifest(crd))
    kubectl.kubectl("wait", "--for=condition=Established", "crd/gadgets.example.com", "--timeout=10s")
    gadget = {"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {}}
    kubectl.kubectl("apply", "-f", "-", input_text=manifest(gadget))
    lines = kubectl.kubectl("get", "gg").stdout.splitlines()
    assert lines[0].split() == ["NAME", "SIZE"]
    assert lines[1].split() == ["g", "3"]
    gadget["spec"] = {"size": 0}  # type: ignore[assignment]
    refused = kubectl.kubectl("apply", "-f", "-", input_text=manifest(gadget), check=False)
    assert "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1" in refused.stderr
    kubectl.kubectl("delete", "crd", "gadgets.example.com")


def test_unknown_field_is_refused_in_upstreams_words(kubectl: Cluster, namespace: str) -> None:
    """Strict field validation, kubectl's default."""
    wrong = pod("wrong", nope=True)
    done = kubectl.kubectl("create", "-n", namespace, "-f", "-", input_text=manifest(wrong), check=False)
    assert done.returncode == 1
    assert 'strict decoding error: unknown field "spec.nope"' in done.stderr


def test_run_as_root_image_with_non_root_rule_is_refused(kubectl: Cluster, namespace: str) -> None:
    """runAsNonRoot with an image that runs as root: CreateContainerConfigError, in the kubelet's words."""
    rooty = pod("rooty")
    rooty["spec"]["securityContext"] = {"runAsNonRoot": True}
    kubectl.kubectl("apply", "-n", namespace, "-f", "-", input_text=manifest(rooty))

    def waiting() -> dict[str, str]:
        statuses = kubectl.pod_status("rooty", namespace).get("containerStatuses") or [{}]
        state: dict[str, str] = statuses[0].get("state", {}).get("waiting", {})
        return state if state.get("reason") == "CreateContainerConfigError" else {}

    message = wait_until(waiting, 20, "CreateContainerConfigError")["message"]
    assert message.startswith("container has runAsNonRoot and image will run as root (pod: ")
