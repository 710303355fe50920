"""Whether the server lives and serves, and which version it is."""

from __future__ import annotations

import platform

from aiohttp import web

from podsysctl.apiserver import respond
from podsysctl.apiserver.auth.tokens import ISSUER
from podsysctl.apiserver.context import ServerContext
from podsysctl.apiserver.metrics import CONTENT_TYPE
from podsysctl.base import versions

_PROBES = ("healthz", "livez", "readyz")
_CHECKS = ("ping", "log", "store", "poststarthook/bootstrap")


class Health:
    """Answers /healthz, /livez, /readyz, /version and /metrics."""

    def __init__(self, server: ServerContext) -> None:
        self._server = server

    def serve(self, http: web.Request) -> web.StreamResponse | None:
        """The answer, or None for other paths."""
        root, _, check = http.path.strip("/").partition("/")
        if root in _PROBES:
            return self._probe(http, root, check)
        if http.path == "/metrics":
            return web.Response(body=self._server.metrics.text(), headers={"Content-Type": CONTENT_TYPE})
        if http.path == "/version":
            return respond.encode(http, version())
        if http.path == "/.well-known/openid-configuration":
            return respond.encode(http, self._issuer())
        if http.path == "/openid/v1/jwks":
            return respond.encode(http, self._server.tokens.jwks())
        return None

    def paths(self) -> list[str]:
        """The paths that are answered."""
        checks = [f"/{root}/{name}" for root in _PROBES for name in self._state(root)]
        others = ["/metrics", "/version", "/.well-known/openid-configuration", "/openid/v1/jwks"]
        return [*(f"/{root}" for root in _PROBES), *checks, *others]

    def _state(self, root: str) -> dict[str, bool]:
        state = dict.fromkeys(_CHECKS, True)
        state["store"] = self._server.store.is_open
        if root != "livez":
            state["poststarthook/bootstrap"] = self._server.ready
        if root == "readyz":
            state["shutdown"] = not self._server.stopping
        return state

    def _probe(self, http: web.Request, root: str, check: str) -> web.Response:
        state = self._state(root)
        excluded = set(http.query.getall("exclude", []))
        state = {name: good for name, good in state.items() if name not in excluded}
        if check:
            if check not in state:
                return web.Response(status=404, text="404 page not found\n")
            state = {check: state[check]}
        good = all(state.values())
        lines = [f"[+]{name} ok" if fine else f"[-]{name} failed: reason withheld" for name, fine in state.items()]
        verdict = f"{root} check {'passed' if good else 'failed'}"
        if good and "verbose" not in http.query:
            return web.Response(text="ok", headers=respond.headers())
        text = "\n".join([*lines, verdict]) + "\n"
        return web.Response(status=200 if good else 500, text=text, headers=respond.headers())

    def _issuer(self) -> dict[str, object]:
        base = f"https://{self._server.config.address}:{self._server.port}"
        return {
            "issuer": ISSUER,
            "jwks_uri": f"{base}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }


def version() -> dict[str, str]:
    """`version.Info`: the Kubernetes version whose behaviour this is, and our own as build metadata."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1",
        "minor": str(versions.KUBERNETES_MINOR),
        "gitVersion": f"{versions.KUBERNETES_VERSION}+podsysctl.{versions.PROGRAM_VERSION}",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "cpython",
        "platform": f"linux/{machine}",
    }
