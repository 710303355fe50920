"""What tells the three behaviours of the plugin apart: ours, upstream's today, and that of the distribution's package.

A profile that ignores the node's allowlist can be chosen by the environment alone, which the administrator holds, and
never by a network's configuration, which a user of a namespace may write.
"""

from __future__ import annotations

MODE_VARIABLE = "PODSYSCTL_TUNING_MODE"

OLD_VERSIONS = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0")
VERSIONS = (*OLD_VERSIONS, "1.1.0")


class Profile:
    """One behaviour. `newest` is the release line of upstream from 1.6 on; before it, much was missing."""

    __slots__ = ("has_allowlist", "name", "newest", "strict", "versions")

    def __init__(self, name: str, *, strict: bool, newest: bool, has_allowlist: bool) -> None:
        self.name = name
        self.strict = strict
        """Ours: check everything first, undo everything."""
        self.newest = newest
        self.has_allowlist = has_allowlist
        self.versions = VERSIONS if newest else OLD_VERSIONS


DEFAULT = Profile("default", strict=True, newest=True, has_allowlist=True)
UPSTREAM = Profile("upstream", strict=False, newest=True, has_allowlist=True)
UPSTREAM_1_1 = Profile("upstream-1.1", strict=False, newest=False, has_allowlist=False)
"""plugins 1.1.1, the package of Debian 12: no allowlist, no txQLen, IFNAME replaced before the dots."""

BY_NAME = {profile.name: profile for profile in (DEFAULT, UPSTREAM, UPSTREAM_1_1)}
BY_CONFIGURATION = {profile.name: profile for profile in (DEFAULT, UPSTREAM)}
