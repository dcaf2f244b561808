"""BLEU and chrF: sacrebleu's on plain texts, and the paper's BLEU on tokens with compounds split at hyphens."""

import importlib.util
import re
from collections.abc import Sequence

from lth_core.errors import InputError
from lth_core.settings.texts import TranslationTask

_TOKEN = re.compile(r"\w+|[^\w\s]")
_BY_LANGUAGE = {
    "zh": "zh", "zho": "zh", "cmn": "zh", "yue": "zh", "ja": "ja-mecab", "jpn": "ja-mecab", "ko": "ko-mecab",
    "kor": "ko-mecab",
}  # fmt: skip
"""sacrebleu's own choice for languages written without blanks between words; 13a for all others."""
_NEEDS = {"ja-mecab": ("MeCab", "sacrebleu[ja]"), "ko-mecab": ("mecab_ko", "sacrebleu[ko]")}


def tokenizer_of(task: TranslationTask) -> str:
    """sacrebleu's tokenizer for the task's BLEU: the task's own, or the target language's."""
    language = re.split("[-_]", task.languages[1].lower())[0]
    return task.bleu_tokenizer or _BY_LANGUAGE.get(language, "13a")


def check(task: TranslationTask) -> None:
    """Raise InputError if the tokenizer needs a package that is missing."""
    tokenizer = tokenizer_of(task)
    module, package = _NEEDS.get(tokenizer, ("sacrebleu", ""))
    if importlib.util.find_spec(module) is None:
        raise InputError(
            f"task.languages = {list(task.languages)}: BLEU of the target language uses sacrebleu's tokenizer "
            f'"{tokenizer}", which is not installed: pip install "{package}", or set task.bleu_tokenizer = "char"'
        )


def scores(translations: Sequence[str], references: Sequence[str], part: str, tokenizer: str) -> dict[str, float]:
    """BLEU and chrF of a part in percent, case-sensitive, by metric name.

    bleu-tokenised is the BLEU of multi-bleu.perl: no smoothing, words and punctuation separated. chrf is chrF2
    (Popovic 2015), on characters, which needs no tokenizer.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    tokenised = BLEU(tokenize="none", smooth_method="none", force=True)
    own, theirs = [_apart(text) for text in translations], [_apart(text) for text in references]
    texts = list(translations), [list(references)]
    return {
        f"bleu/{part}": float(BLEU(tokenize=tokenizer).corpus_score(*texts).score),
        f"bleu-tokenised/{part}": float(tokenised.corpus_score(own, [theirs]).score),
        f"chrf/{part}": float(CHRF().corpus_score(*texts).score),
    }


def signature(tokenizer: str) -> str:
    """sacrebleu's signature of its BLEU: version and settings."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU(tokenize=tokenizer)
    metric.corpus_score(["a b c d"], [["a b c d"]])
    return str(metric.get_signature())


def _apart(text: str) -> str:
    return " ".join(_TOKEN.findall(text))
