"""Files that are no bundles, or would harm who unpacks them: refused in a sentence, before anything is written."""

import io
import json
import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lth_core.bundle import archive
from tests.command import lth

Make = Callable[[Path], bytes]


def packed(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members:
            made.writestr(name, content)
    return out.getvalue()


def named(name: str) -> Make:
    return lambda _: packed((name, b"x"))


def link(_: Path) -> bytes:
    info = zipfile.ZipInfo("jobs/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return packed((info, b"/etc/passwd"))


def twice(_: Path) -> bytes:
    with pytest.warns(UserWarning, match="Duplicate name"):
        return packed(("a", b"1"), ("a", b"2"))


def long_header(_: Path) -> bytes:
    info = zipfile.ZipInfo("a")
    info.extra = struct.pack("<HH", 0x9999, 4000) + bytes(4000)
    return packed((info, b"x"))


def long_list(_: Path) -> bytes:
    content = bytearray(packed(("a", b"x")))
    content[-10:-6] = struct.pack("<I", archive.MOST_LIST + 1)
    return bytes(content)


def two_ends(_: Path) -> bytes:
    """A small end, and before it a large one, which is read instead, of another list."""
    content = packed(("a", b"x"))
    (listed, start), many = struct.unpack("<II", content[-10:-2]), archive.MOST_FILES + 1
    large = b"PK\x06\x06" + struct.pack("<QHHIIQQQQ", 44, 45, 45, 0, 0, many, many, listed, start)
    return content[:-22] + large + b"PK\x06\x07" + struct.pack("<IQI", 0, len(content) - 22, 1) + content[-22:]


def two_ends_apart(bundles: Path) -> bytes:
    """The same, with the large end elsewhere than before the small one."""
    content = two_ends(bundles)
    return content[:-34] + struct.pack("<Q", 0) + content[-26:]


def total(_: Path) -> bytes:
    """A size of two terabytes that it only claims."""
    content = bytearray(packed(("a", b"x"), ("b", b"y")))
    place = content.find(b"PK\x01\x02")
    content[place + 24 : place + 28] = struct.pack("<I", 2**32 - 2)
    return bytes(content)


def longer(bundles: Path) -> bytes:
    """A member that unpacks to more than its size."""
    content = bytearray((bundles / "job.zip").read_bytes())
    place = content.find(b"PK\x01\x02")
    (size,) = struct.unpack("<I", content[place + 24 : place + 28])
    content[place + 24 : place + 28] = struct.pack("<I", size - 1)
    return bytes(content)


def overlapping(bundles: Path) -> bytes:
    """Two entries of the list for the same bytes."""
    content = (bundles / "job.zip").read_bytes()
    one = packed(("a", content), ("b", content))
    first, second = one.find(b"PK\x01\x02"), one.rfind(b"PK\x01\x02")
    return one[: second + 42] + one[first + 42 : first + 46] + one[second + 46 :]


def deep(_: Path) -> bytes:
    return packed(("manifest.json", b'{"files":' + b"[" * 200_000))


def other_manifest(_: Path) -> bytes:
    return packed(("manifest.json", json.dumps({"format": 2}).encode()))


CASES: dict[str, tuple[Make, str]] = {
    "leads out": (named("../out"), "names a file '../out', which is no plain path inside it"),
    "leads out further in": (named("jobs/../../out"), "which is no plain path"),
    "absolute": (named("/etc/cron.d/out"), "names a file '/etc/cron.d/out'"),
    "of another system": (named("C:\\out"), "which is no plain path"),
    "control characters": (named("a\x1b]0;title\x07b"), "which is no plain path"),
    "a bidirectional name": (named("a\u202eb"), "which is no plain path"),
    "an empty name": (named("jobs//a"), "which is no plain path"),
    "a hidden name": (named(".ssh/authorized_keys"), "which is no plain path"),
    "a link": (link, "jobs/link is a link or no regular file"),
    "a name twice": (twice, "has a twice"),
    "a file that is a folder": (lambda _: packed(("a", b"x"), ("a/b", b"y")), "has a as a file and as a folder"),
    "a bomb": (lambda _: packed(("manifest.json", bytes(30_000_000))), "more than 100 times its own size"),
    "a claimed size": (total, "more than 100 times its own size"),
    "longer than its size": (longer, "cannot be read"),
    "overlapping files": (overlapping, "its files overlap|cannot be read|has no manifest"),
    "a long header": (long_header, "a has a comment or a long header"),
    "a long list": (long_list, "its list of files has 32,000,001 bytes"),
    "two ends": (two_ends, "holds 100,001 files, more than 100,000"),
    "two ends apart": (two_ends_apart, "has a damaged end"),
    "no archive": (lambda _: b"results, honestly", "is not an archive, or only the beginning of one"),
    "empty": (lambda _: b"", "is not an archive"),
    "cut off": (lambda bundles: (bundles / "job.zip").read_bytes()[:-100], "is not an archive, or only the beginning"),
    "its end alone": (lambda bundles: (bundles / "job.zip").read_bytes()[-100:], "is only a part of an archive"),
    "another archive": (named("notes.txt"), "has no manifest.json"),
    "a deep manifest": (deep, "manifest.json: "),
    "a manifest of another format": (other_manifest, "manifest.json: format: "),
}


@pytest.mark.parametrize("hostile", CASES)
def test_a_hostile_file_is_refused_before_anything_is_written(
    hostile: str, bundles: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, sentence = CASES[hostile]
    (tmp_path / "evil.zip").write_bytes(make(bundles))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    done = lth("verify", "evil.zip", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(sentence if "|" in sentence else re.escape(sentence), done.stderr), done.stderr
    assert done.stderr.count("\n") == 1 and "\x1b" not in done.stderr and "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["evil.zip", "tmp"]


def test_a_pipe_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.zip")
    done = lth("verify", tmp_path / "pipe.zip")
    assert done.returncode == 2 and "pipe.zip: not a regular file" in done.stderr


@pytest.mark.parametrize(("limit", "value"), [("MOST_FILES", 3), ("MOST_BYTES", 1000), ("MOST_TEXT", 1000)])
def test_too_many_or_too_large_files_are_refused(
    limit: str, value: int, bundles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, limit, value)
    done = lth("verify", bundles / "job.zip")
    assert done.returncode == 2 and f"{value:,}" in done.stderr
    with pytest.raises(archive.Refused):
        archive.Archive(bundles / "job.zip").read("manifest.json")


def test_a_file_that_the_manifest_lists_otherwise_is_named_and_nothing_is_unpacked(
    bundles: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundles / "job.zip") as held:
        members = [(name, held.read(name)) for name in held.namelist()]
    changed = [(name, content + b" " * (name == "README.txt")) for name, content in members if "card" not in name]
    (tmp_path / "changed.zip").write_bytes(packed(*changed, ("more.txt", b"x")))
    done = lth("verify", tmp_path / "changed.zip")
    assert done.returncode == 1
    for sentence in ("card.md is not in the bundle", "more.txt is not in the manifest", "README.txt has "):
        assert sentence in done.stdout
    assert done.stdout.endswith("does not hold: manifest\n")
