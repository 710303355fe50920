"""The cluster's allowlist for sysctls of interfaces: what a change is told as."""

from __future__ import annotations

import re
from typing import Any

import pytest

from podsysctl.base import limits
from podsysctl.controllers.cni_allowlist import CONFIG_MAPS, NAME, NAMESPACE, CniAllowlistController, describe_change
from tests.controllers.cluster import running


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (["^a$"], ["^a$"], ""),
        (["^a$", "^b$"], ["^b$", "^a$"], ""),
        (["^a$"], ["^a$", "^b$"], "added ^b$; new pods are judged by it, running ones are not"),
        (["^a$", "^b$"], [], "removed ^a$ ^b$; new pods are judged by it, running ones are not"),
        (["^a$"], ["^b$"], "added ^b$; removed ^a$; new pods are judged by it, running ones are not"),
    ],
)
def test_change_of_the_allowlist_tells_what_was_added_and_removed(old: list[str], new: list[str], text: str) -> None:
    """Order does not matter; what does is which keys pods may set."""
    assert describe_change(old, new) == text


def test_long_change_tells_how_much_more_there_is() -> None:
    """An event has no room for a list of any length."""
    text = describe_change([f"^old{i}$" for i in range(200)], [f"^new{i}$" for i in range(300)])
    assert len(text) < 1024
    assert re.search(r"\^new\d+\$ and \d+ more; removed \^old0\$ .* and \d+ more; new pods", text)


async def test_allowlist_is_watched_over_changes_bad_content_and_deletion() -> None:
    """Nodes keep what they have when the content is none; whatever changes for them in the end is told."""
    async with running(CniAllowlistController, scheduler=False, kubelet=False) as cluster:

        async def made() -> Any:
            return await cluster.get(CONFIG_MAPS, NAME, NAMESPACE)

        async def told(reason: str, words: str) -> bool:
            return any(words in event["message"] for event in await cluster.events(reason, NAMESPACE))

        async def change(data: dict[str, str | None]) -> None:
            await cluster.client.patch(CONFIG_MAPS, NAME, {"data": data}, namespace=NAMESPACE)

        before = (await cluster.until(made))["metadata"]["uid"]
        await change({"allowlist.conf": None, "other": "x"})
        await cluster.until(lambda: told("InvalidAllowlist", "nodes keep the list they have: it has no allowlist.conf"))
        assert not await cluster.events("AllowlistChanged", NAMESPACE)
        await change({"allowlist.conf": "x" * (limits.CNI_ALLOWLIST_BYTES + 1)})
        await cluster.until(lambda: told("InvalidAllowlist", f"more than {limits.CNI_ALLOWLIST_BYTES} bytes"))
        await change({"allowlist.conf": "^net.ipv4.conf.IFNAME.arp_ignore$\n[\n"})
        await cluster.until(lambda: told("InvalidAllowlist", "may be refused: error parsing regexp: missing closing ]"))
        await cluster.until(lambda: told("AllowlistChanged", "added ^net.ipv4.conf.IFNAME.arp_ignore$ [; removed"))
        await cluster.client.delete(CONFIG_MAPS, NAME, NAMESPACE)

        async def made_anew() -> bool:
            found = await made()
            return found is not None and found["metadata"]["uid"] != before

        await cluster.until(made_anew)
        await cluster.until(lambda: told("AllowlistChanged", "removed ^net.ipv4.conf.IFNAME.arp_ignore$ [; new pods"))
