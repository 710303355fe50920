"""How an image name is taken apart, as far as the API server needs it: which tag it ends up with.

The grammar is that of github.com/distribution/reference 0.6.
"""

from __future__ import annotations

import re
from functools import lru_cache

_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]+)[a-z0-9]+)*"
_DOMAIN_COMPONENT = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = rf"(?:{_DOMAIN_COMPONENT}(?:\.{_DOMAIN_COMPONENT})*|\[(?:[a-fA-F0-9:]+)\])"
_REFERENCE = re.compile(
    rf"(?P<name>(?:{_HOST}(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?"
    r"(?:@(?P<digest>[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)
_IDENTIFIER = re.compile(r"[a-f0-9]{64}")
_DIGEST_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}
_NAME_BYTES = 255


@lru_cache(maxsize=1024)
def default_tag(image: str) -> str:
    """The tag of an image name: `latest` when it has neither tag nor digest, "" when it is not a valid name.

    >>> default_tag("centos"), default_tag("centos:7"), default_tag("a@sha256:" + "0" * 64), default_tag("A")
    ('latest', '7', '', '')
    """
    if _IDENTIFIER.fullmatch(image):
        return ""
    domain, remainder = _split_domain(image)
    path = remainder.partition(":")[0]
    if path.lower() != path:
        return ""
    match = _REFERENCE.fullmatch(f"{domain}/{remainder}")
    if match is None or len(match["name"].partition("/")[2]) > _NAME_BYTES:
        return ""
    if match["digest"]:
        algorithm, _, digits = match["digest"].partition(":")
        if _DIGEST_HEX.get(algorithm) != len(digits) or digits.lower() != digits:
            return ""
        return match["tag"] or ""
    return match["tag"] or "latest"


def _split_domain(image: str) -> tuple[str, str]:
    head, slash, tail = image.partition("/")
    is_domain = slash and ("." in head or ":" in head or head == "localhost" or head.lower() != head)
    domain, remainder = (head, tail) if is_domain else ("docker.io", image)
    if domain == "index.docker.io":
        domain = "docker.io"
    if domain == "docker.io" and "/" not in remainder:
        remainder = f"library/{remainder}"
    return domain, remainder
