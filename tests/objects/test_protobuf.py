"""Protobuf bodies, encoded by hand."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podsysctl.base.errors import StatusError
from podsysctl.objects import protobuf
from podsysctl.objects.kinds import builtin_by_resource

PODS = builtin_by_resource("", "v1", "pods")
NAMESPACES = builtin_by_resource("", "v1", "namespaces")
CONFIG_MAPS = builtin_by_resource("", "v1", "configmaps")


def varint(value: int) -> bytes:
    """A number as a base-128 varint."""
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number: int, value: bytes | str | int) -> bytes:
    """One field: text and bytes with their length, numbers as varints."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def body(api_version: str, kind: str, message: bytes) -> bytes:
    """The envelope around a message."""
    return b"k8s\x00" + field(1, field(1, api_version) + field(2, kind)) + field(2, message)


def test_namespace_body_gives_its_object() -> None:
    """The body that `kubectl create namespace` sends: empty times are left out."""
    message = field(1, field(1, "demo") + field(8, b"")) + field(2, b"") + field(3, field(1, ""))
    decoded = protobuf.decode(body("v1", "Namespace", message), NAMESPACES)
    assert decoded["kind"] == "Namespace"
    assert decoded["metadata"] == {"name": "demo"}


def test_map_and_bytes_fields_are_read() -> None:
    """Maps are repeated entries; bytes become base64."""
    message = (
        field(1, field(1, "m")) + field(2, field(1, "a") + field(2, "1")) + field(3, field(1, "b") + field(2, b"\xff"))
    )
    decoded = protobuf.decode(body("v1", "ConfigMap", message), CONFIG_MAPS)
    assert decoded["data"] == {"a": "1"}
    assert decoded["binaryData"] == {"b": "/w=="}


def test_pod_with_inline_volume_negative_number_and_sysctls_is_read() -> None:
    """Inline messages stand in their parent; negative numbers keep their sign; lists keep their order."""
    volume = field(1, "v") + field(2, field(2, b""))
    sysctls = field(7, field(1, "a.b") + field(2, "1")) + field(7, field(1, "c.d") + field(2, "2"))
    security = sysctls + field(2, -5)
    spec = field(1, volume) + field(14, security)
    decoded = protobuf.decode(body("v1", "Pod", field(1, field(1, "p")) + field(2, spec)), PODS)
    assert decoded["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    assert decoded["spec"]["securityContext"]["runAsUser"] == -5
    assert [s["name"] for s in decoded["spec"]["securityContext"]["sysctls"]] == ["a.b", "c.d"]


def test_unknown_field_number_is_skipped() -> None:
    """A newer client's fields do no harm."""
    decoded = protobuf.decode(body("v1", "Namespace", field(1, field(1, "n")) + field(99, "x")), NAMESPACES)
    assert decoded["metadata"] == {"name": "n"}


@pytest.mark.parametrize("raw", [b"", b"k8s", b"{}", b"k8s\x00\xff", b"k8s\x00\x0a\x7f", b"k8s\x00\x00\x00"])
def test_broken_body_is_a_bad_request(raw: bytes) -> None:
    """Whatever is no message is a 400."""
    with pytest.raises(StatusError) as raised:
        protobuf.decode(raw, PODS)
    assert raised.value.code == 400


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_random_bytes_never_fail_in_another_way(raw: bytes) -> None:
    """Either an object or a 400."""
    with contextlib.suppress(StatusError):
        protobuf.decode(b"k8s\x00" + field(2, raw), PODS)
