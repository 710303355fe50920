"""The program `podsysctl-tuning`: one call of a runtime, from its environment and input to output and exit code.

Source: cni pkg/skel/skel.go. Everything that only some calls need is imported where they need it.
"""

from __future__ import annotations

import os

from podsysctl.cni import netconf, ours, profile, wire
from podsysctl.cni.call import (
    DECODING,
    ENVIRONMENT,
    INCOMPATIBLE,
    INTERNAL,
    IO,
    NOT_AVAILABLE,
    SAME_NETNS,
    Call,
    PluginError,
    problem_of_network,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

_ATTACHMENT = ("ADD", "CHECK", "DEL")


def main() -> int:
    """Answer one call; the exit code."""
    code, text = _outcome()
    try:
        _write(text)
    except OSError as error:  # nobody reads: the record is there, and the runtime's DEL undoes what was done
        _complain(f"the result cannot be written: {error.strerror}\n")
        return 1
    return code


def _outcome() -> tuple[int, str]:
    try:
        return 0, answer(os.environ, _read_input)
    except PluginError as error:
        return 1, error.to_json()
    except netconf.NilMapPanic:
        _complain("panic: assignment to entry in nil map\n")
        return 2, ""
    except _WrongAfterAll as error:
        return 1, error.printed + error.problem.to_json()
    except Exception as error:  # noqa: BLE001 - whatever it is, a runtime understands an error result and no traceback
        return 1, PluginError(INTERNAL, f"{type(error).__name__}: {error}").to_json()


def run(default_allowlist: tuple[str, ...] = ()) -> NoReturn:
    """Answer one call and end the process at once: tearing the interpreter down takes milliseconds for nothing.

    `default_allowlist` is what the installed program carries (`allowlist.built_in`).
    """
    from podsysctl.cni import allowlist

    allowlist.built_in = default_allowlist
    os._exit(main())


class _WrongAfterAll(Exception):
    """Upstream's habit of refusing what it has already done and printed."""

    def __init__(self, printed: str, problem: PluginError) -> None:
        super().__init__(problem.text)
        self.printed = printed
        self.problem = problem


def answer(environment: Mapping[str, str], read_input: Any) -> str:
    """What goes to standard output. `read_input(limit)` gives standard input. Raises PluginError, NilMapPanic."""
    behaviour = _chosen(environment)
    if not environment.get("CNI_COMMAND"):
        _complain("CNI tuning plugin version unknown\n")
        _complain(f"CNI protocol versions supported: {', '.join(behaviour.versions)}\n")
        return ""
    call = Call(environment, behaviour)
    if call.command == "VERSION":
        versions = ",".join([f'"{version}"' for version in behaviour.versions])
        return f'{{"cniVersion":"{behaviour.versions[-1]}","supportedVersions":[{versions}]}}\n'
    data = read_input(behaviour.strict)
    try:
        tree = wire.parse(data)
        name = netconf.read_name(tree)
    except wire.Problem as problem:
        raise PluginError(DECODING, f"error unmarshall network config: {problem}") from problem
    try:
        return _answer_configured(call, tree, name)
    except PluginError as error:
        if call.profile.strict:
            error.version = _version_to_tell(tree)
        raise


def _answer_configured(call: Call, tree: Any, name: str) -> str:
    """The answer to a call whose configuration can be read. Raises PluginError, NilMapPanic."""
    behaviour = call.profile
    wrong = problem_of_network(name)
    if wrong is not None:
        raise wrong
    call.check_attachment()
    if behaviour is profile.DEFAULT:
        call.profile = _asked_for(tree)
    if call.command not in _ATTACHMENT and not (call.command in ("GC", "STATUS") and behaviour.newest):
        raise PluginError(ENVIRONMENT, f"unknown CNI_COMMAND: {call.command}")
    _check_version(call, tree)
    return _dispatch(call, tree)


def _chosen(environment: Mapping[str, str]) -> profile.Profile:
    """The behaviour that the environment asks for. Raises PluginError when there is no such."""
    name = environment.get(profile.MODE_VARIABLE, "")
    found = profile.BY_NAME.get(name or "default")
    if found is None:
        known = ", ".join(profile.BY_NAME)
        raise PluginError(ENVIRONMENT, f"{profile.MODE_VARIABLE} is {name}, known are {known}")
    return found


def _asked_for(tree: Any) -> profile.Profile:
    """The behaviour that the configuration asks for. Raises PluginError when there is no such."""
    try:
        name = netconf.read_mode(tree)
    except wire.Problem as problem:
        raise PluginError(INTERNAL, f"failed to load netconf: {problem}") from problem
    found = profile.BY_CONFIGURATION.get(name or "default")
    if found is None:
        known = ", ".join(profile.BY_CONFIGURATION)
        raise PluginError(INTERNAL, f"mode is {name}, a configuration may ask for {known}")
    return found


def _version_to_tell(tree: Any) -> str:
    """The version of an error result: the configuration's, or our newest where it has none that we know."""
    try:
        version = netconf.read_version(tree)
    except wire.Problem:
        version = ""
    return version if version in profile.VERSIONS else profile.VERSIONS[-1]


def _check_version(call: Call, tree: Any) -> None:
    try:
        version = netconf.read_version(tree)
    except wire.Problem as problem:
        raise PluginError(DECODING, f"decoding version from network config: {problem}") from problem
    oldest = {"CHECK": (0, 4, 0), "GC": (1, 1, 0), "STATUS": (1, 1, 0)}.get(call.command)
    if oldest is not None:
        numbers = _numbers(version)
        if numbers < oldest:
            raise PluginError(INCOMPATIBLE, f"config version does not allow {call.command}")
        if numbers > _numbers(call.profile.versions[-1]):
            raise PluginError(INCOMPATIBLE, f"plugin version does not allow {call.command}")
    if version not in call.profile.versions:
        supported = " ".join([f'"{known}"' for known in call.profile.versions])
        details = f"config is {wire.quote(version)}, plugin supports [{supported}]"
        raise PluginError(INCOMPATIBLE, "incompatible CNI versions", details)


def _numbers(version: str) -> tuple[int, int, int]:
    """A version's numbers, missing ones 0. Raises PluginError in the words of Go's library."""
    parts = version.split(".")
    if len(parts) > 3:
        raise PluginError(DECODING, f"invalid version {wire.quote(version)}: too many parts")
    out = [0, 0, 0]
    for index, (part, label) in enumerate(zip(parts, ("major", "minor", "micro"), strict=False)):
        digits = part[1:] if part[:1] in ("+", "-") else part
        if not (digits.isascii() and digits.isdigit()):
            words = f"strconv.Atoi: parsing {wire.quote(part)}: invalid syntax"
            raise PluginError(DECODING, f"failed to convert {label} version part {wire.quote(part)}: {words}")
        out[index] = int(part)
    return out[0], out[1], out[2]


def _dispatch(call: Call, tree: Any) -> str:
    if call.command in ("GC", "STATUS") and not call.profile.strict:
        return ""
    try:
        if call.command in ("ADD", "CHECK") and call.profile.newest:
            netconf.check_duplicates(tree)
        conf = netconf.parse(tree, call.arguments, call.profile)
        return _carry_out(call, conf)
    except wire.Problem as problem:
        code = NOT_AVAILABLE if call.command == "STATUS" else INTERNAL
        raise PluginError(code, str(problem)) from problem
    except RecursionError as error:
        raise PluginError(DECODING, "error unmarshall network config: exceeded max depth") from error


def _carry_out(call: Call, conf: netconf.NetConf) -> str:
    """Run one command. Raises wire.Problem, PluginError, _WrongAfterAll."""
    from podsysctl.cni import netns

    same = call.profile.newest and call.command in ("ADD", "DEL") and not call.netns_override
    same = same and netns.is_same_path(call.netns)
    wrong = PluginError(SAME_NETNS, "plugin's netns and netns from CNI_NETNS should not be the same")
    if call.profile.strict:
        if call.command == "ADD":
            if same:
                raise wrong
            return ours.add(call, conf)
        if call.command == "CHECK":
            ours.check(call, conf)
        elif call.command == "DEL":
            ours.delete(call, conf)
        elif call.command == "GC":
            ours.collect(conf)
        else:
            ours.status()
        return ""
    from podsysctl.cni import upstream

    printed = ""
    if call.command == "ADD":
        printed = upstream.add(call, conf)
    elif call.command == "CHECK":
        upstream.check(call, conf)
    else:
        upstream.delete(call, conf)
    if same:
        raise _WrongAfterAll(printed, wrong)
    return printed


def _read_input(bounded: bool) -> bytes:
    """Standard input. Raises PluginError when it is longer than a configuration can be."""
    from podsysctl.base import limits

    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = os.read(0, 65536)
        except OSError as error:
            raise PluginError(IO, f"error reading from stdin: {error.strerror}") from error
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
        if bounded and size > limits.CNI_CONFIG_BYTES:
            raise PluginError(DECODING, f"the network configuration has more than {limits.CNI_CONFIG_BYTES} bytes")


def _write(text: str) -> None:
    data = wire.encode(text)
    while data:
        data = data[os.write(1, data) :]


def _complain(text: str) -> None:
    """For people, as far as anybody listens."""
    try:
        os.write(2, wire.encode(text))
    except OSError:
        return


if __name__ == "__main__":
    run()
