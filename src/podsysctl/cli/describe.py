"""`describe`: objects in detail, with what happened to them."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, targets
from podsysctl.cli.connect import Connection
from podsysctl.cli.targets import Item
from podsysctl.client.discovery import UnknownResourceError
from podsysctl.client.rest import Object

HELP = """Show objects in detail, with their events.

examples:
  podsysctl describe pod web
  podsysctl describe node n1
  podsysctl describe tuned default"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `describe`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE [NAME or its beginning], TYPE/NAME...")
    flags.add_files(parser, "to describe")
    flags.add_selector(parser, fields=False)
    flags.add_bool(parser, "--show-events", default=True, help="with the events of a single object")


def run(args: argparse.Namespace) -> int:
    """Run `describe`."""
    if not args.words and not args.filenames:
        raise UsageError("You must specify the type of resource to describe.", hint="podsysctl describe pod web")
    return connect.run(args, _describe)


async def _describe(connection: Connection, args: argparse.Namespace) -> int:
    errors: list[PodsysctlError] = []
    items = await targets.select(connection, args, args.words, errors=errors)
    if not items and len(args.words) == 2 and all(isinstance(e, StatusError) and e.code == 404 for e in errors):
        items = await _beginning_with(connection, args.words[0], args.words[1])
        if items:
            for item in items:
                sys.stdout.write(await text(connection, item, show_events=True) + "\n")
            return 0
    show_events = args.show_events and len(items) == 1
    for i, item in enumerate(items):
        described = await text(connection, item, show_events=show_events)
        sys.stdout.write(("\n\n" if i else "") + described)
    if not items and not errors:
        where = "" if args.all_namespaces else f" in {connection.namespace} namespace."
        sys.stderr.write(f"No resources found{where}\n")
    failures.raise_all(errors)
    return 0


async def _beginning_with(connection: Connection, word: str, prefix: str) -> list[Item]:
    kind = await connection.find(word)
    found = await connection.client.list(kind, connection.scope(kind), limit=limits.LIST_PAGE_ITEMS)
    return [targets.item_of(kind, o) for o in found.items if o["metadata"]["name"].startswith(prefix)]


async def text(connection: Connection, item: Item, *, show_events: bool) -> str:
    """The description of one object. Raises StatusError."""
    kind, obj = item.kind.qualified, item.object
    if kind == "pods":
        from podsysctl.cli import describe_pod

        return describe_pod.text(obj, await events_of(connection, obj, with_kind=False) if show_events else None)
    if kind == "nodes":
        return await _node(connection, obj, show_events)
    from podsysctl.cli import describe_core as core

    if kind == "namespaces":
        quotas = await _all(connection, "resourcequotas", obj["metadata"]["name"])
        return core.namespace(obj, quotas, await _all(connection, "limitranges", obj["metadata"]["name"]))
    events = await events_of(connection, obj) if show_events else None
    if kind == "deployments.apps":
        return core.deployment(obj, *await _replica_sets(connection, obj), events)
    if kind == "replicasets.apps":
        return core.replica_set(obj, await _phases(connection, obj), events)
    if kind in ("tuneds.tuned.openshift.io", "profiles.tuned.openshift.io"):
        from podsysctl.cli import describe_tuning

        if kind.startswith("profiles"):
            return describe_tuning.profile(obj, events)
        return describe_tuning.tuned(obj, await _profiles(connection, obj["metadata"]["namespace"]), events)
    writers = {"configmaps": core.config_map, "secrets": core.secret, "serviceaccounts": core.service_account}
    return writers.get(kind, core.generic)(obj, events)


async def events_of(
    connection: Connection, obj: Object, *, with_kind: bool = True, uid: str | None = None
) -> list[Object]:
    """The events about an object, by name, namespace and uid."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace") or ""
    terms = {
        "involvedObject.name": metadata["name"],
        "involvedObject.namespace": namespace,
        "involvedObject.kind": obj.get("kind") or "" if with_kind else "",
        "involvedObject.uid": metadata.get("uid") or "" if uid is None else uid,
    }
    selector = ",".join(f"{k}={v}" for k, v in terms.items() if v or k.endswith("namespace"))
    kind = await connection.find("events")
    found = await connection.client.list(kind, namespace or None, field_selector=selector, limit=limits.LIST_PAGE_ITEMS)
    return found.items


async def _all(connection: Connection, word: str, namespace: str) -> list[Object] | None:
    """Every object of a kind in a namespace; None when the server does not have the kind."""
    try:
        kind = await connection.find(word)
        return (await connection.client.list(kind, namespace)).items
    except UnknownResourceError:
        return None


async def _profiles(connection: Connection, namespace: str) -> list[Object] | None:
    """The tuning Profiles of all nodes; None when they may not be read."""
    try:
        return await _all(connection, "profiles.tuned.openshift.io", namespace)
    except StatusError as error:
        if error.code == 403:
            return None
        raise


async def _node(connection: Connection, node: Object, show_events: bool) -> str:
    from podsysctl.cli import describe_node

    name = node["metadata"]["name"]
    pods: list[Object] | None = None
    try:
        kind = await connection.find("pods")
        selector = f"spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed"
        pods = (await connection.client.list(kind, field_selector=selector, limit=limits.LIST_PAGE_ITEMS)).items
    except StatusError as error:
        if error.code != 403:
            raise
    lease, problem = None, ""
    try:
        path = f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
        lease = await connection.client.request("GET", path)
    except StatusError as error:
        problem = error.message
    events = None
    if show_events:
        events = await events_of(connection, node)
        events += await events_of(connection, node, uid=name)
    return describe_node.text(node, pods, lease, problem, events)


async def _replica_sets(connection: Connection, deployment: Object) -> tuple[list[Object], list[Object]]:
    """The Deployment's ReplicaSets: the old ones, and the new one."""
    kind = await connection.find("replicasets.apps")
    found = await connection.client.list(kind, deployment["metadata"]["namespace"])
    uid = deployment["metadata"]["uid"]
    own = [o for o in found.items if any(r.get("uid") == uid for r in o["metadata"].get("ownerReferences") or ())]
    revision = "deployment.kubernetes.io/revision"
    current = (deployment["metadata"].get("annotations") or {}).get(revision)
    new = [o for o in own if (o["metadata"].get("annotations") or {}).get(revision) == current]
    return [o for o in own if o not in new], new


async def _phases(connection: Connection, owner: Object) -> dict[str, int]:
    from podsysctl.cli import podpick

    out: dict[str, int] = {}
    uid = owner["metadata"]["uid"]
    for pod in await podpick.pods_of(connection, owner):
        if any(r.get("uid") == uid and r.get("controller") for r in pod["metadata"].get("ownerReferences") or ()):
            phase = (pod.get("status") or {}).get("phase") or ""
            out[phase] = out.get(phase, 0) + 1
    return out
