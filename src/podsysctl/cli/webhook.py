"""`podsysctl webhook`: the preference for nodes that accept a pod's sysctls, for clusters with another scheduler."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
import sys
from pathlib import Path

import yaml

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect
from podsysctl.cli.connect import Connection

HELP = """Serve a mutating webhook that prefers nodes which accept a pod's sysctls. The scheduler of `podsysctl up` does
so by itself; other clusters ask this webhook, which adds preferred node affinity to new pods and refuses none.

  podsysctl webhook --data-dir /var/lib/webhook --host 10.0.0.5 --configuration | kubectl apply -f -
  podsysctl webhook --data-dir /var/lib/webhook --host 10.0.0.5 --address 10.0.0.5
  podsysctl webhook --data-dir /certs --service kube-system/placement --address 0.0.0.0

Certificates are made in the data directory, unless --tls-cert and --tls-key name others. Nodes are read through the
API; podsysctl's own publish what they accept, of others the version of the kernel alone is known."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `webhook`."""
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="where certificates are kept")
    parser.add_argument("--address", default="127.0.0.1", help="where to listen (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9443, help="the port (default 9443)")
    parser.add_argument("--host", default="127.0.0.1", help="the name or address by which the API server reaches it")
    parser.add_argument("--service", metavar="NAMESPACE/NAME", help="the Service by which the API server reaches it")
    parser.add_argument("--tls-cert", type=Path, metavar="FILE", help="a certificate of your own")
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its key")
    parser.add_argument("--configuration", action="store_true", help="print the MutatingWebhookConfiguration and exit")


def run(args: argparse.Namespace) -> int:
    """Serve, or print the configuration."""
    if bool(args.tls_cert) != bool(args.tls_key):
        raise UsageError("--tls-cert and --tls-key belong together", hint="give both, or neither")
    service = _service(args.service)
    if not args.configuration:
        return connect.run(args, _serve)
    from podsysctl.apiserver.pki import Authority
    from podsysctl.scheduler import webhook

    pem = args.tls_cert.read_bytes() if args.tls_cert else Authority(args.data_dir).ca_pem
    url = f"https://{args.host}:{args.port}{webhook.PATH}"
    sys.stdout.write(yaml.safe_dump(webhook.configuration("podsysctl-placement", pem, url=url, service=service)))
    return 0


def _service(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    namespace, slash, name = text.partition("/")
    if not (namespace and slash and name):
        raise UsageError(f"{text!r} is no NAMESPACE/NAME", hint="--service kube-system/placement")
    return namespace, name


def _context(args: argparse.Namespace) -> ssl.SSLContext:
    """TLS with the given certificate, or with one of our own for every name by which we may be asked."""
    if args.tls_cert:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(args.tls_cert, args.tls_key)
        except OSError as error:
            raise UsageError(f"the certificate {args.tls_cert} cannot be used: {error}") from error
        return context
    from podsysctl.apiserver.pki import Authority

    service = _service(args.service)
    names = [args.host] if service is None else [args.host, f"{service[1]}.{service[0]}.svc"]
    return Authority(args.data_dir).server_context(names)


async def _serve(connection: Connection, args: argparse.Namespace) -> int:
    from podsysctl.client.informer import Informer
    from podsysctl.objects.kinds import builtin_by_resource
    from podsysctl.scheduler.webhook import PlacementWebhook

    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    nodes = Informer(connection.client, builtin_by_resource("", "v1", "nodes"))
    async with asyncio.TaskGroup() as group:
        following = group.create_task(nodes.run())
        await nodes.wait_synced()
        async with PlacementWebhook(nodes, _context(args), address=args.address, port=args.port) as webhook:
            sys.stderr.write(f"listening on https://{webhook.address}:{webhook.port}\n")
            await ended.wait()
        following.cancel()
    return 0
