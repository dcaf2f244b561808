"""Append-only records: torn tails wait, offsets go on, nothing that is not finite breaks a line."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lth_core.store import records
from lth_core.store.record_lines import DAMAGED, Chain
from lth_core.store.records import RecordReader, RecordWriter


def test_a_record_can_be_read_as_soon_as_it_is_written(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    assert RecordReader(tmp_path / "r").read(0) == ([], 0)
    writer.append({"a": 1})
    found, offset = RecordReader(tmp_path / "r").read(0)
    assert found == [{"a": 1}]
    writer.append({"b": [1.5, None]})
    writer.append({"c": "line\nfeed \u2028 ü"})
    found, end = RecordReader(tmp_path / "r").read(offset)
    assert found == [{"b": [1.5, None]}, {"c": "line\nfeed \u2028 ü"}]
    assert end == (tmp_path / "r").stat().st_size
    assert RecordReader(tmp_path / "r").read(end) == ([], end)
    writer.close()


def test_a_missing_file_has_no_records(tmp_path: Path) -> None:
    assert RecordReader(tmp_path / "none").read(12) == ([], 12)


@given(st.integers(1, 200))
def test_a_torn_tail_waits_and_then_arrives_whole(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "r"
    lines = [json.dumps({"step": i, "text": "x" * i}).encode() + b"\n" for i in range(6)]
    content = b"".join(lines)
    cut = min(cut, len(content))
    path.write_bytes(content[:cut])
    first, offset = RecordReader(path).read(0)
    assert len(first) == content[:cut].count(b"\n")
    path.write_bytes(content)
    rest, end = RecordReader(path).read(offset)
    assert [r["step"] for r in first + rest] == list(range(6))
    assert end == len(content)


def test_numbers_that_are_not_finite_become_null_wherever_they_stand(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    writer.append({"a": float("nan"), "b": {"c": [float("inf"), (1.0, float("-inf"))]}, "d": True})
    writer.close()
    assert RecordReader(tmp_path / "r").read(0)[0] == [{"a": None, "b": {"c": [None, [1.0, None]]}, "d": True}]


def test_lines_that_are_no_records_are_marked_and_the_rest_is_read(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b'{"a":1}\n\x00\xff garbage\n[1]\n3\n\n{"b":2}\n')
    found, end = RecordReader(tmp_path / "r").read(0)
    assert found == [{"a": 1}, DAMAGED, {"b": 2}]
    assert end == (tmp_path / "r").stat().st_size


def test_long_files_are_read_in_pieces_that_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGEST_READ", 50)
    writer = RecordWriter(tmp_path / "r")
    for i in range(40):
        writer.append({"step": i})
    writer.close()
    seen, offset = [], 0
    for _ in range(100):
        found, end = RecordReader(tmp_path / "r").read(offset)
        if end == offset:
            break
        seen, offset = seen + found, end
    assert [r["step"] for r in seen] == list(range(40))


@settings(max_examples=40)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.integers(0, 10**6))
def test_a_reader_that_goes_on_finds_what_a_new_one_does_whatever_bit_changes(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], place: int
) -> None:
    path = tmp_path_factory.mktemp("read") / "r"
    writer, ends = RecordWriter(path), []
    for number, count in enumerate(steps):
        for _ in range(count):
            writer.append({"step": number})
        ends.append(writer.written[0])
    writer.close()
    whole = path.read_bytes()
    bit = place % (8 * len(whole) + 1)  # the last one: none is changed
    if bit < 8 * len(whole):
        whole = whole[: bit // 8] + bytes([whole[bit // 8] ^ 1 << bit % 8]) + whole[bit // 8 + 1 :]
    path.write_bytes(b"")
    reader, offset, end = RecordReader(path), 0, 0
    for after in ends:
        path.write_bytes(whole[:after])
        found, end = reader.read(offset)
        assert (found, end) == RecordReader(path).read(offset)
        offset = end


def test_a_short_write_is_continued_until_the_line_is_whole(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    real = writer._file

    class Short:
        def write(self, view: memoryview) -> int:
            return real.write(view[:3])

    writer._file = Short()
    writer.append({"a": "0123456789"})
    real.close()
    assert RecordReader(tmp_path / "r").read(0)[0] == [{"a": "0123456789"}]


def test_an_endless_line_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGEST_READ", 100)
    for first in (b'{"a": 1}\n', Chain().line(b'{"a": 1')):
        (tmp_path / "r").write_bytes(first + b"x" * 350 + b'\n{"a": 2}\n')
        found = list(records.read_all(tmp_path / "r"))
        assert DAMAGED in found and [r for r in found if r is not DAMAGED] == [{"a": 1}, {"a": 2}]


def test_whatever_bit_changes_a_line_is_never_taken_for_another_record(tmp_path: Path) -> None:
    writer = RecordWriter(tmp_path / "r")
    text = 'ü,"crc32":"'
    written = [{"kind": "metrics", "values": {"a": step / 7}, "text": text} for step in (1, 2)]
    for record in written:
        writer.append(record)
    writer.close()
    whole = (tmp_path / "r").read_bytes()
    for bit in range(8 * (whole.index(b"\n") + 1)):
        changed = bytearray(whole)
        changed[bit // 8] ^= 1 << bit % 8
        (tmp_path / "r").write_bytes(changed)
        found = RecordReader(tmp_path / "r").read(0)[0]
        # In the checksum's own name: then the line is as one of an earlier version, and says what it said.
        assert all(r is DAMAGED or {k: v for k, v in r.items() if k in written[0]} in written for r in found), bit
        if changed.count(b"\n") == 2:
            assert found[-1] == written[1]
