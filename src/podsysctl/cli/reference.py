"""The reference page of the command line, made from the commands themselves: docs/commands.md."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec

from podsysctl.cli import flags, main

HEAD = """# Commands

Made from the commands' own help by `./run docs`; change `src/podsysctl/cli/` instead. What all of them share:

- Data goes to stdout, talk to stderr. `-o json` and `-o yaml` are stable, tables are not.
- Exit code 0 means done, 1 failed, 2 a mistake in the command line, 3 refused by policy. That no cluster is there
  to ask is a failure. `exec` and `rsh` pass on the exit code of what they ran, `auth can-i` answers no with 1.
- Without `--kubeconfig` and `$KUBECONFIG` the cluster is the one of `~/.kube/config`, else the one that `podsysctl up`
  runs, else, inside a pod, the pod's own.
- Verbs, flags, tables and texts are kubectl's where kubectl has them, and so are field managers and the annotation of
  client-side apply: both programs can take turns on one object. What kubectl has and podsysctl has not: plugins,
  kustomize, Go templates, `debug`, `run`, `expose`, `autoscale`, `top`, `proxy`, `diff`, `certificate`, `--prune`.
"""


def page() -> str:
    """The page as Markdown."""
    parts = [HEAD]
    for group in dict.fromkeys(c.group for c in main.COMMANDS if c.group):
        parts.append(f"## {group}\n")
        parts += [_section(c) for c in main.COMMANDS if c.group == group]
    rows = "".join(f"| `{names}` | {text} |\n" for names, text in flags.summary())
    parts.append(f"## Flags of every command\n\n| flag | meaning |\n|---|---|\n{rows}")
    return "\n".join(parts)


def _section(command: main.Command) -> str:
    if find_spec(f"podsysctl.cli.{command.module}") is None:
        return f"### {command.name}\n\n{command.help}.\n"
    module = import_module(f"podsysctl.cli.{command.module}")
    parser = flags.Parser(prog=f"podsysctl {command.name}", allow_abbrev=False, add_help=False)
    module.add_arguments(parser)
    rows = "".join(
        f"| `{_escaped(_signature(a))}` | {_escaped(a.help or '')} |\n"
        for a in parser._actions
        if a.help != argparse.SUPPRESS
    )
    table = f"\n| argument | meaning |\n|---|---|\n{rows}" if rows else ""
    return f"### {command.name}\n\n```text\n{module.HELP}\n```\n{table}"


def _signature(action: argparse.Action) -> str:
    metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
    if not action.option_strings:
        return f"{metavar}..." if action.nargs in ("*", "+") else metavar
    names = ", ".join(action.option_strings)
    if action.nargs == 0:
        return names
    value = "|".join(map(str, action.choices)) if action.choices and not action.metavar else metavar
    return f"{names}[={value}]" if action.nargs == "?" else f"{names} {value}"


def _escaped(text: str) -> str:
    """Text for a cell of a table."""
    return text.replace("|", "\\|")
