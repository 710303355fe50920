"""Running CNI plugins in order, as libcni does: configuration in, result out, undone in reverse.

Source: libcni api.go, pkg/invoke.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from podsysctl.base import limits
from podsysctl.base.errors import PodsysctlError

CHECKED_SINCE = (0, 4, 0)
"""From this version on DEL is given the result of ADD."""


class PluginFailedError(PodsysctlError):
    """A plugin refused, or could not be run. The text is the plugin's own."""

    reason = "NetworkPluginFailed"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One interface of one sandbox: enough to make it, and to undo it without the API. JSON on disk.

    `plugins` are the configurations as given to the plugins, without the result of the one before. `label` is what
    status and events call the network; an empty one is told to nobody.
    """

    label: str
    interface: str
    network: str
    version: str
    plugins: tuple[dict[str, Any], ...]
    bridges: tuple[str, ...] = ()
    result: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The form that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Attachment:
        """Rebuild one. Raises KeyError, TypeError when it is none."""
        fields = {**document, "plugins": tuple(document["plugins"]), "bridges": tuple(document["bridges"])}
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Target:
    """The sandbox: its id in the runtime, the file of its network namespace ('' when gone), and CNI_ARGS."""

    sandbox_id: str
    netns: str
    arguments: str


class Plugins:
    """The plugin programs of this node. `environment` is added to that of each call."""

    def __init__(self, directories: Sequence[Path], environment: Mapping[str, str]) -> None:
        self._directories = directories
        self._environment = environment

    def require(self, names: Iterable[str]) -> None:
        """Have every one of these programs, before anything is made. Raises PluginFailedError naming a missing one."""
        for name in names:
            self._find(name)

    async def add(self, target: Target, attachment: Attachment) -> dict[str, Any]:
        """Run the list in order; the last result. Raises PluginFailedError; what ran before stays, for `delete`."""
        result = attachment.result
        for plugin in attachment.plugins:
            text = await self._run("ADD", target, attachment, plugin, result)
            try:
                result = json.loads(text)
            except (ValueError, RecursionError):
                result = {}
            if not isinstance(result, dict) or not result:
                raise PluginFailedError(f'plugin type="{plugin["type"]}" failed (add): its result is not a JSON object')
        return result

    async def delete(self, target: Target, attachment: Attachment) -> None:
        """Run the list in reverse; every plugin is tried. Raises PluginFailedError with the first failure."""
        failure: PluginFailedError | None = None
        result = attachment.result if _numbers(attachment.version) >= CHECKED_SINCE else {}
        for plugin in reversed(attachment.plugins):
            try:
                await self._run("DEL", target, attachment, plugin, result)
            except PluginFailedError as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def _run(
        self, command: str, target: Target, attachment: Attachment, plugin: Mapping[str, Any], result: Mapping[str, Any]
    ) -> bytes:
        program = self._find(str(plugin["type"]))
        config = {**plugin, "name": attachment.network, "cniVersion": attachment.version}
        if result:
            config["prevResult"] = result
        environment = {
            "PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            **self._environment,
            "CNI_COMMAND": command,
            "CNI_CONTAINERID": target.sandbox_id,
            "CNI_NETNS": target.netns,
            "CNI_IFNAME": attachment.interface,
            "CNI_ARGS": target.arguments,
            "CNI_PATH": os.pathsep.join(map(str, self._directories)),
        }
        label = f'plugin type="{plugin["type"]}" failed ({command.lower()})'
        process = await asyncio.create_subprocess_exec(
            program, env=environment, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            async with asyncio.timeout(limits.CNI_PLUGIN_TIMEOUT_S):
                out, error_text = await process.communicate(json.dumps(config).encode())
        except TimeoutError as error:
            raise PluginFailedError(f"{label}: it did not end within {limits.CNI_PLUGIN_TIMEOUT_S} s") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0 or len(out) > limits.CNI_CONFIG_BYTES:
            raise PluginFailedError(f"{label}: {_message(out, error_text, process.returncode)}")
        return out

    def _find(self, name: str) -> str:
        for directory in self._directories:
            path = directory / name
            if os.access(path, os.X_OK):
                return str(path)
        listed = " ".join(map(str, self._directories))
        raise PluginFailedError(f'failed to find plugin "{name}" in path [{listed}]')


def _message(out: bytes, error_text: bytes, code: int | None) -> str:
    """The plugin's own words: message and details of its error result, or what it wrote elsewhere."""
    try:
        document = json.loads(out)
        details = document.get("details")
        return f"{document['msg']}; {details}" if details else str(document["msg"])
    except (ValueError, KeyError, AttributeError):
        words = (error_text or out).decode("utf-8", "replace").strip()[-500:]
        return f"netplugin failed: {words}" if words else f"netplugin failed with no error message: exit status {code}"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
