"""A clean-up whose steps are all tried: one that fails keeps no other from being taken, and is told at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from podsysctl.base.errors import PodsysctlError, first_error


class Attempts:
    """A context manager: `with attempts.step():` around each step; leaving it raises PodsysctlError for what failed.

    >>> with Attempts() as attempts:
    ...     with attempts.step():
    ...         raise PodsysctlError("the first cannot be removed")
    ...     with attempts.step():
    ...         print("the second is removed")
    Traceback (most recent call last):
    podsysctl.base.errors.PodsysctlError: the first cannot be removed
    """

    def __init__(self) -> None:
        self.failures: list[str] = []
        self._first: BaseException | None = None

    @contextmanager
    def step(self) -> Iterator[None]:
        """One step. PodsysctlError, OSError and groups of them are kept; anything else is a bug and passes."""
        try:
            yield
        except (PodsysctlError, OSError, ExceptionGroup) as error:
            failure = first_error(error)
            if not isinstance(failure, (PodsysctlError, OSError)):
                raise
            self.failures.append(failure.message if isinstance(failure, PodsysctlError) else str(failure))
            self._first = self._first or failure

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._first is not None:
            hint = self._first.hint if isinstance(self._first, PodsysctlError) else ""
            raise PodsysctlError("; ".join(self.failures), hint=hint) from self._first
