"""Translation: see TaskFamily."""

from lth_core.settings.texts import TranslationTask
from lth_core.tasks.family import TaskFamily
from lth_core.tasks.text.family import revisions


class TranslationFamily(TaskFamily[TranslationTask]):
    """Sentences in two languages."""

    def check(self, task: TranslationTask) -> None:
        """See TaskFamily."""
        from lth_core.tasks.translation import corpus

        corpus.check(task)

    def notes(self, task: TranslationTask) -> list[str]:
        """See TaskFamily."""
        from lth_core.tasks.translation import pairs

        return [f"task.{part}: {said}" for part, said in pairs.forms(task).items()]

    def data(self, task: TranslationTask) -> str | None:
        """See TaskFamily; includes how BLEU is computed."""
        from lth_core.tasks.translation import bleu, corpus

        return f"{corpus.load(task).summary}; {bleu.signature(bleu.tokenizer_of(task))}"

    def versions(self, task: TranslationTask) -> dict[str, str | None]:
        """See TaskFamily."""
        return revisions(task, task.languages)

    def longest(self, task: TranslationTask) -> tuple[str, int, str | None]:
        """See TaskFamily."""
        return "task.longest", task.longest, task.checkpoint
