"""`auth can-i`: whether an action is allowed (kubectl pkg/cmd/auth/cani.go, v1.36)."""

from __future__ import annotations

import argparse
import sys

from podsysctl.base.errors import UsageError
from podsysctl.cli import connect, tables
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import UnknownResourceError
from podsysctl.client.rest import Object

HELP = """Ask whether an action is allowed: prints yes or no, and exits 0 or 1.

examples:
  podsysctl auth can-i create pods -n demo
  podsysctl auth can-i use scc/privileged --as system:serviceaccount:demo:default
  podsysctl auth can-i --list"""

VERBS = frozenset(
    [
        "get",
        "list",
        "watch",
        "create",
        "update",
        "patch",
        "delete",
        "deletecollection",
        "use",
        "bind",
        "impersonate",
        "*",
        "approve",
        "sign",
        "escalate",
        "attest",
    ]
)
PATH_VERBS = frozenset(["get", "put", "post", "head", "options", "delete", "patch", "*"])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `auth can-i`."""
    parser.add_argument("words", nargs="*", metavar="WORD", help="VERB TYPE[/NAME], or VERB /PATH")
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")
    parser.add_argument("--subresource", metavar="NAME", default="", help="a part of the object, such as log")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing, only exit")
    parser.add_argument("--list", action="store_true", help="list everything that is allowed in the namespace")
    parser.add_argument("--no-headers", action="store_true", help="leave out the column names of --list")


def run(args: argparse.Namespace) -> int:
    """Run `auth can-i`."""
    if args.list:
        if args.words:
            raise UsageError("list option must be specified with no arguments")
        return connect.run(args, _list)
    if len(args.words) != 2:
        raise UsageError(
            "you must specify two arguments: verb resource or verb resource/resourceName.",
            hint="podsysctl auth can-i create pods",
        )
    return connect.run(args, _ask)


async def _ask(connection: Connection, args: argparse.Namespace) -> int:
    verb, what = args.words
    if what.startswith("/"):
        if verb not in PATH_VERBS:
            sys.stderr.write(f"Warning: verb '{verb}' is not a known verb\n\n")
        spec: Object = {"nonResourceAttributes": {"verb": verb, "path": what}}
    else:
        spec = {"resourceAttributes": await _attributes(connection, args, verb, what)}
    review = await _review(connection, "selfsubjectaccessreviews", "SelfSubjectAccessReview", spec)
    status = review.get("status") or {}
    text = "yes" if status.get("allowed") else "no"
    for key in ("reason", "evaluationError"):
        if text != "yes" and status.get(key):
            text += f" - {status[key]}"
    if not args.quiet:
        sys.stdout.write(text + "\n")
    return 0 if status.get("allowed") else 1


async def _attributes(connection: Connection, args: argparse.Namespace, verb: str, what: str) -> Object:
    word, _, name = what.partition("/")
    group, plural = "", word
    try:
        kind = await connection.find(word)
        group, plural = kind.group, kind.plural
        if not kind.namespaced and not args.all_namespaces:
            where = f" in group '{group}'" if group else ""
            sys.stderr.write(f"Warning: resource '{plural}' is not namespace scoped{where}\n\n")
    except UnknownResourceError:
        if word not in ("*", "users", "groups"):
            sys.stderr.write(f"Warning: the server doesn't have a resource type '{word}'\n\n")
        plural, _, group = word.partition(".")
    if verb not in VERBS:
        sys.stderr.write(f"Warning: verb '{verb}' is not a known verb\n\n")
    out = {
        "namespace": "" if args.all_namespaces else connection.namespace,
        "verb": verb,
        "group": group,
        "resource": plural,
        "subresource": args.subresource,
        "name": name,
    }
    return {key: value for key, value in out.items() if value}


async def _review(connection: Connection, plural: str, kind: str, spec: Object) -> Object:
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "metadata": {}, "spec": spec}
    answer: Object = await connection.client.request("POST", f"/apis/authorization.k8s.io/v1/{plural}", body=body)
    return answer


async def _list(connection: Connection, args: argparse.Namespace) -> int:
    spec = {"namespace": connection.namespace}
    review = await _review(connection, "selfsubjectrulesreviews", "SelfSubjectRulesReview", spec)
    status = review.get("status") or {}
    if status.get("incomplete"):
        sys.stderr.write(f"warning: the list may be incomplete: {status.get('evaluationError', '')}\n")
    rows = []
    for rule in status.get("resourceRules") or ():
        groups = rule.get("apiGroups") or [""]
        for group in groups:
            for resource in rule.get("resources") or ():
                name = f"{resource}.{group}" if group else resource
                rows.append([name, "[]", _bracketed(rule.get("resourceNames")), _bracketed(rule.get("verbs"))])
    rows += [
        ["", _bracketed(rule.get("nonResourceURLs")), "[]", _bracketed(rule.get("verbs"))]
        for rule in status.get("nonResourceRules") or ()
    ]
    headers = ["Resources", "Non-Resource URLs", "Resource Names", "Verbs"]
    tables.print_rows(sys.stdout, headers, rows, show_headers=not args.no_headers)
    return 0


def _bracketed(values: list[str] | None) -> str:
    return f"[{' '.join(values or ())}]"
