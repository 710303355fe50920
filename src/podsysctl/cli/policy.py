"""`podsysctl policy add-scc-to-user` and its kin: who may use which SecurityContextConstraints, by roles and bindings.

As `oc adm policy`: the ClusterRole `system:openshift:scc:NAME` is bound under its own name, in one namespace when -n is
given, else in the whole cluster. Source: oc pkg/cli/admin/policy/modify_scc.go.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

from podsysctl.base.errors import StatusError, UsageError
from podsysctl.cli import connect
from podsysctl.cli.connect import Connection
from podsysctl.client.rest import Client
from podsysctl.objects.kinds import builtin_by_resource
from podsysctl.policy.scc.constraint import GROUP, PLURAL

HELP = """Give users, groups or service accounts the right to use a SecurityContextConstraints object, or take it away.

  podsysctl policy add-scc-to-user anyuid dev              in the whole cluster
  podsysctl policy add-scc-to-user anyuid -z default -n web  a service account, in its namespace
  podsysctl policy remove-scc-from-group privileged ops"""

RBAC = "rbac.authorization.k8s.io"
_ROLES = builtin_by_resource(RBAC, "v1", "clusterroles")
_CLUSTER_BINDINGS = builtin_by_resource(RBAC, "v1", "clusterrolebindings")
_BINDINGS = builtin_by_resource(RBAC, "v1", "rolebindings")
_MOST_NAMES = 100
"""Names tried when bindings of that name to other roles are in the way."""

Object = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of every form; the command's name says which."""
    parser.add_argument("scc", metavar="SCC", help="the SecurityContextConstraints object")
    parser.add_argument("names", nargs="*", metavar="NAME", help="users, or groups")
    parser.add_argument("-z", "--serviceaccount", metavar="NAME", action="append", default=[], dest="accounts",
                        help="a service account of the namespace in use")  # fmt: skip
    parser.add_argument("--rolebinding-name", metavar="NAME", default="", help="the binding to use or make")


def run(args: argparse.Namespace) -> int:
    """Run one of the four commands."""
    return connect.run(args, _modify)


async def _modify(connection: Connection, args: argparse.Namespace) -> int:
    verb = args.command.split()[-1]
    is_group = verb.endswith("group")
    if is_group and args.accounts:
        raise UsageError("a service account is no group", hint="name the group, or use add-scc-to-user")
    subjects = [_subject("Group" if is_group else "User", name) for name in args.names]
    subjects += [{"kind": "ServiceAccount", "name": name, "namespace": connection.namespace} for name in args.accounts]
    if not subjects:
        raise UsageError(
            "you must specify at least one user, group or service account", hint=f"podsysctl policy {verb}"
        )
    namespace = connection.namespace if connection.namespace_is_explicit else None
    role = f"system:openshift:scc:{args.scc}"
    shown = ", ".join(f'"{subject["name"]}"' for subject in subjects)
    shown = f"[{shown}]" if len(subjects) > 1 else shown
    if verb.startswith("add"):
        await _ensure_role(connection, args.scc, role)
        await _add(connection.client, role, args.rolebinding_name or role, subjects, namespace)
        sys.stdout.write(f"clusterrole.{RBAC}/{role} added to: {shown}\n")
    else:
        await _remove(connection.client, role, args.rolebinding_name, subjects, namespace)
        sys.stdout.write(f"clusterrole.{RBAC}/{role} removed from: {shown}\n")
    return 0


def _subject(kind: str, name: str) -> Object:
    return {"apiGroup": RBAC, "kind": kind, "name": name}


async def _ensure_role(connection: Connection, scc: str, role: str) -> None:
    """The role that may use the object; made for one that a user wrote. Raises StatusError 404 without the object."""
    await connection.get(await connection.find(f"{PLURAL}.{GROUP}"), scc)
    rule = {"apiGroups": [GROUP], "resources": [PLURAL], "resourceNames": [scc], "verbs": ["use"]}
    body = {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": [rule]}
    try:
        await connection.client.create(_ROLES, body)
    except StatusError as error:
        if error.code != 409:
            raise


async def _add(client: Client, role: str, name: str, subjects: list[Object], namespace: str | None) -> None:
    """Add subjects to the binding of that name, or make it; a number is appended while another role has the name."""
    kind = _BINDINGS if namespace else _CLUSTER_BINDINGS
    for attempt in range(_MOST_NAMES):
        tried = name if attempt == 0 else f"{name}-{attempt - 1}"
        try:
            binding = await client.get(kind, tried, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            await client.create(kind, _binding(role, tried, subjects, namespace))
            return
        if (binding.get("roleRef") or {}).get("name") == role:
            present = binding.get("subjects") or []
            added = [s for s in subjects if not any(_is_same(s, other) for other in present)]
            if added:
                await client.update(kind, {**binding, "subjects": [*present, *added]})
            return
    raise UsageError(f"bindings {name} to {name}-{_MOST_NAMES - 2} are of other roles", hint="--rolebinding-name")


def _binding(role: str, name: str, subjects: list[Object], namespace: str | None) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": subjects,
    }


async def _remove(client: Client, role: str, name: str, subjects: list[Object], namespace: str | None) -> None:
    """Take subjects out of every binding of the role; an empty binding is deleted. Raises UsageError if none had."""
    kind = _BINDINGS if namespace else _CLUSTER_BINDINGS
    found = False
    for binding in (await client.list(kind, namespace)).items:
        of = binding["metadata"]["name"]
        if (binding.get("roleRef") or {}).get("name") != role or (name and of != name):
            continue
        present = binding.get("subjects") or []
        kept = [other for other in present if not any(_is_same(s, other) for s in subjects)]
        if len(kept) == len(present):
            continue
        found = True
        if kept:
            await client.update(kind, {**binding, "subjects": kept})
        else:
            await client.delete(kind, of, namespace)
    if not found:
        shown = ", ".join(f'"{subject["name"]}"' for subject in subjects)
        raise UsageError(f"unable to find target {shown} in bindings of {role}", hint="podsysctl get rolebindings -A")


def _is_same(one: Object, other: Object) -> bool:
    keys = ("kind", "name") if one["kind"] != "ServiceAccount" else ("kind", "name", "namespace")
    return all(one.get(key) == other.get(key) for key in keys)
