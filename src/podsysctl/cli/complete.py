"""`__complete`: the words that may stand where the cursor is, one a line.

Commands, flags and kernel parameters come from the tables; kinds and names from the server, which has a second to
answer, and contexts from the kubeconfig.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from importlib import import_module

from podsysctl.base.errors import PodsysctlError
from podsysctl.cli import connect, flags, main, podpick
from podsysctl.cli.connect import Connection
from podsysctl.client import config
from podsysctl.policy.migration.manifests import PROFILE_LABEL
from podsysctl.sysctls import catalogue

HELP = "Complete the last word, for the shells' scripts."

WAIT_S = 1.0

ROLLOUTS = ("status", "history", "undo", "restart", "pause", "resume")
TAKES_TYPE_AND_NAME = {
    *("get", "describe", "delete", "label", "annotate", "edit", "patch", "scale", "wait"),
    *(f"rollout {word}" for word in ROLLOUTS),
    *("set image", "auth can-i", "explain"),
}
TAKES_POD = {"exec", "rsh", "attach", "logs", "port-forward"}
TAKES_NODE = {"cordon", "uncordon", "drain", "node dedicate", "adm cordon", "adm uncordon", "adm drain"}
TAKES_PARAMETER = {"explain", "sysctl get", "sysctl set", "sysctl list", "sysctl origin"}
TAKES_CONTEXT = {"config use-context", "config set-context"}
PLACEHOLDERS = ("IFNAME", "cpuN", "FAMILY")
OUTPUTS = ("json", "yaml", "wide", "name", "jsonpath=", "custom-columns=")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words so far stand behind `--`."""


def run(args: argparse.Namespace) -> int:
    """Run `__complete`."""
    words = args.trailing or [""]
    *before, current = words
    found = complete(before, current)
    sys.stdout.write("".join(f"{word}\n" for word in sorted(set(found)) if word.startswith(current)))
    return 0


def complete(before: list[str], current: str) -> list[str]:
    """Candidates for the word after `before`."""
    command, rest = main.find_command(list(before))
    if command is None or (not rest and _longer(command.name, current)):
        prefix = " ".join(rest) + " " if rest else ""
        if command is not None:
            prefix = command.name + " "
        names = [c.name for c in main.COMMANDS if c.name.startswith(prefix) and not c.name.startswith("__")]
        return [name.removeprefix(prefix).split()[0] for name in names]
    previous = before[-1] if before else ""
    if previous in ("-o", "--output"):
        return list(OUTPUTS)
    if current.startswith("-"):
        return _flags(command)
    found = _parameters() if command.name in TAKES_PARAMETER else []
    if _asks_server(command.name, previous) and not (found and "." in current):
        # A server that is away, or half a command line, completes to nothing.
        with contextlib.suppress(PodsysctlError, TimeoutError):
            found += asyncio.run(_from_server(command.name, rest, current))
    return found


def _parameters() -> list[str]:
    """The parameters that the catalogue knows, but for those that each interface, processor or protocol has."""
    return [row.name for row in catalogue.every() if not any(word in row.name for word in PLACEHOLDERS)]


def _longer(name: str, current: str) -> bool:
    return any(c.name.startswith(f"{name} {current}") for c in main.COMMANDS)


def _flags(command: main.Command) -> list[str]:
    parser = flags.Parser(allow_abbrev=False)
    import_module(f"podsysctl.cli.{command.module}").add_arguments(parser)
    flags.add_global(parser)
    return [name for name in parser._option_string_actions if name.startswith("--")]


def _asks_server(name: str, previous: str) -> bool:
    flags_with_names = ("-n", "--namespace", "-c", "--container", "--context")
    if (name, previous) == ("node dedicate", "--for"):
        return True
    return previous in flags_with_names or name in TAKES_TYPE_AND_NAME | TAKES_POD | TAKES_NODE | TAKES_CONTEXT


async def _from_server(name: str, rest: list[str], current: str) -> list[str]:
    parser = flags.Parser(allow_abbrev=False)
    flags.add_global(parser)
    complete_words = rest[:-1] if _dangling(rest) else rest
    args, plain = parser.parse_known_args(complete_words)
    previous = rest[-1] if rest else ""
    if previous == "--context" or name in TAKES_CONTEXT:
        document = config.read_kubeconfig(connect.kubeconfig_paths(args))
        return [entry["name"] for entry in document.get("contexts") or []]
    positional = [word for word in plain if not word.startswith("-")]
    async with asyncio.timeout(WAIT_S), connect.connect(args) as connection:
        if (name, previous) == ("node dedicate", "--for"):
            return [f"{PROFILE_LABEL}={profile}" for profile in await _profiles(connection)]
        if previous in ("-n", "--namespace"):
            return await _names(connection, "namespaces")
        if previous in ("-c", "--container") and positional:
            pod = await podpick.pod(connection, positional[0])
            return [c["name"] for c in pod["spec"].get("containers") or ()]
        if name in TAKES_POD:
            return [] if positional else await _names(connection, "pods")
        if name in TAKES_NODE:
            return await _names(connection, "nodes")
        return await _types_and_names(connection, positional, current, skip=1 if name == "auth can-i" else 0)


def _dangling(rest: list[str]) -> bool:
    """Whether the last word is a flag that still wants its value."""
    return bool(rest) and rest[-1] in flags.VALUE_FLAGS | {"-c", "--container", "--for"}


async def _types_and_names(connection: Connection, words: list[str], current: str, *, skip: int) -> list[str]:
    words = words[skip:]
    if "/" in current:
        kind = current.partition("/")[0]
        return [f"{kind}/{name}" for name in await _names(connection, kind)]
    if not words:
        mapper = await connection.mapper()
        return [r.qualified for r in mapper.preferred() if r.verbs]
    return await _names(connection, words[0])


async def _profiles(connection: Connection) -> list[str]:
    """The names of all tuning profiles."""
    kind = await connection.find("tuneds.tuned.openshift.io")
    found = (await connection.client.list(kind, None, limit=500)).items
    return [str(profile.get("name")) for tuned in found for profile in (tuned.get("spec") or {}).get("profile") or ()]


async def _names(connection: Connection, word: str) -> list[str]:
    kind = await connection.find(word)
    found = await connection.client.list(kind, connection.scope(kind), limit=500)
    return [obj["metadata"]["name"] for obj in found.items]
