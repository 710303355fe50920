"""ServiceAccount tokens: JSON web tokens signed with the server's own key (ES256), bound to their objects.

Claims follow Kubernetes 1.36 `pkg/serviceaccount/claims.go`. A token ends with its time or with the
ServiceAccount, Pod, Secret or Node it is bound to.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from podsysctl.apiserver.auth import user as users
from podsysctl.apiserver.auth.user import UserInfo
from podsysctl.base.clock import Clock

ISSUER = "https://kubernetes.default.svc.cluster.local"
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
AUDIENCES = (ISSUER,)
"""Who accepts these tokens: this API server."""

_MAX_TOKEN = 16 * 1024
_HALF = 32

UidLookup = Callable[[str, str, str], str | None]
"""(plural, namespace, name) of a core object to its uid, None when it is gone or being deleted."""


class TokenIssuer:
    """Signs and checks tokens."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, clock: Clock, uid_of: UidLookup) -> None:
        self._key = key
        self._public = key.public_key()
        self._clock = clock
        self._uid_of = uid_of
        der = self._public.public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        digest = hashes.Hash(hashes.SHA256())
        digest.update(der)
        self.key_id = _encode(digest.finalize())

    def issue(
        self,
        namespace: str,
        account: Mapping[str, Any],
        *,
        audiences: tuple[str, ...],
        seconds: int,
        bound_to: Mapping[str, Any] | None,
    ) -> tuple[str, int]:
        """A token of a ServiceAccount object and its end in seconds since the epoch.

        `bound_to` is {kind, name, uid} of a Pod, Secret or Node, or None.
        """
        now = int(self._clock.now().timestamp())
        name = account["metadata"]["name"]
        private: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": account["metadata"]["uid"]},
        }
        if bound_to:
            private[bound_to["kind"].lower()] = {"name": bound_to["name"], "uid": bound_to["uid"]}
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        head = _encode(orjson.dumps({"alg": "ES256", "kid": self.key_id}))
        signed = f"{head}.{_encode(orjson.dumps(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        signature = r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")
        return f"{signed}.{_encode(signature)}", now + seconds

    def check(self, token: str, audiences: tuple[str, ...] = AUDIENCES) -> tuple[UserInfo, tuple[str, ...]] | None:
        """The user of a valid token and those of `audiences` it is for; None for any other text."""
        claims = self._verified(token)
        if claims is None:
            return None
        now = self._clock.now().timestamp()
        private = claims.get("kubernetes.io")
        if not isinstance(private, dict) or not claims.get("nbf", 0) <= now < claims.get("exp", 0):
            return None
        matching = tuple(audience for audience in audiences if audience in claims.get("aud", ()))
        if not matching:
            return None
        namespace, account = private.get("namespace", ""), private.get("serviceaccount") or {}
        if self._uid_of("serviceaccounts", namespace, account.get("name", "")) != account.get("uid"):
            return None
        extra: dict[str, tuple[str, ...]] = {CREDENTIAL_ID: (f"JTI={claims.get('jti', '')}",)}
        for kind in ("pod", "node", "secret"):
            bound = private.get(kind)
            if not bound:
                continue
            home = "" if kind == "node" else namespace
            if self._uid_of(f"{kind}s", home, bound.get("name", "")) != bound.get("uid"):
                return None
            if kind != "secret":
                extra[f"authentication.kubernetes.io/{kind}-name"] = (bound["name"],)
                extra[f"authentication.kubernetes.io/{kind}-uid"] = (bound["uid"],)
        return users.service_account(namespace, account["name"], account["uid"], extra), matching

    def jwks(self) -> dict[str, Any]:
        """The public key, as `/openid/v1/jwks` shows it."""
        numbers = self._public.public_numbers()
        return {
            "keys": [
                {
                    "use": "sig",
                    "kty": "EC",
                    "kid": self.key_id,
                    "crv": "P-256",
                    "alg": "ES256",
                    "x": _encode(numbers.x.to_bytes(_HALF, "big")),
                    "y": _encode(numbers.y.to_bytes(_HALF, "big")),
                }
            ]
        }

    def _verified(self, token: str) -> dict[str, Any] | None:
        """The claims of a token of ours, whatever their time."""
        parts = token.split(".")
        if len(parts) != 3 or len(token) > _MAX_TOKEN:
            return None
        try:
            head, claims = orjson.loads(_decode(parts[0])), orjson.loads(_decode(parts[1]))
            raw = _decode(parts[2])
            if not isinstance(head, dict) or head.get("alg") != "ES256" or len(raw) != 2 * _HALF:
                return None
            signature = encode_dss_signature(
                int.from_bytes(raw[:_HALF], "big"), int.from_bytes(raw[_HALF:], "big")
            )
            self._public.verify(signature, f"{parts[0]}.{parts[1]}".encode(), ec.ECDSA(hashes.SHA256()))
        except (ValueError, binascii.Error, InvalidSignature):
            return None
        return claims if isinstance(claims, dict) and claims.get("iss") == ISSUER else None


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
