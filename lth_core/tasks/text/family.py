"""Language models: see TaskFamily."""

from lth_core.settings.texts import LanguageModelTask, TextTask
from lth_core.tasks.contents import hub_facts
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.text import hub


class LanguageModelFamily(TaskFamily[LanguageModelTask]):
    """Predicting the next token of a text."""

    def check(self, task: LanguageModelTask) -> None:
        """See TaskFamily."""
        from lth_core.tasks.text import corpus

        corpus.check(task)

    def data(self, task: LanguageModelTask) -> str | None:
        """See TaskFamily."""
        from lth_core.tasks.text import corpus

        return corpus.load(task).summary

    def versions(self, task: LanguageModelTask) -> dict[str, str | None]:
        """See TaskFamily."""
        return revisions(task, ("", ""))

    def longest(self, task: LanguageModelTask) -> tuple[str, int, str | None]:
        """See TaskFamily."""
        return "task.window", task.window, task.checkpoint


def revisions(task: TextTask, languages: tuple[str, str]) -> dict[str, str | None]:
    """Revisions on the hub of a task's data set and its tokenizer's checkpoint."""
    found = {task.source: hub.revision(task.source, languages)}
    return found | {str(task.checkpoint): hub_facts(task.checkpoint).get("revision")}
