"""What a metric is, in a few words. Pure functions."""

_WORDS = {
    "return/train": "mean return of the last finished training episodes",
    "return/eval-sampled": "return of evaluation episodes, actions sampled",
    "return/eval-greedy": "return of evaluation episodes, best actions",
    "games": "training episodes finished so far",
    "loss/policy": "policy loss of the last update",
    "loss/value": "value loss of the last update",
    "entropy": "entropy of the policy",
    "exploration": "share of random actions",
    "temperature": "weight of the entropy",
    "values": "mean value of actions taken, of the last update",
    "clipped": "share of probability ratios outside the clip range",
    "divergence": "divergence from the rollout's policy",
    "loss/train": "mean training loss since the last record",
    "loss/valid": "loss of the validation part",
    "loss/test": "loss of the test part",
}
_STEMS = {
    "log_perplexity-unigram": "logarithm of the perplexity under unigram frequencies",
    "log_perplexity": "logarithm of the perplexity",
    "perplexity": "perplexity",
    "bleu-tokenised": "BLEU on separated words and punctuation",
    "bleu": "BLEU, in percent",
    "chrf": "chrF2, in percent",
    "accuracy": "accuracy",
}


def metric_words(name: str) -> str:
    """A remark on a metric; empty for one that is not known here."""
    stem, _, part = name.partition("/")
    return _WORDS.get(name) or (f"{_STEMS[stem]} of the {part} part" if stem in _STEMS else "")
