"""Image classification: see TaskFamily."""

from lth_core.settings.images import ImagesTask
from lth_core.tasks.family import TaskFamily


class ImagesFamily(TaskFamily[ImagesTask]):
    """Telling pictures apart."""

    def check(self, task: ImagesTask) -> None:
        """See TaskFamily."""
        from lth_core.tasks.images import pictures

        pictures.check(task)

    def notes(self, task: ImagesTask) -> list[str]:
        """See TaskFamily."""
        from lth_core.tasks.images.forms import form_of

        return [] if task.folder is None else [f"task.folder: {form_of(task.folder).name}"]

    def data(self, task: ImagesTask) -> str | None:
        """See TaskFamily."""
        from lth_core.tasks.images import pictures

        return pictures.load(task).summary

    def digests(self, task: ImagesTask) -> dict[str, str]:
        """See TaskFamily: what was drawn depends on versions, so that it is recorded, and compared."""
        from lth_core.tasks.images import pictures

        return {"pictures": pictures.load(task).digest}

    def versions(self, task: ImagesTask) -> dict[str, str | None]:
        """See TaskFamily."""
        from lth_core.tasks.images import digits
        from lth_core.tasks.text import hub

        if task.source == "digits":
            return dict(digits.versions())
        return {task.source: hub.revision(task.source)}
