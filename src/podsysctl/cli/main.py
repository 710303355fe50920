"""The command line: finds the command that was asked for and imports that one alone.

A command module has `HELP` (what `COMMAND --help` says first), `add_arguments(parser)` and `run(args)`, which
returns the exit code. Errors become text and exit codes here and nowhere else.
"""

from __future__ import annotations

import errno
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from podsysctl.base import stdio

if TYPE_CHECKING:
    import argparse


class Command(NamedTuple):
    """A command's words, its module below `podsysctl.cli`, one line of help, and its group in `--help`."""

    name: str
    module: str
    help: str
    group: str = ""


CLUSTER, SYSCTL, OBJECTS, PODS, NODES, ACCESS, SETTINGS = (
    "The one-machine cluster",
    "Kernel parameters",
    "Objects",
    "Running pods",
    "Nodes",
    "Discovery and access",
    "Settings",
)

COMMANDS: tuple[Command, ...] = (
    Command("up", "up", "Start the one-machine cluster", CLUSTER),
    Command("down", "down", "Stop it and restore the host", CLUSTER),
    Command("status", "status", "Show the cluster, its nodes and its kubeconfig", CLUSTER),
    Command("demo", "demo", "Walk through the chapter and check every line of it", CLUSTER),
    Command("image list", "image_list", "List the images of the cluster's runtime", CLUSTER),
    Command("image import", "image_import", "Import an image archive, without a registry", CLUSTER),
    Command("image alias", "image_alias", "Let a short name stand for a local image", CLUSTER),
    Command("image tag", "image_tag", "Give an image one more name", CLUSTER),
    Command("image build", "image_build", "Build the toolbox from this machine's own commands", CLUSTER),
    Command("sysctl", "sysctl", "Read, compare and probe this machine's kernel parameters", SYSCTL),
    Command("sysctl list", "sysctl_list", "List kernel parameters", SYSCTL),
    Command("sysctl get", "sysctl_get", "Print the values of kernel parameters", SYSCTL),
    Command("sysctl set", "sysctl_set", "Write kernel parameters", SYSCTL),
    Command("sysctl probe", "sysctl_probe", "Measure which parameters this kernel has per namespace", SYSCTL),
    Command("sysctl try", "sysctl_try", "Ask the kernel whether a pod could have these values", SYSCTL),
    Command("sysctl diff", "sysctl_diff", "Compare hosts, pods, files", SYSCTL),
    Command("sysctl export", "sysctl_export", "Write values to a file", SYSCTL),
    Command("sysctl origin", "sysctl_origin", "Tell where a value comes from", SYSCTL),
    Command("check", "check", "Lint manifests and node files that set kernel parameters", SYSCTL),
    Command("migrate", "migrate", "Replace privileged containers that set kernel parameters", SYSCTL),
    Command("explain", "explain", "Say what every gate thinks of a pod, or explain a kernel parameter", SYSCTL),
    Command("webhook", "webhook", "Prefer nodes that accept a pod's sysctls, whatever the scheduler", SYSCTL),
    Command("get", "get", "List objects", OBJECTS),
    Command("describe", "describe", "Show an object in detail, with its events", OBJECTS),
    Command("apply", "apply", "Bring objects to the state that files describe", OBJECTS),
    Command("create", "create", "Create objects from files", OBJECTS),
    Command("create namespace", "create_namespace", "Create a namespace", OBJECTS),
    Command("create ns", "create_namespace", "Create a namespace", ""),
    Command("create configmap", "create_configmap", "Create a ConfigMap from files and literals", OBJECTS),
    Command("create cm", "create_configmap", "Create a ConfigMap from files and literals", ""),
    Command("create secret generic", "create_secret", "Create a Secret from files and literals", OBJECTS),
    Command("create serviceaccount", "create_serviceaccount", "Create a ServiceAccount", OBJECTS),
    Command("create sa", "create_serviceaccount", "Create a ServiceAccount", ""),
    Command("create token", "create_token", "Ask for a token of a ServiceAccount", OBJECTS),
    Command("delete", "delete", "Delete objects", OBJECTS),
    Command("edit", "edit", "Change an object in an editor", OBJECTS),
    Command("patch", "patch", "Change fields of an object", OBJECTS),
    Command("replace", "replace", "Replace objects by those in files", OBJECTS),
    Command("label", "label", "Set or remove labels", OBJECTS),
    Command("annotate", "annotate", "Set or remove annotations", OBJECTS),
    Command("scale", "scale", "Set the number of replicas", OBJECTS),
    Command("set image", "set_image", "Set the images of a pod template", OBJECTS),
    Command("rollout status", "rollout_status", "Wait for a rollout to end", OBJECTS),
    Command("rollout preview", "rollout_preview", "Tell what a KubeletConfig would do", OBJECTS),
    Command("rollout history", "rollout_history", "List the revisions of a rollout", OBJECTS),
    Command("rollout undo", "rollout_undo", "Go back to an earlier revision", OBJECTS),
    Command("rollout restart", "rollout_restart", "Replace all pods of a workload", OBJECTS),
    Command("rollout pause", "rollout_pause", "Stop a Deployment from rolling out", OBJECTS),
    Command("rollout resume", "rollout_pause", "Let a Deployment roll out again", OBJECTS),
    Command("wait", "wait", "Wait for a condition of objects", OBJECTS),
    Command("events", "events", "List events", OBJECTS),
    Command("exec", "exec", "Run a command in a container", PODS),
    Command("rsh", "rsh", "Open a shell in a container", PODS),
    Command("attach", "attach", "Attach to the process of a container", PODS),
    Command("logs", "logs", "Print the logs of containers", PODS),
    Command("port-forward", "port_forward", "Forward local ports to a pod", PODS),
    Command("cp", "cp", "Copy files to and from containers", PODS),
    Command("cordon", "cordon", "Mark nodes as unschedulable", NODES),
    Command("uncordon", "cordon", "Mark nodes as schedulable", NODES),
    Command("drain", "drain", "Cordon a node and evict its pods", NODES),
    Command("taint", "taint", "Set or remove taints of nodes", NODES),
    Command("node dedicate", "node_dedicate", "Keep nodes for pods that need a profile of kernel parameters", NODES),
    Command("adm cordon", "cordon", "As `cordon`", ""),
    Command("adm uncordon", "cordon", "As `uncordon`", ""),
    Command("adm drain", "drain", "As `drain`", ""),
    Command("adm taint", "taint", "As `taint`", ""),
    Command("api-resources", "api_resources", "List the kinds that the server has", ACCESS),
    Command("api-versions", "api_versions", "List the API versions that the server has", ACCESS),
    Command("auth can-i", "auth_can_i", "Ask whether an action is allowed", ACCESS),
    Command("auth whoami", "auth_whoami", "Show who the server takes you for", ACCESS),
    Command("whoami", "whoami", "Print your user name", ACCESS),
    Command("policy add-scc-to-user", "policy", "Let users or service accounts use a constraint", ACCESS),
    Command("policy add-scc-to-group", "policy", "Let groups use a constraint", ACCESS),
    Command("policy remove-scc-from-user", "policy", "Take a constraint from users or service accounts", ACCESS),
    Command("policy remove-scc-from-group", "policy", "Take a constraint from groups", ACCESS),
    Command("adm policy add-scc-to-user", "policy", "As `policy add-scc-to-user`", ""),
    Command("adm policy add-scc-to-group", "policy", "As `policy add-scc-to-group`", ""),
    Command("adm policy remove-scc-from-user", "policy", "As `policy remove-scc-from-user`", ""),
    Command("adm policy remove-scc-from-group", "policy", "As `policy remove-scc-from-group`", ""),
    Command("version", "version", "Print the versions of client and server", ACCESS),
    Command("new-project", "new_project", "Create a namespace and switch to it", ACCESS),
    Command("project", "project", "Show or switch the namespace in use", ACCESS),
    Command("config view", "config_view", "Print the kubeconfig", SETTINGS),
    Command("config current-context", "config_current_context", "Print the context in use", SETTINGS),
    Command("config get-contexts", "config_get_contexts", "List the contexts", SETTINGS),
    Command("config use-context", "config_use_context", "Switch to another context", SETTINGS),
    Command("config set-context", "config_set_context", "Change or add a context", SETTINGS),
    Command("completion", "completion", "Print a shell's completion script", SETTINGS),
    Command("__complete", "complete", "Complete a word, for the shells' scripts", ""),
)

DASHED = {"-h", "--help"}

CANNOT_WRITE = {errno.EBADF, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}
"""How stdout refuses what a command prints: it is closed, or on a disk that is full or broken."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code of the process."""
    stdio.hold()
    stdio.reopen()
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        try:
            return _dispatch(words)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone: nothing more to say, and nothing more to flush at exit.
        sys.stdout = None
        return 0
    except OSError as error:
        if error.errno not in CANNOT_WRITE or "--foreground" in words:  # a server's files are more than its output
            raise
        sys.stdout = None  # what it did not take is not tried again at exit
        sys.stderr.write(f"error: write error: {error.strerror}\n")
        return 1


def _dispatch(words: list[str]) -> int:
    from podsysctl.base.errors import PodsysctlError

    if words and words[0] == "help":
        words = [*words[1:], "--help"]
    if words == ["--version"]:
        words = ["version", "--client"]
    try:
        command, rest = find_command(words)
        if command is None:
            if not rest or rest[0] in DASHED:
                sys.stdout.write(usage())
                return 0 if rest else 2
            return _unknown(words)
        gc.disable()  # importing makes objects that stay; looking through them costs a fifth of the start
        module = import_module(f"podsysctl.cli.{command.module}")
        gc.freeze()
        gc.enable()
        args = parse(command, module, rest)
        code: int = module.run(args)
        return code
    except PodsysctlError as error:
        from podsysctl.cli import failures

        sys.stdout.flush()
        sys.stderr.write(failures.render(error))
        return failures.exit_code(error)


def find_command(words: list[str]) -> tuple[Command | None, list[str]]:
    """The command with the most words, and what is left: flags may stand before it.

    `--flag value` before the command needs the value skipped, so global flags with values are known here.
    """
    from podsysctl.cli.flags import VALUE_FLAGS

    start = 0
    while start < len(words) and words[start].startswith("-") and words[start] not in DASHED:
        start += 2 if words[start] in VALUE_FLAGS else 1
    table = {tuple(c.name.split()): c for c in COMMANDS}
    for length in (3, 2, 1):
        command = table.get(tuple(words[start : start + length]))
        if command is not None:
            return command, words[:start] + words[start + length :]
    return None, words[start:]


def parse(command: Command, module: object, words: list[str]) -> argparse.Namespace:
    """Parse a command's words. What follows `--` is left alone, in `args.trailing` (None without `--`)."""
    import argparse

    from podsysctl.cli import flags

    trailing: list[str] | None = None
    if "--" in words:
        cut = words.index("--")
        words, trailing = words[:cut], words[cut + 1 :]
    parser = flags.Parser(
        prog=f"podsysctl {command.name}",
        description=getattr(module, "HELP", command.help),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(command=command.name)
    module.add_arguments(parser)  # type: ignore[attr-defined]
    flags.add_global(parser)
    return parser.parse(words, trailing)


def usage() -> str:
    """The text of `podsysctl --help`."""
    lines = ["podsysctl gives containers their kernel parameters.", "", "usage: podsysctl COMMAND [ARGUMENTS]"]
    width = max(len(c.name) for c in COMMANDS if c.group) + 2
    for group in dict.fromkeys(c.group for c in COMMANDS if c.group):
        lines += ["", f"{group}:"]
        lines += [f"  {c.name:{width}}{c.help}" for c in COMMANDS if c.group == group]
    lines += ["", "`podsysctl COMMAND --help` tells more. Flags of every command:", ""]
    from podsysctl.cli import flags

    lines += [f"  {names:34}{text}" for names, text in flags.summary()]
    return "\n".join(lines) + "\n"


def _usage_below(first: str) -> str:
    """The text of `podsysctl FIRST --help` where FIRST alone is no command."""
    below = [c for c in COMMANDS if c.name.startswith(first + " ")]
    shown = [c for c in below if c.group] or below
    width = max(len(c.name) for c in shown) + 2
    lines = [f"usage: podsysctl {first} COMMAND [ARGUMENTS]", "", *(f"  {c.name:{width}}{c.help}" for c in shown)]
    return "\n".join([*lines, "", f"`podsysctl {shown[0].name} --help` tells more of one."]) + "\n"


def _unknown(words: list[str]) -> int:
    from difflib import get_close_matches

    first = next((w for w in words if not w.startswith("-")), "")
    below = [c.name for c in COMMANDS if c.name.startswith(first + " ")]
    if below and DASHED & set(words):
        sys.stdout.write(_usage_below(first))
        return 0
    if below:
        sys.stderr.write(f"error: `{first}` needs one of: {', '.join(n.removeprefix(first + ' ') for n in below)}\n")
        sys.stderr.write(f"\nhint: podsysctl {below[0]} --help\n")
        return 2
    sys.stderr.write(f'error: unknown command "{first}" for "podsysctl"\n')
    close = get_close_matches(first, [c.name for c in COMMANDS], 3, cutoff=0.62)
    hint = f"did you mean {' or '.join(f'`{c}`' for c in close)}?" if close else "podsysctl --help"
    sys.stderr.write(f"\nhint: {hint}\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
