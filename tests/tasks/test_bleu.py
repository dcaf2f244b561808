"""BLEU and chrF are sacrebleu's, counted on words of the target language."""

import pytest

from lth_core.errors import InputError
from lth_core.settings.texts import TranslationTask
from lth_core.tasks.translation import bleu


def test_bleu_is_sacrebleus_and_the_tokenised_one_splits_compounds() -> None:
    import sacrebleu

    said, meant = ["Das ist ein sehr gutes Haus.", "Er geht-weg heute nicht mehr."], [
        "Das ist ein gutes Haus.", "Er geht-weg heute nicht mehr."
    ]  # fmt: skip
    found = bleu.scores(said, meant, "test", "13a")
    assert found["bleu/test"] == pytest.approx(sacrebleu.corpus_bleu(said, [meant]).score)
    apart = [text.replace(".", " .").replace("-", " - ") for text in said]
    wanted = [text.replace(".", " .").replace("-", " - ") for text in meant]
    reference = sacrebleu.corpus_bleu(apart, [wanted], tokenize="none", force=True, smooth_method="none").score
    assert found["bleu-tokenised/test"] == pytest.approx(reference)
    assert found["bleu-tokenised/test"] != pytest.approx(found["bleu/test"])
    assert found["chrf/test"] == pytest.approx(sacrebleu.corpus_chrf(said, [meant]).score)
    perfect = bleu.scores(meant, meant, "valid", "13a")
    assert perfect == pytest.approx(dict.fromkeys(["bleu/valid", "bleu-tokenised/valid", "chrf/valid"], 100.0))
    signature = bleu.signature("13a")
    assert "tok:13a" in signature and "case:mixed" in signature and "version:" in signature


def test_the_cards_chrf_is_the_one_that_is_counted() -> None:
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    metric.corpus_score(["a"], [["a"]])
    assert str(metric.get_signature()).split("|")[1:-1] == TranslationTask.beside[:-1].split("(")[1].split("|")


@pytest.mark.parametrize(
    ("target", "asked", "tokenizer"),
    [("de", None, "13a"), ("zh", None, "zh"), ("zh-Hans", None, "zh"), ("zho_Hans", None, "zh"),
     ("ja", None, "ja-mecab"), ("jpn_Jpan", None, "ja-mecab"), ("ko", None, "ko-mecab"),
     ("zh", "char", "char"), ("de", "intl", "intl")],
)  # fmt: skip
def test_bleu_is_counted_on_words_of_the_target_language(target: str, asked: str | None, tokenizer: str) -> None:
    task = TranslationTask(
        source="files", train="a", valid="b", test="c", languages=("en", target), bleu_tokenizer=asked
    )
    assert bleu.tokenizer_of(task) == tokenizer


def test_a_chinese_translation_with_one_wrong_sign_is_not_worth_nothing() -> None:
    said, meant = ["我今天早上去了学校学习中文"], ["我今天早上去了学校学习英文"]
    assert bleu.scores(said, meant, "test", "13a")["bleu/test"] < 1
    found = bleu.scores(said, meant, "test", "zh")
    assert found["bleu/test"] > 60
    assert "tok:zh" in bleu.signature("zh")


def test_a_tokenizer_of_bleu_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TranslationTask(source="files", train="a", valid="b", test="c", languages=("en", "ja"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "sacrebleu\[ja\]", or set task.bleu_tokenizer = "char"'):
        bleu.check(task)
