"""A small pod network in throw-away namespaces, and what still works in it under given settings.

Run as root inside a network namespace of its own: `unshare -n python -m tests.tuned.pod_network CASE…`, each case
being `NAME=VALUE`, or `attached:NAME=VALUE` when a pod is to have a second network with its default route. Prints one
JSON object: what works by case, the first key being `` (no setting).
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

SERVER = textwrap.dedent("""
    import socket, sys
    s = socket.socket(socket.AF_INET6)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("::", 80)); s.listen(50); print("ready", flush=True)
    while True:
        c, _ = s.accept(); c.sendall(b"ok"); c.close()
""")
ADDRESSES = {"p1": ("br0", "10.9.0.11", "fd09::11"), "p2": ("br0", "10.9.0.12", "fd09::12"),
             "q": ("br1", "10.9.1.11", "fd09:1::11")}  # fmt: skip
GATEWAYS = {"br0": ("10.9.0.1", "fd09::1"), "br1": ("10.9.1.1", "fd09:1::1")}
WAYS = {
    "outside": ("p1", "192.0.2.2", 80),
    "same bridge": ("p1", "10.9.0.12", 80),
    "gateway": ("p1", "10.9.0.1", 80),
    "other bridge": ("p1", "10.9.1.11", 80),
    "host port": ("o", "192.0.2.1", 8080),
    "service": ("p1", "10.96.0.1", 80),
    "outside by IPv6": ("p1", "2001:db8::2", 80),
}
TIMEOUT_S = 0.3


def run(*command: str) -> None:
    """One command that must succeed."""
    subprocess.run(command, check=True, capture_output=True, text=True)


class Network:
    """Two bridges, three pods and a machine outside, each a namespace with a server on port 80."""

    def __init__(self) -> None:
        self.pids: dict[str, int] = {}
        self.processes: list[subprocess.Popen[str]] = []
        self._serve("host", [])
        for name in (*ADDRESSES, "o"):
            self._serve(name, ["unshare", "-n"])
        self._connect()

    def close(self) -> None:
        """End the namespaces with their processes."""
        for process in self.processes:
            process.kill()
            process.wait()

    def _serve(self, name: str, prefix: list[str]) -> None:
        process = subprocess.Popen([*prefix, sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        self.pids[name] = process.pid

    def inside(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """One command in a pod's network namespace."""
        return subprocess.run(
            ["nsenter", f"--net=/proc/{self.pids[name]}/ns/net", *command], capture_output=True, text=True, check=False
        )

    def _connect(self) -> None:
        run("ip", "link", "set", "lo", "up")
        for bridge, (v4, v6) in GATEWAYS.items():
            run("ip", "link", "add", bridge, "type", "bridge")
            run("ip", "link", "set", bridge, "up")
            self.address(bridge, v4, v6)
        for name, (bridge, v4, v6) in ADDRESSES.items():
            self._plug(name, "eth0", f"v{name}", v4, v6)
            run("ip", "link", "set", f"v{name}", "master", bridge)
            self.inside(name, "ip", "route", "add", "default", "via", GATEWAYS[bridge][0])
            self.inside(name, "ip", "-6", "route", "add", "default", "via", GATEWAYS[bridge][1])
        self._plug("o", "eth0", "up0", "192.0.2.2", "2001:db8::2")
        self.address("up0", "192.0.2.1", "2001:db8::1")
        write("net.ipv4.ip_forward", "1")
        write("net.ipv6.conf.all.forwarding", "1")
        for tool, subnets in (
            ("iptables", ("10.9.0.0/24", "10.9.1.0/24")),
            ("ip6tables", ("fd09::/64", "fd09:1::/64")),
        ):
            for bridge, subnet in zip(GATEWAYS, subnets, strict=True):
                run(tool, "-t", "nat", "-A", "POSTROUTING", "-s", subnet, "!", "-o", bridge, "-j", "MASQUERADE")
        for address, port in (("192.0.2.1", "8080"), ("10.96.0.1", "80")):
            rule = ["-p", "tcp", "-d", address, "--dport", port, "-j", "DNAT", "--to-destination", "10.9.0.12:80"]
            run("iptables", "-t", "nat", "-A", "PREROUTING", *rule)
        run("ip", "route", "add", "10.96.0.0/24", "via", "192.0.2.2")

    def _plug(self, name: str, inner: str, outer: str, v4: str, v6: str) -> None:
        peer = ["peer", "name", inner, "netns", str(self.pids[name])]
        run("ip", "link", "add", outer, "type", "veth", *peer)
        run("ip", "link", "set", outer, "up")
        self.inside(name, "ip", "addr", "add", f"{v4}/24", "dev", inner)
        self.inside(name, "ip", "-6", "addr", "add", f"{v6}/64", "dev", inner, "nodad")
        self.inside(name, "ip", "link", "set", "lo", "up")
        self.inside(name, "ip", "link", "set", inner, "up")

    def address(self, interface: str, v4: str, v6: str) -> None:
        """Give an interface of the host its addresses, again if it lost them."""
        run("ip", "addr", "replace", f"{v4}/24", "dev", interface)
        run("ip", "-6", "addr", "replace", f"{v6}/64", "dev", interface, "nodad")

    def attach(self) -> None:
        """Give p2 a second network, on br1, with its default route."""
        self._plug("p2", "net1", "vx", "10.9.1.12", "fd09:1::12")
        run("ip", "link", "set", "vx", "master", "br1")
        self.inside("p2", "ip", "route", "replace", "default", "via", GATEWAYS["br1"][0], "dev", "net1")

    def works(self) -> list[str]:
        """The ways that can be gone now, with nothing remembered of earlier ones."""
        run("ip", "neigh", "flush", "all")
        for name in self.pids:
            self.inside(name, "ip", "neigh", "flush", "all")
        return [way for way, (source, address, port) in WAYS.items() if self._reaches(source, address, port)]

    def _reaches(self, source: str, address: str, port: int) -> bool:
        code = f"import socket; s = socket.create_connection(({address!r}, {port}), timeout={TIMEOUT_S}); s.recv(2)"
        return self.inside(source, sys.executable, "-S", "-c", code).returncode == 0


def file_of(name: str) -> Path:
    """The file of a parameter, none of which has an interface with a dot here."""
    return Path("/proc/sys", *name.split("."))


def write(name: str, value: str) -> None:
    """Set a parameter of this network namespace."""
    file_of(name).write_text(value)


def measure(network: Network, case: str) -> list[str] | None:
    """What works while the setting holds; None when the kernel has no such parameter."""
    name, _, value = case.partition("=")
    if not file_of(name).exists():
        return None
    before = file_of(name).read_text()
    write(name, value)
    try:
        return network.works()
    finally:
        write(name, before)
        for bridge, (v4, v6) in GATEWAYS.items():
            network.address(bridge, v4, v6)
        network.address("up0", "192.0.2.1", "2001:db8::1")


def main() -> None:
    """Build, measure every case, print."""
    assert socket.if_nameindex() == [(1, "lo")], "to be run in a network namespace of its own"
    network = Network()
    try:
        deadline = time.monotonic() + 5
        while network.works() != list(WAYS) and time.monotonic() < deadline:
            pass
        out = {"": network.works()}
        for case in sorted(sys.argv[1:], key=lambda case: case.startswith("attached:")):
            if case.startswith("attached:") and "vx" not in [name for _, name in socket.if_nameindex()]:
                network.attach()
                out["attached:"] = network.works()
            out[case] = measure(network, case.removeprefix("attached:"))
        print(json.dumps(out))
    finally:
        network.close()


if __name__ == "__main__":
    main()
