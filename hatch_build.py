"""Part of a build: records the revision that is built, because an installed package has no history."""

import json
import sys
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class RecordRevision(BuildHookInterface[Any]):
    """Adds `lth_core/revision.json`. A wheel that is built from an sdist takes over the sdist's."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """See hatchling's documentation of build hooks."""
        sys.path.insert(0, self.root)
        from lth_core.batches.provenance import RECORDED, own_revision

        revision = own_revision()
        if revision is None or version == "editable" or (Path(self.root) / "lth_core" / RECORDED).exists():
            return
        self.made = Path(mkdtemp()) / RECORDED
        self.made.write_text(json.dumps(revision))
        build_data["force_include"][str(self.made)] = f"lth_core/{RECORDED}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary file."""
        if hasattr(self, "made"):
            self.made.unlink()
            self.made.parent.rmdir()
