"""Where a pod's node listens for us, and what we show it: address, port, certificate."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.pki import Credential
from podsysctl.apiserver.shape import load
from podsysctl.client import tls
from podsysctl.objects import simulated, status

CLIENT_USER = "kube-apiserver-kubelet-client"
DEFAULT_PORT = 10250
ADDRESS_TYPES = ("InternalIP", "Hostname", "InternalDNS", "ExternalDNS", "ExternalIP")
"""Order of preference. Upstream's begins with Hostname, which helps only where the names of nodes resolve."""


@dataclass(frozen=True, slots=True)
class NodeEndpoint:
    """A node's HTTPS endpoint. `context` trusts our authority alone, and shows our client certificate."""

    host: str
    port: int
    context: ssl.SSLContext

    def url(self, path: str, query: str = "") -> str:
        """The URL of a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"https://{host}:{self.port}{path}{'?' + query if query else ''}"


def find(server: ServerContext, node_name: str, *, verify: bool = True) -> NodeEndpoint:
    """The endpoint of a node. Raises StatusError when there is no such node, or it has no address or no runtime."""
    resource = server.registry.get("", "nodes")
    item = server.store.get(resource.bucket, resource.key("", node_name))
    if item is None:
        raise status.not_found(resource.kind, node_name)
    node = load(resource, item)
    if simulated.is_simulated(node):
        raise status.bad_request(
            f'node "{node_name}" is simulated and carries no runtime: its pods have no process, no log and no port'
        )
    credential = server.authority.client_credential("apiserver-kubelet-client", CLIENT_USER)
    return NodeEndpoint(_address(node), _port(node), _context(server.authority.ca_pem, credential, verify))


@lru_cache(maxsize=4)
def _context(authority: bytes, credential: Credential, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authority.decode())
    if not verify:  # the client asked for it, with insecureSkipTLSVerifyBackend
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    tls.load_chain(context, credential.certificate, credential.key)
    return context


def _address(node: dict[str, Any]) -> str:
    found = {entry.get("type"): entry.get("address") for entry in (node.get("status") or {}).get("addresses") or ()}
    for wanted in ADDRESS_TYPES:
        if found.get(wanted):
            return str(found[wanted])
    raise status.internal(f"no preferred addresses found; known addresses: {sorted(map(str, found.values()))}")


def _port(node: dict[str, Any]) -> int:
    endpoints = (node.get("status") or {}).get("daemonEndpoints") or {}
    return int((endpoints.get("kubeletEndpoint") or {}).get("Port") or DEFAULT_PORT)
