"""The command line of `lth-tui`."""

from pathlib import Path

import pytest

from lth_tui import __main__ as command


@pytest.mark.parametrize("named", [["runs"], ["-w", "runs"], ["--workspace", "runs"]])
def test_the_workspace_is_named_as_for_lth_or_by_itself(named: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[Path] = []
    monkeypatch.setattr(command, "_serve", lambda workspace, port: shown.append(workspace))
    with pytest.raises(SystemExit):
        command._main([*named, "--serve"])
    assert shown == [Path("runs")]
