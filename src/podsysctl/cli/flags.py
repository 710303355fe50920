"""Flags that every command has, and how command lines are parsed.

Flags and arguments may be mixed in any order, and a mistake ends with exit code 2.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, NoReturn

from podsysctl.base.errors import UsageError

_GLOBAL: tuple[tuple[tuple[str, ...], dict[str, Any], str], ...] = (
    (("-n", "--namespace"), {"metavar": "NAME"}, "the namespace to work in"),
    (("--kubeconfig",), {"metavar": "FILE"}, "the kubeconfig to use"),
    (("--context",), {"metavar": "NAME"}, "the kubeconfig's context to use"),
    (("--cluster",), {"metavar": "NAME"}, "the kubeconfig's cluster to use"),
    (("--user",), {"metavar": "NAME"}, "the kubeconfig's user to be"),
    (("-s", "--server"), {"metavar": "URL"}, "the API server's address"),
    (("--token",), {"metavar": "TOKEN"}, "the bearer token to show"),
    (("--as",), {"metavar": "USER", "dest": "impersonate"}, "the user to act as"),
    (
        ("--as-group",),
        {"metavar": "GROUP", "dest": "impersonate_groups", "action": "append"},
        "a group to act as, with --as",
    ),
    (("--certificate-authority",), {"metavar": "FILE"}, "the CA that signed the server's certificate"),
    (("--client-certificate",), {"metavar": "FILE"}, "the client certificate to show"),
    (("--client-key",), {"metavar": "FILE"}, "the client certificate's key"),
    (("--insecure-skip-tls-verify",), {"action": "store_true"}, "trust any server certificate"),
    (("--request-timeout",), {"metavar": "DURATION", "default": "0"}, "give up a request after this time"),
)

VALUE_FLAGS = frozenset(name for names, options, _ in _GLOBAL if "metavar" in options for name in names)


class Parser(argparse.ArgumentParser):
    """argparse with our own error form, and flags anywhere between arguments."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing and exiting."""
        raise UsageError(message, hint=f"{self.prog} --help")

    def _explicit(self, words: list[str]) -> list[str]:
        """kubectl's habits: an optional value follows `=` alone, and switches take =true and =false."""
        out: list[str] = []
        for word in words:
            name, equals, value = word.partition("=")
            action = self._option_string_actions.get(name)
            if action is None:
                out.append(word)
            elif action.nargs == "?" and not equals:
                out.append(f"{name}={str(action.const).lower()}")
            elif isinstance(action, argparse._StoreTrueAction) and equals:
                out += [name] if _boolean(value) else []
            else:
                out.append(word)
        return out

    def format_help(self) -> str:
        """The help with its usage, which `parse` leaves out."""
        self.usage = None
        return super().format_help()

    def print_help(self, file: Any = None) -> None:
        """Print the help; argparse's own says nothing of an output that cannot be written."""
        (file or sys.stdout).write(self.format_help())

    def parse(self, words: list[str], trailing: list[str] | None) -> argparse.Namespace:
        """Parse; `trailing` is what stood behind `--`."""
        words = self._explicit(words)
        if any(action.nargs in (argparse.PARSER, argparse.REMAINDER) for action in self._actions):
            args = self.parse_args(words)
        else:
            # Otherwise argparse writes the usage for messages that `error` does not print: a tenth of a start.
            self.usage = argparse.SUPPRESS
            args = self.parse_intermixed_args(words)
        args.trailing = trailing
        return args


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise argparse.ArgumentTypeError(f'"{text}" is neither true nor false')


def add_bool(parser: argparse.ArgumentParser, *names: str, default: bool | None, help: str) -> None:
    """A flag that takes =true or =false; alone it means true."""
    parser.add_argument(*names, nargs="?", const=True, default=default, type=_boolean, metavar="BOOL", help=help)


def add_global(parser: argparse.ArgumentParser) -> None:
    """Give a parser the flags of every command, except those it defined itself."""
    group = parser.add_argument_group("flags of every command")
    for names, options, text in _GLOBAL:
        free = [name for name in names if name not in parser._option_string_actions]
        if names[-1] in free:
            group.add_argument(*free, help=text, **options)


def summary() -> Iterator[tuple[str, str]]:
    """The names and help of each global flag."""
    for names, options, text in _GLOBAL:
        yield ", ".join(names) + (f" {options['metavar']}" if "metavar" in options else ""), text


def add_files(parser: argparse.ArgumentParser, purpose: str) -> None:
    """-f and -R."""
    parser.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        default=[],
        dest="filenames",
        help=f"file, directory, URL or - that holds the objects {purpose}",
    )
    parser.add_argument("-R", "--recursive", action="store_true", help="look into directories below as well")


def add_selector(parser: argparse.ArgumentParser, *, all_namespaces: bool = True, fields: bool = True) -> None:
    """-l, --field-selector and -A."""
    parser.add_argument("-l", "--selector", metavar="LABELS", default="", help="only objects with these labels")
    if fields:
        parser.add_argument(
            "--field-selector", metavar="FIELDS", default="", help="only objects with these field values"
        )
    if all_namespaces:
        parser.add_argument("-A", "--all-namespaces", action="store_true", help="in all namespaces")


def add_output(parser: argparse.ArgumentParser, formats: str = "json|yaml|name|jsonpath=|custom-columns=") -> None:
    """-o and its relatives."""
    parser.add_argument("-o", "--output", metavar="FORMAT", default="", help=f"{formats}")
    parser.add_argument(
        "--show-managed-fields", action="store_true", help="keep metadata.managedFields in json and yaml"
    )


def add_dry_run(parser: argparse.ArgumentParser) -> None:
    """--dry-run[=none|client|server]; the bare flag means client."""
    parser.add_argument(
        "--dry-run",
        nargs="?",
        const="client",
        default="none",
        choices=("none", "client", "server"),
        help="print what would be done: without asking the server (client), or as the server would (server)",
    )


def add_field_manager(parser: argparse.ArgumentParser, default: str) -> None:
    """--field-manager."""
    parser.add_argument(
        "--field-manager", metavar="NAME", default=default, help="the name under which fields are owned"
    )


def add_validate(parser: argparse.ArgumentParser) -> None:
    """--validate[=strict|warn|ignore|true|false]."""
    parser.add_argument(
        "--validate",
        nargs="?",
        const="strict",
        default="strict",
        choices=("strict", "warn", "ignore", "true", "false"),
        help="refuse unknown fields (strict), warn of them, or ignore them",
    )


def field_validation(value: str) -> str:
    """The server's word for a --validate value."""
    return {"strict": "Strict", "true": "Strict", "warn": "Warn"}.get(value, "Ignore")


def parse_duration(text: str) -> float:
    """Seconds of a duration such as `90`, `1m30s` or `500ms`. Raises UsageError.

    >>> parse_duration("1m30s"), parse_duration("0"), parse_duration("-1s")
    (90.0, 0.0, -1.0)
    """
    import re

    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    if re.fullmatch(r"\d+", rest):
        return sign * float(rest)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", rest)
    if not parts or "".join(n + u for n, u in parts) != rest:
        raise UsageError(f'"{text}" is not a duration such as 30s, 5m or 1h30m')
    return sign * sum(float(n) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[u] for n, u in parts)
