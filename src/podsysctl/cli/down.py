"""`podsysctl down`: stop the cluster and leave the host as it was before."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from podsysctl.base.attempts import Attempts
from podsysctl.base.errors import PodsysctlError
from podsysctl.cli import machine_files
from podsysctl.cli.machine_files import MachineFiles, MachineState

HELP = """Stop the cluster, end its pods, and remove what it made on this host: processes, mounts, links,
kernel namespaces, firewall rules. The API's objects and the images stay for the next `up`."""

STOP_TIMEOUT_S = 30.0
CGROUPS = ("podsysctl", "kubepods", "k8s.io")
"""Control groups that the runtime makes for pods, removed where they are empty."""
_POLL_S = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's own flags."""
    parser.add_argument(
        "--data-dir", type=Path, default=machine_files.DATA_DIR, metavar="DIR", help="where everything of it lies"
    )
    parser.add_argument("--wipe", action="store_true", help="remove the API's objects, images and keys as well")


def run(args: argparse.Namespace) -> int:
    """Stop, clean, and perhaps wipe."""
    if os.geteuid() != 0:
        raise PodsysctlError("`podsysctl down` needs root, as `up` did", hint="sudo podsysctl down")
    files = MachineFiles(args.data_dir)
    if not files.data_dir.exists():
        print(f"nothing to stop: {files.data_dir} does not exist")
        return 0
    files.require_own()
    state = files.read_state()
    was_running = files.is_running()
    if was_running:
        if state is None:
            raise PodsysctlError(f"a cluster is just starting in {files.data_dir}", hint="try again in a moment")
        _stop(files, state)
    with files.lock():
        clean(files, wipe=args.wipe)
    done = "stopped" if was_running else "nothing ran; what was left is cleaned up"
    if args.wipe:
        _wipe(files)
        print(f"{done}, and objects, images and keys are removed")
    else:
        print(f"{done}; objects and images stay for the next `up`")
    return 0


def _stop(files: MachineFiles, state: MachineState) -> None:
    """End the serving process; SIGKILL is never needed for a healthy one, so its absence is an error."""
    with contextlib.suppress(ProcessLookupError):  # it ended by itself just now
        os.kill(state.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while files.is_running():
        if time.monotonic() > deadline:
            raise PodsysctlError(
                f"process {state.pid} does not end within {STOP_TIMEOUT_S:g} s", hint=f"see {files.log}"
            )
        time.sleep(_POLL_S)


def _wipe(files: MachineFiles) -> None:
    """Delete what a cluster makes, by name, and the directory if nothing else was put into it."""
    for path in files.data_dir.iterdir():
        if path.is_symlink() or not machine_files.is_ours(path.name):
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    try:
        files.data_dir.rmdir()
    except OSError:
        print(f"{files.data_dir} stays: it holds files that no cluster made")


def clean(files: MachineFiles, *, wipe: bool) -> None:
    """Remove pods and runtime, under the lock. Without a recorded state only a private runtime can have been there.

    Every step is tried, whatever became of the others, and what failed is raised at the end; `down` can then be
    called again. The nodes' folders alone wait for the pods' end, since pods use them.
    """
    from podsysctl.client import loop
    from podsysctl.node import forwarding, leave
    from podsysctl.node.networks import places
    from podsysctl.node.tuning import files as tuning
    from podsysctl.node.tuning import tuned_daemon
    from podsysctl.node.tuning.others import OtherClusters
    from podsysctl.runtime.containerd import PrivateContainerd

    state = files.read_last_state()

    async def end_pods() -> None:
        roots = sorted(files.nodes.iterdir()) if files.nodes.is_dir() else []
        for problem in await places.remove(files.networks, roots):
            print(f"warning: {problem}", file=sys.stderr)
        if state is not None and not state.private_runtime:
            await leave.remove_pods(state.runtime_endpoint, files.nodes, state.nodes)
        else:
            await PrivateContainerd(files.data_dir).destroy(wipe=wipe, cgroup_parents=CGROUPS)

    with Attempts() as attempts:
        with attempts.step():
            loop.run(end_pods())
        failed = len(attempts.failures)
        for restore in (tuned_daemon.restore, tuning.restore):
            with attempts.step():
                restore(files.data_dir)
        if len(attempts.failures) == failed:  # what is still set stays ours in the eyes of other clusters
            with attempts.step():
                OtherClusters(files.data_dir).close()
        with attempts.step():
            forwarding.restore(files.data_dir)
        with attempts.step():
            if not failed:
                leave.remove_files(files.nodes)
            else:
                leave.remove_control_groups(files.nodes)
    files.remove_state()
