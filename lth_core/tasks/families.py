"""The families of tasks by `task.kind`, as far as no torch is needed; what can be trained: `training.families`."""

from collections.abc import Mapping
from typing import Any

from lth_core.settings.tasks import Task
from lth_core.tasks.atari_family import AtariFamily
from lth_core.tasks.control_family import ControlFamily, ImitationFamily
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.images.family import ImagesFamily
from lth_core.tasks.minatar.family import MinAtarFamily
from lth_core.tasks.text.family import LanguageModelFamily
from lth_core.tasks.translation.family import TranslationFamily

FAMILIES: Mapping[str, TaskFamily[Any]] = {
    "control": ControlFamily(),
    "imitation": ImitationFamily(),
    "atari": AtariFamily(),
    "minatar": MinAtarFamily(),
    "language_model": LanguageModelFamily(),
    "translation": TranslationFamily(),
    "images": ImagesFamily(),
}


def family_of(task: Task) -> TaskFamily[Any]:
    """The family of a task."""
    return FAMILIES[task.kind]
