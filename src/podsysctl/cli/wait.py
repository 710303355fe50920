"""`wait`: until a condition holds of objects (kubectl pkg/cmd/wait, v1.36)."""

from __future__ import annotations

import argparse
import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError, StatusError, UsageError
from podsysctl.cli import connect, failures, flags, results, targets, waiting
from podsysctl.cli.connect import Connection
from podsysctl.client.discovery import Found
from podsysctl.client.rest import Object

HELP = """Wait until a condition holds of objects.

examples:
  podsysctl wait --for=condition=Ready pod/web
  podsysctl wait --for=condition=SysctlsVerified pods --all --timeout=60s
  podsysctl wait --for=jsonpath='{.status.phase}'=Running pod web
  podsysctl wait --for=delete pod/web"""

WEEK_S = 168 * 3600.0


@dataclass(frozen=True, slots=True)
class Goal:
    """What is waited for: `create`, `delete`, or `state` with a test of the object."""

    kind: str
    holds: Callable[[Object], bool] = lambda obj: True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `wait`."""
    parser.add_argument("words", nargs="*", metavar="TYPE[/NAME]", help="TYPE NAME..., TYPE/NAME...")
    flags.add_files(parser, "to wait for")
    flags.add_selector(parser)
    parser.add_argument("--all", action="store_true", help="every object of the kind")
    parser.add_argument(
        "--for",
        dest="goals",
        metavar="GOAL",
        action="append",
        default=[],
        help="create, delete, condition=NAME[=VALUE] or jsonpath={PATH}[=VALUE]",
    )
    parser.add_argument(
        "--timeout", metavar="DURATION", default="30s", help="give up after this time; negative: a week"
    )
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", help="json|yaml|name|jsonpath=")


def run(args: argparse.Namespace) -> int:
    """Run `wait`."""
    if not args.goals:
        raise UsageError("--for is required", hint="podsysctl wait --for=condition=Ready pod/web")
    args.parsed = [parse(text) for text in args.goals]
    return connect.run(args, _wait)


def parse(text: str) -> Goal:
    """Understand one --for. Raises UsageError."""
    lower = text.lower()
    if lower in ("delete", "create"):
        return Goal(lower)
    if lower.startswith("condition="):
        name, _, status = text[len("condition=") :].partition("=")
        return Goal("state", lambda obj: condition_holds(obj, name, status or "true"))
    if lower.startswith("jsonpath="):
        return _parse_path(text[len("jsonpath=") :])
    raise UsageError(
        f'unrecognized condition: "{text}"', hint="create, delete, condition=NAME or jsonpath={PATH}=VALUE"
    )


def _parse_path(text: str) -> Goal:
    from podsysctl.objects import jsonpath

    match = re.fullmatch(r"'?(\{.*\}|[^=]*)'?(?:(=)(.*))?", text, re.DOTALL)
    if match is None or not match[1]:
        raise UsageError(
            "jsonpath wait format must be --for=jsonpath='{.status.readyReplicas}'=3 or "
            "--for=jsonpath='{.status.readyReplicas}'"
        )
    if match[2] and not match[3]:
        raise UsageError("jsonpath wait has to have a value after equal sign, like --for=jsonpath='{.status.x}'=3")
    template = jsonpath.relaxed(match[1]) if match[1].count("{") < 2 else jsonpath.parse(match[1])
    wanted = match[3].strip("'\"") if match[3] else None

    def holds(obj: Object) -> bool:
        values = [value for found in template.find(obj) for value in found]
        if not values:
            return False
        if len(values) > 1:
            raise UsageError("given jsonpath expression matches more than one value")
        if wanted is None:
            return True
        return _scalar(values[0]) == wanted

    return Goal("state", holds)


def _scalar(value: Any) -> str:
    if isinstance(value, dict | list):
        raise UsageError("jsonpath leads to a nested object or list which is not supported")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def condition_holds(obj: Object, name: str, status: str) -> bool:
    """Whether a condition has the status, for the object's present generation; upper and lower case are one."""
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if str(condition.get("type", "")).lower() != name.lower():
            continue
        generation = obj["metadata"].get("generation")
        observed = condition.get("observedGeneration", (obj.get("status") or {}).get("observedGeneration"))
        if generation is not None and observed is not None and observed < generation:
            return False
        return str(condition.get("status", "")).lower() == status.lower()
    return False


async def _wait(connection: Connection, args: argparse.Namespace) -> int:
    timeout_s = flags.parse_duration(args.timeout)
    if timeout_s < 0:
        timeout_s = WEEK_S
    deadline = asyncio.get_running_loop().time() + timeout_s
    shown = results.Results(args, at_once=True)
    errors: list[PodsysctlError] = []
    for goal in args.parsed:
        subjects = await _subjects(connection, args, goal, deadline)
        if not subjects and goal.kind != "delete":
            raise failures.PlainError("no matching resources found")
        for kind, name, namespace in subjects:
            try:
                await _one(connection, goal, kind, name, namespace, deadline, shown)
            except (StatusError, waiting.WaitTimeoutError) as error:
                errors.append(error)
    failures.raise_all(errors)
    return 0


Subject = tuple[Found, str, str | None]


async def _subjects(connection: Connection, args: argparse.Namespace, goal: Goal, deadline: float) -> Sequence[Subject]:
    """The objects to wait for; named ones need not exist, for deletion and creation."""
    if args.filenames:
        return [(i.kind, i.name, i.namespace) for i in await targets.from_files(connection, args)]
    asked = await targets.parse(connection, args.words)
    if not asked:
        raise UsageError("no objects to wait for were named", hint="podsysctl wait --for=condition=Ready pod/web")
    out: list[Subject] = []
    for target in asked:
        namespace = None if args.all_namespaces else connection.scope(target.kind)
        if target.names:
            out += [(target.kind, name, namespace) for name in target.names]
            continue
        if not (args.all or args.selector or args.field_selector):
            raise UsageError("resource(s) were provided, but no name was specified", hint="give names, -l or --all")
        found = await connection.client.list(
            target.kind,
            namespace,
            label_selector=args.selector,
            field_selector=args.field_selector,
            limit=limits.LIST_PAGE_ITEMS,
        )
        out += [(target.kind, o["metadata"]["name"], o["metadata"].get("namespace")) for o in found.items]
    return out


async def _one(
    connection: Connection,
    goal: Goal,
    kind: Found,
    name: str,
    namespace: str | None,
    deadline: float,
    shown: results.Results,
) -> None:
    left_s = max(0.0, deadline - asyncio.get_running_loop().time())
    identity: Object = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": name}}
    if goal.kind == "delete":
        try:
            now = await connection.client.get(kind, name, namespace)
            identity = now
            uid = now["metadata"].get("uid") or ""
        except StatusError as error:
            if error.code != 404:
                raise
            return  # gone before we came: nothing was waited for, and kubectl says nothing
        await waiting.until_gone(connection.client, [waiting.Gone(kind, name, namespace, uid)], left_s)
        shown.add(identity, "condition met")
        return
    if goal.kind == "state":
        await connection.client.get(kind, name, namespace)  # an object that does not exist is an error, not a wait
    final = await waiting.until(
        connection.client,
        kind,
        name,
        namespace,
        lambda obj: obj is not None and goal.holds(obj),
        left_s,
    )
    shown.add(final or identity, "condition met")
