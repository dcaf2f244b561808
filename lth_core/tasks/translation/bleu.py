"""BLEU: sacrebleu's on the texts as they are, and the paper's on tokens with compounds split at hyphens."""

import re
from collections.abc import Sequence

_TOKEN = re.compile(r"\w+|[^\w\s]")


def scores(translations: Sequence[str], references: Sequence[str], part: str) -> dict[str, float]:
    """BLEU of a part in percent, case-sensitive, by metric name.

    bleu-tokenised is what multi-bleu.perl computes: no smoothing, on words and marks apart. An interface for both.
    """
    from sacrebleu.metrics.bleu import BLEU

    tokenised = BLEU(tokenize="none", smooth_method="none", force=True)
    own, theirs = [_apart(text) for text in translations], [_apart(text) for text in references]
    return {
        f"bleu/{part}": float(BLEU().corpus_score(list(translations), [list(references)]).score),
        f"bleu-tokenised/{part}": float(tokenised.corpus_score(own, [theirs]).score),
    }


def signature() -> str:
    """What sacrebleu says of how it computes the score: its version and settings."""
    from sacrebleu.metrics.bleu import BLEU

    metric = BLEU()
    metric.corpus_score(["a b c d"], [["a b c d"]])
    return str(metric.get_signature())


def _apart(text: str) -> str:
    return " ".join(_TOKEN.findall(text))
