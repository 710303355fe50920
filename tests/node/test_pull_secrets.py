"""Whose logins a pull is made with: the pod's own, and only those for the image's registry."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from podsysctl.node.images import credentials_for
from tests.node.cluster import Cluster, container, pod, waiting
from tests.node.test_pods_running import SECRETS

LOGIN = base64.b64encode(b"me:secret").decode()


class _Registry:
    """A registry of this machine that has no images, and hears who asks for some."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.address = ""

    async def answer(self, request: web.Request) -> web.Response:
        """Ask for a login, then for another image."""
        login = request.headers.get("Authorization", "")
        if not login:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="r"'})
        self.heard.append(login)
        return web.Response(status=404)


@pytest.fixture
async def registry() -> AsyncIterator[_Registry]:
    """The registry, listening."""
    found, app = _Registry(), web.Application()
    app.router.add_route("*", "/{path:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.mark.runtime
@pytest.mark.root
async def test_pull_secret_logs_in_at_its_registry(cluster: Cluster, registry: _Registry) -> None:
    """The login reaches the registry, named in the secret as `kubectl create secret docker-registry` does."""
    text = json.dumps({"auths": {registry.address: {"auth": LOGIN}}})
    secret = {
        "metadata": {"name": "login", "namespace": "default"},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }
    await cluster.client.create(SECRETS, secret)
    body = container(image=f"{registry.address}/app:1")
    await cluster.create(pod("a", body, imagePullSecrets=[{"name": "login"}]))
    await cluster.wait("a", lambda p: waiting(p) in ("ErrImagePull", "ImagePullBackOff"))
    assert registry.heard[0] == f"Basic {LOGIN}"


@pytest.mark.parametrize(
    ("server", "image", "fits"),
    [
        ("registry:5000", "registry:5000/app", True),
        ("localhost:5000", "localhost:5000/app:1", True),
        ("localhost", "localhost:5000/app:1", False),
        ("registry.example.com", "registry.example.com/team/app", True),
        ("https://registry.example.com/v2/", "registry.example.com/team/app", True),
        ("registry.example.com", "example.com/team/app", False),
        ("https://index.docker.io/v1/", "app", True),
        ("https://index.docker.io/v1/", "team/app", True),
        ("docker.io", "docker.io/team/app", True),
        ("https://index.docker.io/v1/", "registry:5000/app", False),
    ],
)
def test_login_fits_its_registry_alone(server: str, image: str, fits: bool) -> None:
    """Whatever the registry's name looks like; no other registry is given it."""
    data = {".dockerconfigjson": json.dumps({"auths": {server: {"auth": LOGIN}}}).encode()}
    found = [(login.username, login.password) for login in credentials_for(data, image)]
    assert found == ([("me", "secret")] if fits else [])


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"auths": []}', '{"auths": {"docker.io": null}}', '{"auths": {"docker.io": 1}}']
)
def test_secret_that_is_none_gives_no_login(text: str) -> None:
    """A secret is a user's text: the pull goes on without it."""
    assert credentials_for({".dockerconfigjson": text.encode()}, "app") == []
    assert credentials_for({".dockercfg": text.encode()}, "app") == []
