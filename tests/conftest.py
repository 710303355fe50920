"""What all tests share: generated cases have no limit of time, since a busy machine would fail them."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", settings(), deadline=None)  # on top of hypothesis' own, which CI makes repeatable
settings.load_profile("untimed")
