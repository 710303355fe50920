"""Short commands of the system (ip, iptables, umount, ctr, runc), run with a bound and with their words kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from podsysctl.base.errors import PodsysctlError

TIMEOUT_S = 60.0
_PLACES = ("/usr/sbin", "/usr/bin", "/sbin", "/bin")


class CommandError(PodsysctlError):
    """A command of the system failed; the message holds its own last line."""

    reason = "CommandFailed"


async def run(program: str | Path, *arguments: str | Path, stdin: str = "", timeout_s: float = TIMEOUT_S) -> str:
    """Run a command to its end; its standard output.

    Raises CommandError when it is not installed, cannot be started, fails, or is not done after `timeout_s` seconds.
    """
    path = os.pathsep.join([os.environ.get("PATH", ""), *_PLACES])
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *arguments,
            stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PATH": path, "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise CommandError(f"{program} is not installed") from error
    except OSError as error:  # no program, or no more processes: pods may have taken all there are
        raise CommandError(f"{program} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_s):
            out, err = await process.communicate(stdin.encode() if stdin else None)
    except TimeoutError as error:
        raise CommandError(f"{program} is not done after {timeout_s:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        words = (err or out).decode(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise CommandError(f"{Path(program).name} {arguments[0] if arguments else ''}: {words[-1]}")
    return out.decode(errors="replace")
