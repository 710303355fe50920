"""What a Profile object asks of its node, read without a machine."""

from __future__ import annotations

from typing import Any

import pytest

from podsysctl.node.tuning.profile import read_wish
from podsysctl.sysctls.tuned.plan import MachineFacts, ProfileError


def profile(texts: dict[str, str], demands: dict[str, str], **annotations: str) -> dict[str, Any]:
    """A Profile whose chosen one is `mine`; `demands` are owners by profile."""
    return {
        "metadata": {"name": "node-a", "annotations": annotations},
        "spec": {
            "config": {"tunedProfile": "mine"},
            "profile": [{"name": name, "data": text} for name, text in texts.items()],
            "requirements": [{"profile": name, "owner": owner} for name, owner in demands.items()],
        },
    }


def test_requirements_of_others_come_with_their_owners() -> None:
    """The chosen profile's own are its own; a section's owner goes before the given one."""
    texts = {
        "mine": "[requirements]\nvm.max_map_count = >=3\n",
        "other": "[requirements]\nvm.max_map_count = >=5\n",
        "third": "[requirements]\nowner=team\nvm.max_map_count = <=9\n",
    }
    wish = read_wish(profile(texts, {"other": "ns/other", "third": "ns/third"}), MachineFacts())
    assert sorted((r.at_least, r.at_most, r.owner) for r in wish.requirements if r.at_least is not None) == [
        (3, None, "profile mine"), (5, None, "ns/other"),
    ]  # fmt: skip
    assert [r.owner for r in wish.requirements if r.at_most == 9] == ["team"]


def test_others_count_by_their_requirements_alone() -> None:
    """A wrong value of theirs is no matter of this node, a wrong requirement is."""
    texts = {
        "mine": "[sysctl]\nvm.swappiness=1\n",
        "other": "[sysctl]\nvm.swappiness=${nowhere}\n[requirements]\nvm.max_map_count = >=5\n",
    }
    wish = read_wish(profile(texts, {"other": "ns/other"}), MachineFacts())
    assert [r.at_least for r in wish.requirements] == [5]
    texts["other"] = "[floors]\ntype=requirements\nvm.max_map_count = 5\n"
    with pytest.raises(
        ProfileError, match=r"profile other, section \[floors\], vm\.max_map_count \(line 3\): .* no requ"
    ):
        read_wish(profile(texts, {"other": "ns/other"}), MachineFacts())
