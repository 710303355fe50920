"""Images of containers: found on the node, pulled by policy, or replaced by an alias when no registry answers.

Events and errors are the kubelet's (pkg/kubelet/images, 1.36). The alias rule is ours: a short name such as
`centos` may stand for a local image, and a Warning event says so each time.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from podsysctl.base.clock import Clock
from podsysctl.base.errors import RuntimeServiceError, UsageError
from podsysctl.node import pod as pods
from podsysctl.node.backoff import Backoff
from podsysctl.node.container import Image
from podsysctl.node.references import References, data_of
from podsysctl.node.security import ImageUser
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.images.reference import DEFAULT_REGISTRY, parse_reference
from podsysctl.runtime.service import RuntimeService

ALIAS_EVENT = "ImageAliased"

NO_ANSWER = "no registry answered"

SILENT_S = 60.0
"""Time for which a registry that did not answer is not asked again for an image that has an alias."""

LOCAL_ONLY = "localhost/"
"""Names of images that were built on this machine: no registry has them, so they are not asked for when present."""

Record = Callable[[str, str, str], None]
"""Writes an event of the container: type, reason, message."""


class ImageError(Exception):
    """An image that cannot be had: the waiting reason and message, and when to try again (0 for the usual)."""

    def __init__(self, reason: str, message: str, retry_s: float = 0.0) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.retry_s = retry_s


@dataclass(frozen=True, slots=True)
class _Request:
    pod: pods.Pod
    shown: str
    image: str
    record: Record


class Images:
    """The node's images."""

    def __init__(
        self,
        runtime: RuntimeService,
        references: References,
        clock: Clock,
        aliases: Mapping[str, str],
        parallel_pulls: int,
    ) -> None:
        self._runtime = runtime
        self._references = references
        self._clock = clock
        self._aliases = aliases
        self._backoff = Backoff(clock)
        self._previous_error: dict[str, str] = {}
        self._silent_until_s: dict[str, float] = {}
        self._slots = asyncio.Semaphore(parallel_pulls)

    async def ensure(self, pod: pods.Pod, container: pods.Container, record: Record) -> Image:
        """The container's image, pulled when its policy asks for it. Raises ImageError, RuntimeServiceError."""
        shown = container.get("image", "")
        try:
            parse_reference(shown)
        except UsageError as error:
            detail = f'couldn\'t parse image name "{shown}": invalid reference format'
            text = f'Failed to apply default image tag "{shown}": {detail}'
            record("Warning", "InspectFailed", text)
            raise ImageError("InvalidImageName", text) from error
        image = with_default_tag(shown)
        policy = container.get("imagePullPolicy") or ("Always" if image.endswith(":latest") else "IfNotPresent")
        request = _Request(pod, shown, image, record)
        if policy in ("IfNotPresent", "Never") or image.startswith(LOCAL_ONLY):
            found = await self._find(image)
            if found is not None:
                text = f'Container image "{shown}" already present on machine and can be accessed by the pod'
                record("Normal", "Pulled", text)
                return found
            if policy == "Never":
                return await self._never(request)
        return await self._pull(request)

    def forget_old(self) -> None:
        """Drop what is remembered of failed pulls that nobody has tried again for long."""
        self._backoff.forget_old()
        self._previous_error = {k: text for k, text in self._previous_error.items() if self._backoff.delay_s(k)}

    async def _find(self, image: str) -> Image | None:
        found = await self._runtime.image_status(image)
        return None if found is None else _converted(found)

    async def _never(self, request: _Request) -> Image:
        aliased = await self._alias(request, "pull policy of Never")
        if aliased is not None:
            return aliased
        text = f'Container image "{request.shown}" is not present with pull policy of Never'
        request.record("Warning", "ErrImageNeverPull", text)
        raise ImageError("ErrImageNeverPull", text)

    async def _pull(self, request: _Request) -> Image:
        key = f"{pods.uid(request.pod)}_{request.shown}"
        waiting_s = self._backoff.remaining_since_update_s(key)
        if waiting_s > 0:
            text = f'Back-off pulling image "{request.shown}"'
            request.record("Normal", "BackOff", text)
            previous = self._previous_error.get(key)
            raise ImageError("ImagePullBackOff", f"{text}: {previous}" if previous else text, waiting_s)
        self._previous_error.pop(key, None)
        registry = parse_reference(request.image).registry
        if self._clock.monotonic_s() < self._silent_until_s.get(registry, 0.0):
            aliased = await self._alias(request, NO_ANSWER)
            if aliased is not None:
                return aliased
        request.record("Normal", "Pulling", f'Pulling image "{request.shown}"')
        begun_s = self._clock.monotonic_s()
        try:
            async with self._slots:
                started_s = self._clock.monotonic_s()
                await self._pull_with_credentials(request)
        except RuntimeServiceError as error:
            aliased = await self._alias(request, NO_ANSWER) if _is_unreachable(error) else None
            if aliased is not None:
                self._silent_until_s[registry] = self._clock.monotonic_s() + SILENT_S
                return aliased
            raise self._failed(request, key, error) from error
        pulled = await self._runtime.image_status(request.image)
        if pulled is None:
            raise ImageError("ErrImagePull", f'image "{request.image}" is not there after its pull')
        self._pulled(request, begun_s, started_s, int(pulled.size))
        return _converted(pulled)

    def _failed(self, request: _Request, key: str, error: RuntimeServiceError) -> ImageError:
        text = f'Failed to pull image "{request.shown}": {error.message}'
        request.record("Warning", "Failed", text)
        self._backoff.advance(key, self._clock.monotonic_s())
        self._previous_error[key] = f"ErrImagePull: {error.message}"
        return ImageError("ErrImagePull", error.message)

    def _pulled(self, request: _Request, begun_s: float, started_s: float, size_bytes: int) -> None:
        now_s = self._clock.monotonic_s()
        took, waited = format_duration(now_s - started_s), format_duration(now_s - begun_s)
        text = f'Successfully pulled image "{request.shown}" in {took} ({waited} including waiting). '
        request.record("Normal", "Pulled", f"{text}Image size: {size_bytes} bytes.")

    async def _pull_with_credentials(self, request: _Request) -> None:
        credentials = await self._credentials(request)
        failure: RuntimeServiceError | None = None
        for auth in credentials or [None]:
            try:
                await self._runtime.pull_image(request.image, auth=auth)
            except RuntimeServiceError as error:
                failure = error
            else:
                return
        if failure is not None:
            raise failure

    async def _credentials(self, request: _Request) -> list[Any]:
        """Logins of the pod's imagePullSecrets that fit the image's registry."""
        out = []
        for reference in pods.spec(request.pod).get("imagePullSecrets") or ():
            secret = await self._references.secret(pods.namespace(request.pod), reference.get("name") or "")
            if secret is not None:
                out += credentials_for(data_of(secret), request.image)
        return out

    async def _alias(self, request: _Request, why: str) -> Image | None:
        """The local image that the short name stands for, when there is one."""
        target = self._aliases.get(request.image)
        if target is None:
            return None
        found = await self._find(with_default_tag(target))
        if found is None:
            return None
        text = f'Image "{request.shown}" could not be pulled ({why}); its alias "{target}" on this machine is used'
        request.record("Warning", ALIAS_EVENT, text)
        return found


_UNREACHABLE = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "network is unreachable",
    "no route to host",
    "tls: ",
    "x509: ",
    "proxyconnect",
    "server misbehaving",
    "context deadline exceeded",
    "403 forbidden",
)


def _is_unreachable(error: RuntimeServiceError) -> bool:
    """Whether a pull failed because no registry answered, and not because a registry said no.

    The runtime reports both as text only. A proxy that refuses the registry counts as none answering.
    """
    if error.code in ("DeadlineExceeded", "Unavailable"):
        return True
    text = error.detail.lower()
    return any(mark in text for mark in _UNREACHABLE)


def _converted(image: Any) -> Image:
    if image.HasField("uid"):
        return Image(image.id, ImageUser(image.uid.value))
    if image.username:
        return Image(image.id, ImageUser(None, image.username))
    return Image(image.id, ImageUser(0))


def with_default_tag(image: str) -> str:
    """The image with `:latest` when it has neither tag nor digest; the name stays as written.

    >>> with_default_tag("centos"), with_default_tag("localhost:5000/a"), with_default_tag("a:1")
    ('centos:latest', 'localhost:5000/a:latest', 'a:1')
    """
    if "@" in image or ":" in image.rpartition("/")[2]:
        return image
    return f"{image}:latest"


def format_duration(seconds: float) -> str:
    """A duration as Go prints it after cutting to milliseconds.

    >>> format_duration(0.0421), format_duration(1.5), format_duration(61)
    ('42ms', '1.5s', '1m1s')
    """
    milliseconds = int(seconds * 1000)
    if milliseconds < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(milliseconds, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{minutes}m{text}" if minutes else text


def credentials_for(data: Mapping[str, bytes], image: str) -> list[Any]:
    """Logins in a pull secret (.dockerconfigjson or .dockercfg) for the registry of an image.

    They do not name the registry, as the kubelet's do not (credentialprovider/keyring.go): containerd would want it
    as the URL of the very host that it asks.
    """
    try:
        if ".dockerconfigjson" in data:
            entries = json.loads(data[".dockerconfigjson"]).get("auths")
        else:
            entries = json.loads(data.get(".dockercfg", b"{}"))
    except (ValueError, AttributeError):
        return []
    if not isinstance(entries, dict):
        return []
    registry = parse_reference(image).registry
    hosts = _DOCKER_HUB if registry == DEFAULT_REGISTRY else (registry,)
    out = []
    for server, entry in entries.items():
        host = server.removeprefix("https://").removeprefix("http://").split("/", 1)[0]
        if host in hosts and isinstance(entry, dict):
            out.append(_auth(entry))
    return out


_DOCKER_HUB = (DEFAULT_REGISTRY, f"index.{DEFAULT_REGISTRY}", f"registry-1.{DEFAULT_REGISTRY}")
"""One registry has three names."""


def _auth(entry: Mapping[str, Any]) -> Any:
    user, password = str(entry.get("username") or ""), str(entry.get("password") or "")
    if entry.get("auth") and not user:
        try:
            user, _, password = base64.b64decode(str(entry["auth"])).decode().partition(":")
        except ValueError:  # no base64, or no text
            user, password = "", ""
    return cri.AuthConfig(username=user, password=password)
