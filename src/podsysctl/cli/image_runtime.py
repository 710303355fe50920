"""What image commands share: which runtime they talk to, and where the cluster's image files lie."""

from __future__ import annotations

import argparse
from collections.abc import Awaitable, Callable
from pathlib import Path

from podsysctl.base.errors import NoClusterError
from podsysctl.cli import machine_files
from podsysctl.cli.machine_files import MachineFiles
from podsysctl.client import loop
from podsysctl.runtime.images.local import LocalImages
from podsysctl.runtime.service import RuntimeService


def add_data_dir(parser: argparse.ArgumentParser) -> None:
    """--data-dir."""
    parser.add_argument(
        "--data-dir", type=Path, default=machine_files.DATA_DIR, metavar="DIR", help="where the cluster's files lie"
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of commands that talk to the runtime."""
    add_data_dir(parser)
    parser.add_argument(
        "--runtime-endpoint", metavar="URL", default="", help="the runtime, instead of the running cluster's"
    )


def run(args: argparse.Namespace, action: Callable[[LocalImages], Awaitable[None]]) -> int:
    """Do something with the images of the runtime. Raises NoClusterError."""

    async def body() -> int:
        async with RuntimeService(_endpoint(args)) as runtime:
            await action(LocalImages(runtime, args.data_dir / "images"))
        return 0

    return loop.run(body(), uvloop=False)


def _endpoint(args: argparse.Namespace) -> str:
    if args.runtime_endpoint:
        return str(args.runtime_endpoint)
    files = MachineFiles(args.data_dir)
    state = files.read_state()
    if state is None or not files.is_running():
        raise NoClusterError(
            f"no cluster runs in {files.data_dir}", hint="start one with `podsysctl up`, or name a --runtime-endpoint"
        )
    return state.runtime_endpoint
