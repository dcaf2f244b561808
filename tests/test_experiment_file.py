"""Experiment files: what is accepted, and the sentence for what is not."""

import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import load_experiment, resolve


def write(folder: Path, text: str, name: str = "tiny.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def sentence(folder: Path, text: str, *overrides: str, name: str = "tiny.toml") -> str:
    with pytest.raises(InputError) as caught:
        load_experiment(write(folder, text, name), overrides)
    said = str(caught.value)
    assert "\n" not in said
    assert not any(unicodedata.category(c) in {"Cc", "Cf"} for c in said)
    return said


def test_a_count_of_seeds_a_default_name_and_overrides(tmp_path: Path) -> None:
    path = write(tmp_path, 'seeds = 3\n[pruning]\nrounds = 5\n[training]\noptimizer = "adam"')
    one = load_experiment(
        path, ["pruning.rounds=2", "seeds=[4, 7]", "training.optimizer=rmsprop", "task.environment=Acrobot-v1"]
    )
    assert (one.name, one.seeds, one.pruning.rounds) == ("tiny", (4, 7), 2)
    assert (one.training.optimizer, one.task.environment) == ("rmsprop", "Acrobot-v1")
    assert load_experiment(path).seeds == (0, 1, 2)
    assert load_experiment(path, ["name=other", "seeds = 1"]).name == "other"
    assert load_experiment(path, ["pruning.rounds=3"]).identity != one.identity


BAD = [
    ("seeds = 0", ["tiny.toml", "seeds = 0", "1 to 1000"]),
    ("seeds = true", ["seeds = true"]),
    ("", ["seeds is missing"]),
    ("seeds = 2\nrunds = 3", ["runds is not a field", "expected one of name, task"]),
    ("seeds = 2\n[pruning]\nround = 3", ["pruning.round is not a field", "fraction, rounds", 'did you mean "rounds"?']),
    ("seeds = 2\n[training]\nlength = -5", ["training.length = -5", "more than 0"]),
    ("seeds = 2\n[training]\nlength = 1.5", ["training.length = 1.5", "a whole number"]),
    ('seeds = 2\n[training]\noptimizer = "adm"', ['training.optimizer = "adm"', "'adam'", 'did you mean "adam"?']),
    ("seeds = 2\n[training]\ngamma = nan", ["training.gamma = NaN"]),
    ("seeds = 2\n[training]\nlearning_rate = inf", ["training.learning_rate", "finite"]),
    ('seeds = 2\n[task]\nenvironment = "CartPole-v9"', ['task.environment = "CartPole-v9"', "did you mean"]),
    ('seeds = 2\n[pruning]\nkeep = ["bises"]', ['pruning.keep "bises"', 'did you mean "biases"?', "policy_head"]),
    ('seeds = 2\narms = ["wining"]', ['arms "wining" is not defined', 'did you mean "winning"?']),
    ('seeds = 2\narms = "winning"', ['arms = "winning"']),
    ('seeds = 2\nname = "a/b"', ['name "a/b"', "expected up to 80 letters"]),
    ("seeds = 2\n[arm.own]\nmask = \"tickets\"\nweights = \"fresh\"", ["mask", "tickets", 'did you mean "ticket"?']),
    ("seeds = 2\n[arm.own]\nmsk = 1", ["arm.own"]),
    ("seeds = 2\nmodel = 3", ["model = 3"]),
    ("seeds = 2\n[model]\nhidden = [8, 0]", ["model.hidden.1 = 0"]),
    ("seeds = 2\nseeds = 3", ["not valid TOML"]),
    ("seeds = ", ["not valid TOML"]),
    ("x = " + "[" * 5000, ["not valid TOML"]),
    (' {"name": 3}', ["tiny.toml: name = 3: expected text (and", "an experiment.json that this program wrote"]),
    ('{"name": "a", "seeds": ["x"]}', ['seeds.0 = "x": expected a whole number']),
    ("seeds = 2\nname = '" + "x" * 500 + "'", ['x: expected up to 80 letters']),
    ('{"x": ' * 5000, ["Invalid JSON: recursion limit exceeded"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), BAD, ids=[b[0].replace("\n", " ")[:40] for b in BAD])
def test_a_bad_file_is_answered_by_a_sentence_that_names_what_is_wrong(
    tmp_path: Path, text: str, parts: list[str]
) -> None:
    said = sentence(tmp_path, text)
    assert "tiny.toml" in said
    for part in parts:
        assert part in said


@pytest.mark.parametrize("value", ['"finall"', "0", "2.5"])
def test_a_bad_prune_from_is_named_as_in_the_file_with_both_kinds_of_values(tmp_path: Path, value: str) -> None:
    said = sentence(tmp_path, f"seeds = 2\n[rewinding]\nprune_from = {value}")
    assert f"rewinding.prune_from = {value}" in said
    assert "final" in said
    assert "number" in said or "more than" in said or "or more" in said


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("seeds=a", 'seeds = "a": expected a count from 1 to 1000 or a list of 1 to 1000 seeds'),
        ("seeds=[]", "seeds = []: expected a count from 1 to 1000 or a list of 1 to 1000 seeds"),
        ("seeds=[1.5]", "seeds.0 = 1.5: expected a whole number"),
        ('task.languages=["en"]', 'task.languages = ["en"]: expected a list of 2'),
        ("task.languages=[]", "task.languages = []: expected a list of 2"),
        ('task.languages=["e", "f", "g"]', 'task.languages = ["e", "f", "g"]: expected a list of at most 2'),
        ('task.languages="en"', 'task.languages = "en": expected a list'),
        ('task.languages=["en", "?"]', 'task.languages.1 = "?": expected text that matches ^[A-Za-z0-9]'),
        ("arms=[]", "arms = []: expected a list of at least 1"),
        ("name=3", "name = 3: expected text"),
        ("model=3", "model = 3: expected a table"),
        ('model={kind="pretrained_seq2seq", checkpoint=""}', 'model.checkpoint = "": expected text of length'),
    ],
)
def test_what_is_accepted_is_said_in_words_of_the_file(tmp_path: Path, override: str, said: str) -> None:
    found = sentence(tmp_path, 'seeds = 2\ntask.kind = "translation"', override)
    assert found.split("tiny.toml: ")[1].startswith(said) and "more)" not in found


LANGUAGE = {"kind": "language_model"}
TRANSLATION = {"kind": "translation"}
TOKENS = {"tokenizer": "checkpoint", "checkpoint": "some/gpt"}


@pytest.mark.parametrize(
    ("task", "model", "said"),
    [
        (LANGUAGE, "causal", 'f: task.tokenizer = "words": the weights that model.kind "causal" starts from need the '
         'tokenizer of "some/gpt": expected "checkpoint" with task.checkpoint = "some/gpt"'),
        (LANGUAGE | TOKENS | {"checkpoint": "some/bert"}, "causal", 'f: task.checkpoint = "some/bert": the weights '
         'that model.kind "causal" starts from need the tokenizer of "some/gpt": expected "some/gpt"'),
        (TRANSLATION, "pretrained_seq2seq", 'f: task.tokenizer = "bpe": the weights that model.kind '
         '"pretrained_seq2seq" starts from need the tokenizer of "some/gpt": expected "checkpoint" with '
         'task.checkpoint = "some/gpt"'),
        (LANGUAGE | TOKENS | {"vocabulary": 500}, "causal", 'f: task.vocabulary = 500: task.tokenizer = "checkpoint" '
         "brings its own: leave the field out"),
        (TRANSLATION | TOKENS | {"vocabulary": 900}, "pretrained_seq2seq", "f: task.vocabulary = 900: task.tokenizer = "
         '"checkpoint" brings its own: leave the field out, or its default 8000'),
    ],
)  # fmt: skip
def test_a_checkpoints_weights_are_given_its_own_tokens_alone(task: dict[str, Any], model: str, said: str) -> None:
    fields = {"name": "x", "seeds": 1, "task": task, "model": {"kind": model, "checkpoint": "some/gpt"}}
    with pytest.raises(InputError) as caught:
        resolve(fields, "f")
    assert str(caught.value) == said
    stored = Experiment.from_fields({**fields, "seeds": [0]})  # by an earlier version: to be shown, not to be queued
    assert Experiment.from_json(stored.canonical()) == stored


@pytest.mark.parametrize("kind", ["lstm", "causal"])
def test_a_checkpoints_tokens_are_for_every_network_and_for_its_own(kind: str) -> None:
    model = {"kind": kind} | ({"checkpoint": "some/gpt"} if kind == "causal" else {})
    assert resolve({"name": "x", "seeds": 1, "task": LANGUAGE | TOKENS, "model": model}, "f").model.kind == kind


def test_a_folder_is_the_same_checkpoint_however_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    save_file({"w": np.zeros(1)}, tmp_path / "model.safetensors")
    (tmp_path / "tokenizer.json").touch()
    task = LANGUAGE | TOKENS | {"checkpoint": str(tmp_path)}
    resolve({"name": "x", "seeds": 1, "task": task, "model": {"kind": "causal", "checkpoint": f"{tmp_path}/./"}}, "f")


def test_files_that_cannot_be_read_are_answered_by_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_experiment(tmp_path / "none.toml")
    with pytest.raises(InputError, match="not a regular file"):
        load_experiment(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe4"')
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_experiment(tmp_path / "latin.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="larger than"):
        load_experiment(tmp_path / "large.toml")
    assert "is not a valid experiment name" in sentence(tmp_path, "seeds = 1", name="-rf x.toml")


@pytest.mark.parametrize(
    ("override", "part"),
    [
        ("pruning.rounds", "expected field=value"),
        ("=3", "expected field=value"),
        ("seeds.x=3", "seeds is not a table"),
        ("pruning.rouns=3", 'did you mean "rounds"?'),
        ("pruning.rounds=x", 'pruning.rounds = "x"'),
        ("pruning.rounds=", "pruning.rounds"),
        (".=3", "is not a field"),
    ],
)
def test_a_bad_override_is_answered_by_a_sentence(tmp_path: Path, override: str, part: str) -> None:
    assert part in sentence(tmp_path, "seeds = 2", override)


@pytest.mark.parametrize("place", ["file", "override", "nested override", "huge seeds"])
def test_numbers_and_nesting_beyond_pythons_limits_are_answered_by_a_sentence(tmp_path: Path, place: str) -> None:
    digits = "9" * 5000
    if place == "file":
        sentence(tmp_path, f"seeds = 2\nx = {digits}")
    elif place == "override":
        sentence(tmp_path, "seeds = 2", f"pruning.rounds={digits}")
    elif place == "nested override":
        sentence(tmp_path, "seeds = 2", "pruning.rounds=" + "[" * 5000)
    else:
        sentence(tmp_path, "seeds = 0x" + "f" * 5000)


HOSTILE = "\\u001b]0;owned\\u0007\\u202e\\u009b31m\\u200b\\r\\n"


@pytest.mark.parametrize(
    "text",
    [
        f'seeds = 2\n"{HOSTILE}" = 1',
        f'seeds = 2\nname = "{HOSTILE}"',
        f'seeds = 2\n[training]\noptimizer = "{HOSTILE}"',
        f'seeds = 2\n[training]\n"{HOSTILE}" = 1',
        f'seeds = 2\n[arm."{HOSTILE}"]\nmask = "ticket"\nweights = "fresh"',
        f'seeds = "{HOSTILE}"',
        f'seeds = 2\n[task]\nenvironment = "{HOSTILE}"',
        f'seeds = 2\narms = ["{HOSTILE}"]',
        f'seeds = 2\n[pruning]\nkeep = ["{HOSTILE}"]',
    ],
)
def test_control_characters_of_a_file_never_reach_the_sentence(tmp_path: Path, text: str) -> None:
    assert "tiny.toml" in sentence(tmp_path, text)


def test_control_characters_of_a_files_name_never_reach_the_sentence(tmp_path: Path) -> None:
    sentence(tmp_path, "seeds = 0", name="a\x1b]0;x\x07\u202e.toml")
    sentence(tmp_path, "seeds = 2", "a\x1b[31m")


plain = st.recursive(
    st.one_of(
        st.none().map(lambda _: ""), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates(),
        st.sampled_from(["winning", "final", "global", "adam", "CartPole-v1", "ticket", "fresh", "biases"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip
tables = {
    "task": ["kind", "environment"],
    "model": ["kind", "hidden", "activation", "initialisation"],
    "training": list(Experiment.model_fields["training"].default.model_dump()),
    "pruning": list(Experiment.model_fields["pruning"].default.model_dump()),
    "rewinding": list(Experiment.model_fields["rewinding"].default.model_dump()),
}


@st.composite
def files(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": "a", "seeds": 2}
    for _ in range(draw(st.integers(1, 3))):
        table = draw(st.sampled_from([*tables, "", "", "arm"]))
        if table in tables:
            held = fields.setdefault(table, {})
            if isinstance(held, dict):
                held[draw(st.one_of(st.sampled_from(tables[table]), st.text(max_size=5)))] = draw(plain)
        elif table == "arm":
            fields["arm"] = {draw(st.sampled_from(["a", "b", "winning", "", "\x1b"])): draw(plain)}
        else:
            name = draw(st.one_of(st.sampled_from(["name", "seeds", "arms", *tables]), st.text(max_size=5)))
            fields[name] = draw(plain)
    return fields


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(files())
def test_whatever_a_file_holds_it_gives_an_experiment_or_a_sentence(fields: dict[str, Any]) -> None:
    try:
        found = resolve(fields, "f.toml")
    except InputError as error:
        said = str(error)
        assert said.startswith("f.toml: ")
        assert len(said) < 3000
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in said)
    else:
        assert Experiment.from_json(found.canonical()) == found


@pytest.mark.parametrize(
    ("training", "sentence"),
    [
        (
            {"algorithm": "pop"},
            "f: training.algorithm = \"pop\": expected 'a2c', 'ppo', 'dqn' or 'sac', did you mean \"ppo\"?",
        ),
        ({"algorithm": "ppo", "clip": 2}, "f: training.clip = 2: expected less than 1"),
        (
            {"algorithm": "ppo", "minibatches": 7},
            "f: training: minibatches 7: expected divisors of environments * n_steps = 2048 "
            "that leave at least 2 transitions each",
        ),
    ],
)
def test_each_algorithm_has_its_own_fields(training: dict, sentence: str) -> None:
    with pytest.raises(InputError) as caught:
        resolve({"name": "x", "seeds": 1, "training": training}, "f")
    assert str(caught.value) == sentence


def test_a_field_of_the_other_algorithm_is_refused_and_the_own_ones_are_named() -> None:
    own = r'training.epochs is not a field of "a2c", but of "ppo": expected one of unit, .*advantage_clip$'
    with pytest.raises(InputError, match=own):
        resolve({"name": "x", "seeds": 1, "training": {"epochs": 3}}, "f")
    with pytest.raises(InputError, match=r'training.epocs is not a field: .*value_clip.*did you mean "epochs"'):
        resolve({"name": "x", "seeds": 1, "training": {"epocs": 3, "algorithm": "ppo"}}, "f")


def test_ppo_comes_back_from_its_canonical_form() -> None:
    found = resolve({"name": "x", "seeds": 1, "training": {"algorithm": "ppo", "epochs": 3}}, "f")
    assert type(found).from_json(found.canonical()) == found
    assert found.training.algorithm == "ppo"


def test_a_resolved_experiment_is_read_as_it_was_stored(tmp_path: Path) -> None:
    stored = load_experiment(write(tmp_path, "seeds = 2"))
    path = write(tmp_path, stored.canonical(), "experiment.json")
    assert load_experiment(path) == stored and load_experiment(path).name == "tiny"
    assert load_experiment(path, ["seeds=3", "pruning.rounds=1"]).seeds == (0, 1, 2)
    for text, said in (("{}", "name is missing"), ("seeds = 2", "Invalid JSON"), ("[" * 9999, "Invalid JSON")):
        assert said in sentence(tmp_path, text, name="experiment.json")


def test_a_byte_order_mark_before_the_file_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfseeds = 3\n")
    assert load_experiment(tmp_path / "a.toml").seeds == (0, 1, 2)


def test_a_whole_number_may_be_written_as_a_power_of_ten(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(
        "seeds = 2.0\n[training]\nlength = 1e6\nenvironments = 8.0\n[model]\nhidden = [6.4e1]\n"
    )
    found = load_experiment(tmp_path / "a.toml", ["training.record_every=1e3"])
    assert (found.seeds, found.training.length, found.training.environments) == ((0, 1), 1_000_000, 8)
    assert (found.model.hidden, found.training.record_every) == ((64,), 1000)
    assert type(found.training.length) is int


def test_an_arm_that_would_be_trained_at_a_rate_of_zero_is_refused() -> None:
    def asked(arms: list[str], **more: Any) -> dict[str, Any]:
        training = {"learning_rate_schedule": "linear", **more.pop("training", {})}
        return {"name": "x", "seeds": [0], "task": {"kind": "images"}, "arms": arms, "training": training, **more}

    for fields in (asked(["winning", "finetune"]), asked(["winning"], rewinding={"schedule": "end"})):
        with pytest.raises(InputError, match=r'^f: training\.learning_rate_end 0: arm "[a-z]+" is trained at the rate'):
            resolve(fields, "f")
        assert Experiment.from_fields(fields)  # of an earlier version it stays readable
    resolve(asked(["winning", "lr_rewind"], rewinding={"weights": 10}), "f")
    resolve(asked(["winning", "finetune"], training={"learning_rate_end": 0.01}), "f")
    resolve(asked(["winning", "finetune"], training={"learning_rate_schedule": "inverse_sqrt"}), "f")
