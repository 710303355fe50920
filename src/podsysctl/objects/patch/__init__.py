"""Changing objects: JSON patch, merge patch, strategic merge patch and server-side apply, all pure.

Nothing here changes its arguments: results share unchanged parts with them. The server calls `json_patch`,
`merge_patch` and `strategic_merge` for the three older patch types, `apply.server_side_apply` for apply and
`managed.record_update` for every other write. What is allowed to change is validation's business.
"""

from podsysctl.objects.patch.jsonpatch import json_patch
from podsysctl.objects.patch.mergepatch import merge_patch
from podsysctl.objects.patch.strategic import strategic_merge

__all__ = ["json_patch", "merge_patch", "strategic_merge"]
