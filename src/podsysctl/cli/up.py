"""`podsysctl up`: start the one-machine cluster, in the background unless told otherwise."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from podsysctl.base.errors import PodsysctlError, UsageError, first_error
from podsysctl.cli import down, machine_files

HELP = """Start a Kubernetes-compatible cluster on this machine: API server, scheduler, controllers and one
or more node agents in one process, and a private containerd. Needs root.

Without --masters and --workers there is one node with both roles, named after the machine."""

DEFAULT_PORT = 6443
PORT_MAX = 65535
START_TIMEOUT_S = 90.0
_POLL_S = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own flags."""
    parser.add_argument(
        "--data-dir", type=Path, default=machine_files.DATA_DIR, metavar="DIR", help="where everything of it lies"
    )
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="the API server's port on 127.0.0.1")
    parser.add_argument("--masters", type=int, default=0, metavar="M", help="nodes with the role master")
    parser.add_argument("--workers", type=int, default=0, metavar="N", help="nodes with the role worker")
    parser.add_argument(
        "--simulated-nodes", type=int, default=0, metavar="K",
        help="more workers, without a runtime: their pods pass every gate and are Running without a process",
    )  # fmt: skip
    parser.add_argument("--node-name", default="", metavar="NAME", help="the name of the only node")
    parser.add_argument(
        "--runtime-endpoint", default="", metavar="URL", help="a running containerd or CRI-O instead of a private one"
    )
    parser.add_argument(
        "--allowed-unsafe-sysctls",
        default="",
        metavar="LIST",
        help="comma-separated patterns that every node allows, as the kubelet's flag",
    )
    parser.add_argument(
        "--default-profiles",
        action="store_true",
        help="tune every node as OpenShift does by default; without it, nothing of the machine changes by itself",
    )
    parser.add_argument(
        "--tuned-engine", choices=("own", "tuned"), default="own",
        help="who applies profiles to this machine: this program, or the TuneD that is installed",
    )  # fmt: skip
    parser.add_argument("--foreground", action="store_true", help="stay in the foreground and log to stderr")


def run(args: argparse.Namespace) -> int:
    """Start, wait until every node is ready, and say how to use it."""
    if os.geteuid() != 0:
        raise PodsysctlError(
            "`podsysctl up` needs root: it makes kernel namespaces and starts a container runtime",
            hint="sudo podsysctl up",
        )
    if min(args.masters, args.workers, args.simulated_nodes) < 0:
        raise UsageError("--masters, --workers and --simulated-nodes cannot be negative")
    if not 0 <= args.port <= PORT_MAX:
        raise UsageError(f"--port {args.port} is not from 0 to {PORT_MAX}")
    if args.node_name:
        _check_node_name(args.node_name)
    if args.runtime_endpoint:
        _check_endpoint(args.runtime_endpoint)
    machine_files.MachineFiles(args.data_dir).require_apart()
    return _foreground(args) if args.foreground else _background(args)


def _check_node_name(name: str) -> None:
    """Refuse a name that no Node, or its label kubernetes.io/hostname, may have, before anything is begun."""
    from podsysctl.objects import names

    problems = [*names.subdomain_problems(name), *names.label_value_problems(name)]
    if problems:
        raise UsageError(f"--node-name {name!r}: {problems[0]}")


def _check_endpoint(endpoint: str) -> None:
    """Refuse a runtime that is not there before `down` would have to ask it for the pods of this cluster."""
    from podsysctl.runtime import channel

    path = Path(channel.parse_endpoint(endpoint))
    if not path.is_socket():
        raise PodsysctlError(f"no container runtime listens on {path}", hint="start it, or leave the flag out")


def _foreground(args: argparse.Namespace) -> int:
    import logging

    from podsysctl.cli import machine
    from podsysctl.client import loop

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = machine.MachineConfig(
        data_dir=args.data_dir,
        nodes=machine.plan_nodes(args.masters, args.workers, args.node_name),
        port=args.port,
        runtime_endpoint=args.runtime_endpoint,
        allowed_unsafe_sysctls=tuple(p for p in args.allowed_unsafe_sysctls.split(",") if p),
        openshift_profiles=args.default_profiles,
        simulated_nodes=args.simulated_nodes,
        uses_tuned=args.tuned_engine == "tuned",
        up_arguments=_repeated(args),
    )
    with config.files.lock():
        config.files.forget_process()  # a killed cluster's names a process that may be somebody else's by now
        try:
            loop.run(machine.serve(config))
        except ExceptionGroup as errors:
            raise first_error(errors) from errors
    return 0


def _repeated(args: argparse.Namespace) -> tuple[str, ...]:
    """The arguments that a later start must be given to bring back the same cluster."""
    words = [f"--port={args.port}"]
    for name in ("masters", "workers", "simulated_nodes", "node_name", "runtime_endpoint", "allowed_unsafe_sysctls"):
        if getattr(args, name):
            words.append(f"--{name.replace('_', '-')}={getattr(args, name)}")
    if args.default_profiles:
        words.append("--default-profiles")
    if args.tuned_engine != "own":
        words.append(f"--tuned-engine={args.tuned_engine}")
    return tuple(words)


def _background(args: argparse.Namespace) -> int:
    from podsysctl.cli import status

    files = machine_files.MachineFiles(args.data_dir)
    with files.lock():
        files.forget_process()
        is_first = not files.nodes.exists()  # no node has run here since `down`, so no pod has
    began_s = time.monotonic()
    with files.log.open("ab") as log:
        position = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "podsysctl.cli.main", "up", "--foreground", f"--data-dir={files.data_dir}",
             *_repeated(args)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/",
        )  # fmt: skip
    while True:
        asked_s = time.monotonic()
        if status.is_ready(files):
            break
        timed_out = time.monotonic() - began_s > START_TIMEOUT_S
        if timed_out:
            _end(process)
        if process.poll() is not None:
            message, hint = _why(files, position)
            if timed_out:
                message, hint = f"the cluster is not ready after {START_TIMEOUT_S:g} s", ""
            problem = _undo(files) if is_first else ""
            raise PodsysctlError(message, hint="; ".join(filter(None, (hint or f"the log is {files.log}", problem))))
        time.sleep(max(_POLL_S, time.monotonic() - asked_s))  # a list of many nodes is work for the server
    print(f"ready in {time.monotonic() - began_s:.1f} s; use it with\n\n  export KUBECONFIG={files.kubeconfig}\n")
    return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(down.STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _undo(files: machine_files.MachineFiles) -> str:
    """Take away what a first start made on this machine before it failed; what kept it from that, or ''."""
    try:
        with files.lock():
            down.clean(files, wipe=False)
    except machine_files.AlreadyRunningError:
        pass  # that is why this start failed, and all of it is the other's
    except PodsysctlError as error:
        return f"`podsysctl down --data-dir {files.data_dir}` undoes what was begun, which failed now: {error.message}"
    return ""


def _why(files: machine_files.MachineFiles, position: int) -> tuple[str, str]:
    """The error that the background process ended with, and its hint if it gave one, from its log."""
    with files.log.open("rb") as log:
        log.seek(position)
        lines = log.read().decode(errors="replace").splitlines()
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    hints = [line.removeprefix("hint: ") for line in lines if line.startswith("hint: ")]
    message = (errors or lines or ["the program ended at once and said nothing"])[-1]
    return message, hints[-1] if errors and hints else ""
