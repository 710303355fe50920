"""`podsysctl explain`: the whole verdict over a pod, gate by gate, and the smallest fix; or all about a parameter.

A file, `-` or KIND/NAME is judged; a word that looks like a kernel parameter goes to `cli/explain_name.py`. With a
cluster in reach its namespaces, constraints, nodes and pools are asked, without one the defaults of a platform are.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from podsysctl.base.errors import ConnectionFailedError, NoClusterError, PodsysctlError, UsageError
from podsysctl.cli import explain_name

if TYPE_CHECKING:
    # Imported where they are used: a parameter is explained in the time that these take to load.
    from podsysctl.cli import explain_target

HELP = """Say what every gate on a pod's path thinks of it: validation, constraints, Pod Security, scheduling, and on
each node kubelet, runtime, kernel and interfaces; what the pod would really read; and the smallest fix, as manifests
ready to be applied, with what each fix opens besides.

  podsysctl explain pod.yaml                    judged by the cluster in reach, or offline by defaults
  podsysctl explain pod/web --node worker-1     a pod of the cluster, on one node
  podsysctl explain pod.yaml --as dev           as another user would fare
  podsysctl explain pod.yaml -o manifests       only the manifests of the fix, for `kubectl apply -f -`
  podsysctl explain net.core.somaxconn          everything about a kernel parameter

Exit code 0: the pod would run. 3: something refuses it. 2: the question could not be understood."""

_OUTPUTS = ("text", "json", "manifests")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `explain`."""
    parser.add_argument("targets", nargs="+", metavar="TARGET", help="FILE, -, KIND/NAME or a kernel parameter")
    parser.add_argument("-o", "--output", choices=_OUTPUTS, default="text", help="how to print (default text)")
    parser.add_argument("--node", metavar="NAME", help="judge this node alone")
    parser.add_argument("--as", metavar="USER", dest="judged_user", help="judge as if this user created the pod")
    parser.add_argument("--as-group", metavar="GROUP", action="append", default=[], dest="judged_groups",
                        help="a group of that user")  # fmt: skip
    parser.add_argument("--cluster-version", metavar="VERSION", help="judge by this Kubernetes version, such as 1.30")
    parser.add_argument("--offline", action="store_true", help="ask no cluster")
    parser.add_argument("--platform", choices=("openshift", "kubernetes"), help="offline: whose rules (openshift)")
    parser.add_argument("--kernel", metavar="FILE|VERSION|host",
                        help="offline: the node's kernel, as recorded by `sysctl probe -o json`, by version, or this"
                        " machine's")  # fmt: skip
    parser.add_argument("--kubelet-config", metavar="FILE", help="offline: the node's KubeletConfiguration")
    parser.set_defaults(impersonate=None, impersonate_groups=None)


def run(args: argparse.Namespace) -> int:
    """Run `explain`; the exit code."""
    words: list[str] = args.targets
    names = [word for word in words if _is_parameter(word)]
    if names and len(names) < len(words):
        raise UsageError("explain takes kernel parameters or manifests, not both", hint="run it twice")
    if names:
        return _explain_names(args, names)
    from podsysctl.cli import manifests

    files = [word for word in words if word == "-" or Path(word).exists() or Path(word).suffix in manifests.SUFFIXES]
    references = [word for word in words if word not in files]
    for word in references:
        if "/" not in word:
            raise UsageError(
                f"{word!r} is no file, no KIND/NAME and no kernel parameter",
                hint=explain_name.last_part_hint(word) or _field_hint(word),
            )
    try:
        objects = [document.object for document in manifests.read(files)]
    except PodsysctlError as error:
        raise UsageError(error.message, hint=error.hint) from error
    return _judge(args, objects, references)


def _field_hint(word: str) -> str:
    """What to do about a word that nothing here explains: `pod.spec.x` is a field, which kubectl explains."""
    from podsysctl.objects import kinds

    first = word.partition(".")[0].lower()
    names = {name for kind in kinds.BUILTIN for name in (kind.plural, kind.singular, *kind.short_names)}
    return f"fields are explained by `kubectl explain {word}`" if first in names else "podsysctl explain --help"


def _is_parameter(word: str) -> bool:
    return explain_name.is_name(word) and (word.startswith("/proc/sys/") or not Path(word).exists())


def _explain_names(args: argparse.Namespace, names: list[str]) -> int:
    if args.output == "manifests":
        raise UsageError("a kernel parameter has no manifests", hint="-o text or -o json")
    code = 0
    for index, name in enumerate(names):
        if index and args.output == "text":
            sys.stdout.write("\n")
        args.name = name
        code = max(code, explain_name.run(args))
    return code


def _judge(args: argparse.Namespace, objects: list[dict[str, Any]], references: list[str]) -> int:
    from podsysctl.cli import explain_offline, explain_output, explain_target
    from podsysctl.client import loop

    subjects = None
    if not args.offline:
        subjects = loop.run(_online(args, objects, references), uvloop=False)
    if subjects is None:
        if references:
            raise UsageError(f"{references[0]} needs a cluster", hint="leave --offline out, or give a file")
        subjects = explain_offline.gather(args, objects)
    if not subjects:
        raise UsageError("nothing that creates pods was given", hint="give a Pod or a workload")
    answers = [explain_target.judge(subject, node=args.node) for subject in subjects]
    explain_output.write(sys.stdout, answers, args.output)
    return 0 if all(answer.report.runs for answer in answers) else 3


async def _online(
    args: argparse.Namespace, objects: list[dict[str, Any]], references: list[str]
) -> list[explain_target.Subject] | None:
    """The targets in the cluster; None when there is no cluster to ask, and none of them needs one."""
    from podsysctl.cli import connect, explain_online

    async with contextlib.AsyncExitStack() as stack:
        try:
            connection = await stack.enter_async_context(connect.connect(args))
            await connection.mapper()
        except (ConnectionFailedError, NoClusterError, UsageError) as error:
            if references:
                raise
            sys.stderr.write(f"no cluster is asked ({error.message}); defaults are judged\n")
            return None
        return await explain_online.gather(connection, args, objects, references)
