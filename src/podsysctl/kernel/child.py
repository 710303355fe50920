"""A short-lived child process for what a thread cannot do: user and pid namespaces.

The child is this interpreter started afresh (nothing is forked from a process that has threads), isolated
from the environment, spoken to in JSON over pipes. It makes or joins a user namespace and then calls the
same functions as the parent would, so an unprivileged user gets the same answers, as far as the kernel shows
them there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from podsysctl.base.errors import KernelError, PodsysctlError
from podsysctl.kernel import namespaces, procsys
from podsysctl.kernel.namespaces import CLONE_FLAGS, Namespaces
from podsysctl.sysctls.name import SysctlName, parse_name

TIMEOUT_S = 10
"""A child works for milliseconds; this bounds a machine that stands still."""

_SOURCE = str(Path(__file__).resolve().parents[2])
_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]);from podsysctl.kernel.child import main; main()"


def start() -> subprocess.Popen[bytes]:
    """A new child, which waits for its one request. Use it as a context manager; without a request it just ends.

    Most of a child's time goes into its start, which can go on beside other work. Raises KernelError.
    """
    command = [sys.executable, "-I", "-S", "-c", _PROGRAM, _SOURCE]
    try:
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except OSError as error:
        raise KernelError(f"cannot start {sys.executable}: {error.strerror}", errno=error.errno or 0) from error


def ask(request: Mapping[str, Any], started: subprocess.Popen[bytes] | None = None) -> Any:
    """Send one request to a new child, or to one from `start`, and return its answer.

    `op` names the question: read, survey, try, range. Raises KernelError with what the child says went
    wrong.
    """
    with started or start() as process:
        try:
            out, err = process.communicate(json.dumps(request).encode(), timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise KernelError(f"the namespace child did not answer within {TIMEOUT_S} s", errno=110) from error
    try:
        answer = json.loads(out)
    except ValueError as error:
        tail = err.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise KernelError(f"the namespace child failed: {' '.join(tail) or process.returncode}", errno=0) from error
    if "error" in answer:
        raise KernelError(answer["error"], errno=answer["errno"], hint=answer.get("hint", ""))
    return answer["result"]


def read_in_user_namespace(names: Sequence[SysctlName], target: Namespaces) -> dict[SysctlName, procsys.Reading]:
    """Values as a process in another user namespace sees them; every name is a key of the answer."""
    result = ask({"op": "read", "user": target.path("user"), "names": [name.slashed for name in names]})
    out: dict[SysctlName, procsys.Reading] = {}
    for name in names:
        item = result[name.slashed]
        out[name] = item if isinstance(item, str) else KernelError(item["error"], errno=item["errno"])
    return out


def main() -> None:
    """The child's side: one request from standard input, one answer to standard output."""
    text = sys.stdin.read()
    if not text:
        return  # nobody asked
    request = json.loads(text)
    try:
        answer: dict[str, Any] = {"result": _answer(request)}
    except KernelError as error:
        answer = {"error": error.message, "errno": error.errno, "hint": error.hint}
    except PodsysctlError as error:
        answer = {"error": error.message, "errno": 0}
    json.dump(answer, sys.stdout)


def _answer(request: Mapping[str, Any]) -> Any:
    operation = request["op"]
    if operation == "read":
        return _read(request["user"], [parse_name(text) for text in request["names"]])
    if operation == "survey":
        return _survey(own_user=request["own_user"])
    from podsysctl.kernel import dry_run

    _new_user_namespace()
    if operation == "try":
        values = {parse_name(text): value for text, value in request["values"]}
        return [outcome.to_dict() for outcome in dry_run.try_here(values, in_user_namespace=True)]
    name = parse_name(request["name"])
    return dry_run.range_here(name)


def _read(user_path: str, names: Sequence[SysctlName]) -> dict[str, Any]:
    fd = os.open(user_path, os.O_RDONLY | os.O_CLOEXEC)
    namespaces.setns(fd, "user")
    return {
        name.slashed: reading if isinstance(reading, str) else {"error": reading.message, "errno": reading.errno}
        for name, reading in procsys.read_here(names).items()
    }


def _survey(*, own_user: bool) -> dict[str, list[tuple[str, int, int]]]:
    """What fresh namespaces show, without and with a new pid namespace; owned by a new user namespace or not."""
    if own_user:
        _new_user_namespace()
    namespaces.unshare(CLONE_FLAGS["net"] | CLONE_FLAGS["ipc"] | CLONE_FLAGS["uts"])
    first = _entries()
    namespaces.unshare(CLONE_FLAGS["pid"])
    reader, writer = os.pipe()
    child = os.fork()  # safe: this process has one thread
    if child == 0:
        with open(writer, "w", encoding="utf-8") as pipe:
            json.dump(_entries(), pipe)
        os._exit(0)
    os.close(writer)
    with open(reader, encoding="utf-8") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return {"user": first, "pid": json.loads(text)}


def _entries() -> list[tuple[str, int, int]]:
    return [(entry.name.slashed, entry.mode, entry.inode) for entry in procsys.list_entries()]


def _new_user_namespace() -> None:
    """Become root of a new user namespace in which only this user exists."""
    uid, gid = os.geteuid(), os.getegid()
    namespaces.unshare(CLONE_FLAGS["user"])
    for file, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        try:
            Path(f"/proc/self/{file}").write_text(text, encoding="ascii")
        except OSError as error:
            raise KernelError(f"cannot write {file}: {error.strerror}", errno=error.errno or 0) from error
