from __future__ import annotations

import pytest

from podsysctl.base.errors import UsageError
from podsysctl.runtime.images.reference import parse_reference

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("centos", "docker.io/library/centos:latest"),
        ("centos:7", "docker.io/library/centos:7"),
        ("me/tools", "docker.io/me/tools:latest"),
        ("docker.io/centos", "docker.io/library/centos:latest"),
        ("index.docker.io/centos", "docker.io/library/centos:latest"),
        ("quay.io/a/b/c:v1.2", "quay.io/a/b/c:v1.2"),
        ("localhost/x", "localhost/x:latest"),
        ("localhost:5000/x", "localhost:5000/x:latest"),
        ("10.0.0.1:5000/x:1", "10.0.0.1:5000/x:1"),
        ("[fd00::1]:5000/x", "[fd00::1]:5000/x:latest"),
        (f"centos@{DIGEST}", f"docker.io/library/centos@{DIGEST}"),
        (f"centos:7@{DIGEST}", f"docker.io/library/centos:7@{DIGEST}"),
        ("a__b/c--d.e", "docker.io/a__b/c--d.e:latest"),
    ],
)
def test_reference_in_any_spelling_has_one_full_form(text: str, full: str) -> None:
    """Names are completed as docker, containerd and Kubernetes complete them."""
    assert str(parse_reference(text)) == full


@pytest.mark.parametrize(
    "text", ["", "CentOS", "a:", ":a", "a@b", "a b", "-a", "a/-b", "http://a", "a:" + "x" * 129, "a/" * 120 + "a" * 20]
)
def test_reference_that_is_no_name_is_refused(text: str) -> None:
    """What no registry could serve is an error that names the text."""
    with pytest.raises(UsageError):
        parse_reference(text)
