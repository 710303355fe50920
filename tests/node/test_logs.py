from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from podsysctl.node import logs
from podsysctl.node.logs import LogFileError, LogOptions

TIMES = [f"2026-01-02T03:04:0{n}.5Z" for n in range(10)]


def _lines(*contents: str, stream: str = "stdout", tag: str = "F") -> str:
    return "".join(f"{time} {stream} {tag} {text}\n" for time, text in zip(TIMES, contents, strict=False))


def _write(path: Path, text: str) -> None:
    path.write_text(text)


def _append(path: Path, texts: Iterable[str]) -> None:
    with path.open("a") as file:
        file.writelines(texts)


async def _ended() -> bool:
    return False


async def _read(path: Path, options: LogOptions = LogOptions()) -> str:  # noqa: B008 - a frozen value
    return b"".join([piece async for piece in logs.read_log(path, options, _ended)]).decode()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "0.log"


async def test_log_read_whole_shows_the_content_of_each_line(path: Path) -> None:
    """Time, stream and tag are the file's, not the reader's."""
    _write(path, _lines("one", "", "three with spaces"))
    assert await _read(path) == "one\n\nthree with spaces\n"


async def test_log_with_partial_lines_joins_them(path: Path) -> None:
    """A piece with tag P goes on in the next; only whole lines begin with a time."""
    text = f"{TIMES[0]} stdout P be\n{TIMES[1]} stdout P gin\n{TIMES[2]} stdout F ning\n{TIMES[3]} stdout F next\n"
    _write(path, text)
    assert await _read(path) == "beginning\nnext\n"
    shown = await _read(path, LogOptions(timestamps=True))
    assert shown == "2026-01-02T03:04:00.500000000Z beginning\n2026-01-02T03:04:03.500000000Z next\n"


@pytest.mark.parametrize(("count", "shown"), [(0, ""), (1, "c\n"), (2, "b\nc\n"), (3, "a\nb\nc\n"), (4, "a\nb\nc\n")])
async def test_log_tail_shows_the_last_lines(path: Path, count: int, shown: str) -> None:
    """Fewer, exactly as many as there are, and more."""
    _write(path, _lines("a", "b", "c"))
    assert await _read(path, LogOptions(tail_lines=count)) == shown


async def test_log_tail_of_a_long_file_looks_across_blocks(path: Path) -> None:
    """The search for the beginning goes backwards in blocks."""
    _write(path, "".join(f"{TIMES[0]} stdout F {n:06}\n" for n in range(20_000)))
    shown = await _read(path, LogOptions(tail_lines=7000))
    assert shown.splitlines() == [f"{n:06}" for n in range(13_000, 20_000)]


async def test_log_since_hides_earlier_lines(path: Path) -> None:
    """The moment itself is shown."""
    _write(path, _lines("a", "b", "c"))
    since = datetime(2026, 1, 2, 3, 4, 1, 500_000, UTC)
    assert await _read(path, LogOptions(since=since)) == "b\nc\n"


async def test_log_since_compares_times_of_other_zones(path: Path) -> None:
    """A runtime writes local time with its offset."""
    _write(path, "2026-01-02T12:04:05.123456789+09:00 stdout F tokyo\n")
    assert await _read(path, LogOptions(since=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))) == "tokyo\n"
    assert await _read(path, LogOptions(since=datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC))) == ""


@pytest.mark.parametrize(("limit", "shown"), [(1, "o"), (3, "one"), (4, "one\n"), (6, "one\ntw"), (100, "one\ntwo\n")])
async def test_log_limit_cuts_at_the_byte(path: Path, limit: int, shown: str) -> None:
    """Mid-line if need be."""
    _write(path, _lines("one", "two"))
    assert await _read(path, LogOptions(limit_bytes=limit)) == shown


async def test_log_of_one_stream_leaves_the_other_out(path: Path) -> None:
    """And does not count it against the limit."""
    _write(path, _lines("out") + _lines("err", stream="stderr"))
    assert await _read(path, LogOptions(stream=logs.STDERR)) == "err\n"
    assert await _read(path, LogOptions(stream=logs.STDOUT, limit_bytes=4)) == "out\n"


async def test_log_line_in_no_known_form_is_left_out(path: Path) -> None:
    """What somebody else wrote into the file is not shown, and does not end the log."""
    _write(path, "nonsense\n" + _lines("good") + "2026 stdxyz F x\n")
    assert await _read(path) == "good\n"


async def test_log_whose_last_line_is_cut_short_shows_it(path: Path) -> None:
    """A container may be killed while it writes."""
    _write(path, _lines("one") + f"{TIMES[1]} stdout F half")
    assert await _read(path) == "one\nhalf\n"


def test_log_that_is_missing_is_an_error_with_its_path(path: Path) -> None:
    """In the kubelet's words."""
    with pytest.raises(LogFileError, match="failed to try resolving symlinks in path"):
        logs.check_readable(path)


class _Follower:
    """Reads a followed log into `text` until the container ends."""

    def __init__(self, path: Path, options: LogOptions) -> None:
        self.running = True
        self.text = ""
        self._grown = asyncio.Event()
        self._task = asyncio.create_task(self._read(path, options))

    async def _read(self, path: Path, options: LogOptions) -> None:
        async for piece in logs.read_log(path, options, self._is_running):
            self.text += piece.decode()
            self._grown.set()

    async def _is_running(self) -> bool:
        return self.running

    async def until(self, text: str) -> None:
        async with asyncio.timeout(5):
            while self.text != text:
                self._grown.clear()
                await self._grown.wait()

    async def end(self) -> None:
        self.running = False
        async with asyncio.timeout(5):
            await self._task


async def test_log_followed_shows_what_is_written_later_and_ends_with_the_container(path: Path) -> None:
    """Half a line waits for its other half."""
    _write(path, _lines("one"))
    follower = _Follower(path, LogOptions(follow=True))
    await follower.until("one\n")
    _append(path, [f"{TIMES[1]} stdout F tw"])
    _append(path, ["o\n"])
    await follower.until("one\ntwo\n")
    await follower.end()
    assert follower.text == "one\ntwo\n"


async def test_log_followed_from_its_end_shows_new_lines_only(path: Path) -> None:
    """`--tail=0 -f`."""
    _write(path, _lines("old"))
    follower = _Follower(path, LogOptions(follow=True, tail_lines=0))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    _append(path, [f"{TIMES[1]} stdout F new\n"])
    await follower.until("new\n")
    await follower.end()


async def test_log_followed_across_a_rotation_loses_nothing(path: Path) -> None:
    """The old file is read to its end, then the new one."""
    _write(path, _lines("one"))
    follower = _Follower(path, LogOptions(follow=True))
    await follower.until("one\n")
    old = path.with_name("0.log.20260102-030405")
    os.rename(path, old)
    _append(old, [f"{TIMES[1]} stdout F two\n"])
    _write(path, _lines("three"))
    await follower.until("one\ntwo\nthree\n")
    await follower.end()
