"""`python -m podsysctl.apiserver --data-dir D --port P`: an API server alone; prints its kubeconfig's path."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from pathlib import Path

import uvloop

from podsysctl.apiserver import kubeconfig
from podsysctl.apiserver.config import DEFAULT_PORT, REPOSITORY_CRDS, ServerConfig
from podsysctl.apiserver.server import ApiServer
from podsysctl.base import stdio
from podsysctl.base.errors import PodsysctlError
from podsysctl.policy.platform import Platform


async def serve(config: ServerConfig) -> None:
    """Until SIGINT or SIGTERM."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    async with ApiServer(config) as server:
        print(kubeconfig.write_admin(server), flush=True)
        await ended.wait()


def main() -> int:
    """Parse the arguments and serve."""
    stdio.hold()
    parser = argparse.ArgumentParser(prog="python -m podsysctl.apiserver", description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--crd-dir", type=Path, default=REPOSITORY_CRDS)
    parser.add_argument("--platform", type=Platform, choices=list(Platform), default=Platform.KUBERNETES)
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    config = ServerConfig(
        data_dir=options.data_dir,
        port=options.port,
        address=options.address,
        crd_dir=options.crd_dir,
        platform=options.platform,
    )
    try:
        uvloop.run(serve(config))
    except PodsysctlError as error:
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"\nhint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
