"""CRI v1 as async methods: one method per call, its bound, its answer in Python's terms.

Messages are `cri_pb2`'s. Refusals are RuntimeServiceError whose message is what Kubernetes shows
(`rpc error: code = ... desc = ...`). What to call when is the node agent's business.

Bounds follow upstream (kubernetes: staging/src/k8s.io/cri-client/pkg/remote_runtime.go, 1.36): twice the
usual one to make a sandbox, and the caller's own seconds on top for stops and commands.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from google.protobuf.message import Message

from podsysctl.base import limits
from podsysctl.base.errors import RuntimeServiceError
from podsysctl.runtime import containerd_events, containerd_tasks
from podsysctl.runtime import cri_pb2 as cri
from podsysctl.runtime.channel import Channel

API_VERSION = "v1"
_Answer = TypeVar("_Answer", bound=Message)
_RUNTIME = "/runtime.v1.RuntimeService/"
_IMAGES = "/runtime.v1.ImageService/"


class ExecResult(NamedTuple):
    """What a command inside a container left: its output, at most 16 MiB each, and its exit code."""

    stdout: bytes
    stderr: bytes
    exit_code: int


class RuntimeService:
    """A container runtime behind `endpoint` (`unix:///run/x.sock` or the path alone).

    Every method raises RuntimeServiceError. An async context manager; it connects at the first call and
    again after the runtime restarted.
    """

    def __init__(self, endpoint: str, *, timeout_s: float = limits.CRI_TIMEOUT_S) -> None:
        self.channel = Channel(endpoint)
        self._timeout_s = timeout_s

    @property
    def endpoint(self) -> str:
        """The socket as a URL, for people and for status output."""
        return f"unix://{self.channel.path}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.channel.close()

    async def _call(
        self, service: str, method: str, answer: type[_Answer], timeout_s: float | None = 0.0, **fields: Any
    ) -> _Answer:
        request = getattr(cri, f"{method}Request")(**fields)
        bound = self._timeout_s if timeout_s == 0.0 else timeout_s
        return await self.channel.call(service + method, request, answer, bound)

    # --- the runtime

    async def version(self) -> cri.VersionResponse:
        """VersionResponse: the runtime's name, version and API version."""
        return await self._call(_RUNTIME, "Version", cri.VersionResponse, version=API_VERSION)

    async def status(self, *, verbose: bool = False) -> cri.StatusResponse:
        """StatusResponse: conditions RuntimeReady and NetworkReady, and the runtime's handlers."""
        return await self._call(_RUNTIME, "Status", cri.StatusResponse, verbose=verbose)

    # --- sandboxes

    async def run_pod_sandbox(self, config: cri.PodSandboxConfig, runtime_handler: str = "") -> str:
        """Make and start a sandbox from a PodSandboxConfig, its network included; its id."""
        answer = await self._call(
            _RUNTIME,
            "RunPodSandbox",
            cri.RunPodSandboxResponse,
            2 * self._timeout_s,
            config=config,
            runtime_handler=runtime_handler,
        )
        return answer.pod_sandbox_id

    async def stop_pod_sandbox(self, sandbox_id: str) -> None:
        """Stop a sandbox and all in it, and release its network. Idempotent."""
        await self._call(_RUNTIME, "StopPodSandbox", cri.StopPodSandboxResponse, pod_sandbox_id=sandbox_id)

    async def remove_pod_sandbox(self, sandbox_id: str) -> None:
        """Remove a sandbox and its containers, with what starts that were cut off left of them. Idempotent."""

        async def tasks() -> list[str]:
            containers = await self.list_containers(cri.ContainerFilter(pod_sandbox_id=sandbox_id))
            return [*(container.id for container in containers), sandbox_id]

        await self._remove("RemovePodSandbox", cri.RemovePodSandboxResponse, tasks, pod_sandbox_id=sandbox_id)

    async def _remove(
        self, method: str, answer: type[Message], tasks: Callable[[], Awaitable[Sequence[str]]], **fields: Any
    ) -> None:
        """Remove something; when that is refused for tasks that CRI does not know of, end those and ask again."""
        try:
            await self._call(_RUNTIME, method, answer, **fields)
        except RuntimeServiceError as error:
            if error.code != "FailedPrecondition":
                raise
            ended = [await containerd_tasks.end(self, task) for task in await tasks()]
            if not any(ended):
                raise
            await self._call(_RUNTIME, method, answer, **fields)

    async def pod_sandbox_status(self, sandbox_id: str, *, verbose: bool = False) -> cri.PodSandboxStatusResponse:
        """PodSandboxStatusResponse: `.status`, and with `verbose` the map `.info` (containerd: JSON with the pid)."""
        return await self._call(
            _RUNTIME, "PodSandboxStatus", cri.PodSandboxStatusResponse, pod_sandbox_id=sandbox_id, verbose=verbose
        )

    async def list_pod_sandbox(self, filter_: cri.PodSandboxFilter | None = None) -> list[cri.PodSandbox]:
        """PodSandbox entries, all or those that match a PodSandboxFilter."""
        answer = await self._call(_RUNTIME, "ListPodSandbox", cri.ListPodSandboxResponse, filter=filter_)
        return list(answer.items)

    # --- containers

    async def create_container(
        self, sandbox_id: str, config: cri.ContainerConfig, sandbox_config: cri.PodSandboxConfig
    ) -> str:
        """Make a container from a ContainerConfig inside a sandbox; its id. It does not run yet."""
        answer = await self._call(
            _RUNTIME,
            "CreateContainer",
            cri.CreateContainerResponse,
            pod_sandbox_id=sandbox_id,
            config=config,
            sandbox_config=sandbox_config,
        )
        return answer.container_id

    async def start_container(self, container_id: str) -> None:
        """Start the process of a created container."""
        await self._call(_RUNTIME, "StartContainer", cri.StartContainerResponse, container_id=container_id)

    async def stop_container(self, container_id: str, timeout_s: int) -> None:
        """Send the stop signal, and SIGKILL after `timeout_s` whole seconds. Idempotent."""
        await self._call(
            _RUNTIME,
            "StopContainer",
            cri.StopContainerResponse,
            self._timeout_s + timeout_s,
            container_id=container_id,
            timeout=timeout_s,
        )

    async def remove_container(self, container_id: str) -> None:
        """Remove a container, by force when it runs, with what a start that was cut off left of it. Idempotent."""

        async def tasks() -> list[str]:
            return [container_id]

        await self._remove("RemoveContainer", cri.RemoveContainerResponse, tasks, container_id=container_id)

    async def end_leftover(self, container_id: str) -> None:
        """End what a start that was cut off left of a container that does not run, where CRI itself cannot.

        Idempotent; usually there is nothing. Never to be called while the container is being started.
        """
        await containerd_tasks.end(self, container_id)

    async def list_containers(self, filter_: cri.ContainerFilter | None = None) -> list[cri.Container]:
        """Container entries, all or those that match a ContainerFilter."""
        answer = await self._call(_RUNTIME, "ListContainers", cri.ListContainersResponse, filter=filter_)
        return list(answer.containers)

    async def container_status(self, container_id: str, *, verbose: bool = False) -> cri.ContainerStatusResponse:
        """ContainerStatusResponse: `.status`, and with `verbose` the map `.info` (containerd: JSON with the pid)."""
        return await self._call(
            _RUNTIME, "ContainerStatus", cri.ContainerStatusResponse, container_id=container_id, verbose=verbose
        )

    async def update_container_resources(self, container_id: str, linux: cri.LinuxContainerResources) -> None:
        """Change a container's cgroup to a LinuxContainerResources."""
        await self._call(
            _RUNTIME,
            "UpdateContainerResources",
            cri.UpdateContainerResourcesResponse,
            container_id=container_id,
            linux=linux,
        )

    async def reopen_container_log(self, container_id: str) -> None:
        """Make the runtime open the log path again, after the old file was renamed."""
        await self._call(_RUNTIME, "ReopenContainerLog", cri.ReopenContainerLogResponse, container_id=container_id)

    async def container_stats(self, container_id: str) -> cri.ContainerStats:
        """ContainerStats of one container."""
        answer = await self._call(_RUNTIME, "ContainerStats", cri.ContainerStatsResponse, container_id=container_id)
        return answer.stats

    async def list_container_stats(self, filter_: cri.ContainerStatsFilter | None = None) -> list[cri.ContainerStats]:
        """ContainerStats entries, all or those that match a ContainerStatsFilter."""
        answer = await self._call(_RUNTIME, "ListContainerStats", cri.ListContainerStatsResponse, filter=filter_)
        return list(answer.stats)

    async def container_events(self) -> AsyncIterator[cri.ContainerEventResponse]:
        """ContainerEventResponse values as things happen, until the runtime closes the stream.

        containerd before 1.7 tells of ends only. Another runtime without this call raises code Unimplemented.
        """
        stream = self.channel.stream(
            _RUNTIME + "GetContainerEvents", cri.GetEventsRequest(), cri.ContainerEventResponse
        )
        try:
            async for event in stream:
                yield event
        except RuntimeServiceError as error:
            if error.code != "Unimplemented":
                raise
            async for event in containerd_events.follow(self):
                yield event

    # --- commands and streams

    async def exec_sync(self, container_id: str, command: Sequence[str], timeout_s: int = 0) -> ExecResult:
        """Run a command to its end; 0 seconds is unbounded. A command out of time is code DeadlineExceeded."""
        answer = await self._call(
            _RUNTIME,
            "ExecSync",
            cri.ExecSyncResponse,
            self._timeout_s + timeout_s if timeout_s else None,
            container_id=container_id,
            cmd=command,
            timeout=timeout_s,
        )
        return ExecResult(answer.stdout, answer.stderr, answer.exit_code)

    async def exec(
        self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool, stdout: bool, stderr: bool
    ) -> str:
        """Prepare a command whose streams are served at the URL returned. `stderr` must be off with a tty."""
        answer = await self._call(
            _RUNTIME,
            "Exec",
            cri.ExecResponse,
            container_id=container_id,
            cmd=command,
            tty=tty,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        return _streaming_url(answer)

    async def attach(self, container_id: str, *, tty: bool, stdin: bool, stdout: bool, stderr: bool) -> str:
        """Prepare the streams of a container's own process; they are served at the URL returned."""
        answer = await self._call(
            _RUNTIME,
            "Attach",
            cri.AttachResponse,
            container_id=container_id,
            tty=tty,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        return _streaming_url(answer)

    async def port_forward(self, sandbox_id: str, ports: Sequence[int] = ()) -> str:
        """Prepare connections to ports of a sandbox; they are served at the URL returned."""
        answer = await self._call(
            _RUNTIME, "PortForward", cri.PortForwardResponse, pod_sandbox_id=sandbox_id, port=ports
        )
        return _streaming_url(answer)

    # --- images

    async def list_images(self, image: str = "") -> list[cri.Image]:
        """Image entries, all or those of one reference."""
        filter_ = cri.ImageFilter(image=cri.ImageSpec(image=image)) if image else None
        answer = await self._call(_IMAGES, "ListImages", cri.ListImagesResponse, filter=filter_)
        return list(answer.images)

    async def image_status(self, image: str) -> cri.Image | None:
        """The Image that a reference or id names, or None when it is not present."""
        spec = cri.ImageSpec(image=image)
        answer = await self._call(_IMAGES, "ImageStatus", cri.ImageStatusResponse, image=spec)
        return answer.image if answer.HasField("image") and answer.image.id else None

    async def pull_image(
        self,
        image: str,
        *,
        auth: cri.AuthConfig | None = None,
        sandbox_config: cri.PodSandboxConfig | None = None,
        timeout_s: float = limits.CRI_PULL_TIMEOUT_S,
    ) -> str:
        """Pull an image; the reference to give to `create_container`."""
        answer = await self._call(
            _IMAGES,
            "PullImage",
            cri.PullImageResponse,
            timeout_s,
            image=cri.ImageSpec(image=image),
            auth=auth,
            sandbox_config=sandbox_config,
        )
        return answer.image_ref

    async def remove_image(self, image: str) -> None:
        """Remove an image. Idempotent."""
        await self._call(_IMAGES, "RemoveImage", cri.RemoveImageResponse, image=cri.ImageSpec(image=image))

    async def image_fs_info(self) -> cri.ImageFsInfoResponse:
        """ImageFsInfoResponse: what images take on disk."""
        return await self._call(_IMAGES, "ImageFsInfo", cri.ImageFsInfoResponse)


def _streaming_url(answer: cri.ExecResponse | cri.AttachResponse | cri.PortForwardResponse) -> str:
    if not answer.url:
        raise RuntimeServiceError("Unknown", "URL is not set")
    return answer.url
