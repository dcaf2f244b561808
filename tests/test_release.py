"""What is said of a release agrees: version, changelog, citation, paper; and `--version` says the revision."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lth_core import __version__
from lth_core.batches import provenance

ROOT = Path(__file__).parent.parent
CITATION: dict[str, Any] = yaml.safe_load((ROOT / "CITATION.cff").read_text())
CHANGELOG = (ROOT / "CHANGELOG.md").read_text()


def test_the_changelog_begins_with_this_version_and_groups_every_line() -> None:
    versions = re.findall(r"^## (.*)$", CHANGELOG, re.MULTILINE)
    assert versions[0] == f"{__version__} ({CITATION['date-released']})"
    newest = re.split(r"^## .*$", CHANGELOG, flags=re.MULTILINE)[1]
    head, *groups = re.split(r"^### (.*)$", newest, flags=re.MULTILINE)
    assert groups[::2] == ["Added", "Changed", "Fixed"] and "\n- " not in head


def test_every_line_of_the_changelog_is_a_whole_sentence() -> None:
    entries = [" ".join(one.split()) for one in re.split(r"^- |^#.*$", CHANGELOG, flags=re.MULTILINE)]
    broken = [one for one in entries if one and not one.endswith((".", "`", ":", ")"))]
    assert not broken
    first = [one[:60] for one in entries if one]
    assert len(first) == len(set(first)), "an entry stands twice"


def test_the_citation_has_what_its_schema_requires() -> None:
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert CITATION["version"] == __version__
    assert CITATION["license"] == "Apache-2.0"
    assert all("name" in one or "family-names" in one for one in CITATION["authors"])
    assert all({"type", "title", "authors"} <= one.keys() for one in CITATION["references"])


def test_the_paper_cites_what_its_references_hold() -> None:
    paper, references = (ROOT / "docs" / "paper.md").read_text(), (ROOT / "docs" / "paper.bib").read_text()
    cited = set(re.findall(r"@(\w+\d{4})", paper))
    assert cited == set(re.findall(r"^@\w+\{(\w+),", references, re.MULTILINE))
    assert re.findall(r"^# (.*)$", paper, re.MULTILINE) == [
        "Summary", "Statement of need", "State of the field", "Software design", "Claims and measured results",
        "References",
    ]  # fmt: skip


def test_no_document_has_a_placeholder() -> None:
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    holder = r"\b(?:REPOSITORY|TODO|TBD|FIXME)\b|<your-\w+>|example\.(?:com|org)"
    found = [(page.name, word) for page in pages for word in re.findall(holder, page.read_text())]
    assert found == []


REVISION = {"commit": "0123456789abcdef", "changed": True}


def test_the_version_says_the_revision_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_git_revision", lambda folder: REVISION)
    monkeypatch.setattr(provenance, "_git", lambda folder, *arguments: "")
    assert provenance.version_in_words() == f"{__version__} (revision 0123456789ab, with changes)"


def test_without_a_checkout_it_says_what_the_build_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(provenance, "_git", lambda folder, *arguments: None)
    installed = tmp_path / "lth_core" / "batches" / "provenance.py"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(installed))
    assert provenance.version_in_words() == __version__, "nothing was recorded"
    (tmp_path / "lth_core" / provenance.RECORDED).write_text(json.dumps(REVISION))
    assert provenance.own_revision() == REVISION


def test_a_copy_inside_another_repository_does_not_take_that_one_for_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "lth_core" / "batches").mkdir(parents=True)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "lth_core" / "batches" / "provenance.py"))
    assert provenance.own_revision() is None
