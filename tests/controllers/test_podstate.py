"""What controllers read from a pod's status."""

from datetime import UTC, datetime

from podsysctl.controllers import podstate

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_pod_ready_since_the_end_of_time_is_not_available_yet() -> None:
    """A node may write any time that the API can."""
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "9999-12-31T23:59:59Z"}
    assert not podstate.is_available({"status": {"conditions": [ready]}}, 10, NOW)
