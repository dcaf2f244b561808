"""The files of `configs`: the paper's settings are the paper's, and suites agree with the files beside them."""

from pathlib import Path

import pytest

from lth_core.analysis.questions import too_few
from lth_core.errors import InputError
from lth_core.experiment import presets
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import load_experiment
from lth_core.experiment.suite import Suite, load

CONFIGS = Path(__file__).parents[1] / "configs"

# Environment, trunk, games of an epoch: Yu et al. 2020, section 3.3 and table A1.
CLASSIC = {
    "cartpole": ("CartPole-v0", (128, 128, 128), 160),
    "acrobot": ("Acrobot-v1", (256, 256, 256), 320),
    "lunarlander": ("LunarLander-v3", (256, 256, 256), 640),
}


def test_presets_are_found_by_name_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert presets.names() and all(presets.about(name) for name in presets.names())
    for asked in ("quick/cartpole", "quick/cartpole.toml", "configs/quick/cartpole.toml"):
        assert isinstance(load(Path(asked)), Experiment)
    assert isinstance(load(Path("suites/classic-quick")), Suite)


def test_a_file_goes_before_a_preset_and_nothing_outside_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "quick").mkdir()
    (tmp_path / "quick" / "cartpole.toml").write_text("seeds = 77")
    own = load(Path("quick/cartpole.toml"))
    assert isinstance(own, Experiment)
    assert len(own.seeds) == 77
    for asked in ("../pyproject", "quick/../../pyproject", "quick", "", "cartpole"):
        assert presets.find(Path(asked)) == Path(asked)
    with pytest.raises(InputError, match=r'no such file or preset .*did you mean "quick/acrobot"'):
        load(Path("quick/acrobat"))


@pytest.mark.parametrize(("name", "asked"), CLASSIC.items())
def test_the_papers_classic_games_have_its_settings(name: str, asked: tuple[str, tuple[int, ...], int]) -> None:
    one = load_experiment(CONFIGS / "paper" / f"{name}.toml")
    environment, trunk, epoch = asked
    training = one.training
    assert (one.task.environment, one.model.hidden, one.model.activation) == (environment, trunk, "relu")
    assert (training.algorithm, training.unit, training.length) == ("a2c", "games", 20 * epoch)
    assert (training.environments, training.n_steps) == (32, 4)
    assert (training.optimizer, training.learning_rate) == ("rmsprop", 1e-4)
    assert (training.rmsprop_alpha, training.epsilon) == (0.99, 1e-8)
    assert (training.reward_scale, training.score_episodes) == (0.01, 100)
    assert training.learning_rate_schedule == "constant"
    assert (one.pruning.fraction, one.pruning.rounds, one.pruning.scope, one.pruning.keep) == (0.2, 20, "global", ())
    assert (one.rewinding.weights, one.rewinding.schedule, one.rewinding.prune_from) == (epoch, "start", "final")
    assert not too_few(one)
    assert {"winning", "winning_init", "one_shot", "random", "random_global"} <= set(one.arms)


def test_the_papers_suite_is_its_files_together() -> None:
    suite = load(CONFIGS / "suites" / "classic-paper.toml", [])
    assert isinstance(suite, Suite)
    alone = {name: load_experiment(CONFIGS / "paper" / f"{name}.toml").identity for name in CLASSIC}
    assert {one.name.removeprefix("classic-paper-"): one.identity for one in suite.experiments} == alone


@pytest.mark.parametrize("path", sorted(CONFIGS.rglob("*.toml")), ids=lambda path: path.stem)
def test_every_file_is_accepted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lth_core.tasks.text.hub.check", lambda _: None)  # also where datasets is not installed
    held = load(path, [])
    assert held.name == path.stem
    for one in held.experiments if isinstance(held, Suite) else [held]:
        assert one.seeds
