"""Atari games: names, ROMs, how episodes of training and of scores end, resets, seeds, restarts, faults."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ale_py import roms
from ale_py.vector_env import AtariVectorEnv

from lth_core.errors import InputError
from lth_core.experiment.experiment import Experiment
from lth_core.experiment.file import load_experiment
from lth_core.settings.games import GAMES, rom_name
from lth_core.settings.tasks import AtariTask
from lth_core.tasks import atari
from lth_core.tasks.atari import Atari
from lth_core.tasks.atari_family import AtariFamily
from lth_core.tasks.step import Step
from tests.thorough import some

NINE = ("assault", "berzerk", "breakout", "centipede", "kangaroo", "krull", "qbert", "seaquest", "space_invaders")


def _task(**fields: Any) -> AtariTask:
    task = Experiment.from_fields({"name": "x", "seeds": [0], "task": {"kind": "atari", **fields}}).task
    assert isinstance(task, AtariTask)
    return task


def _played(games: Atari, steps: int, seed: int = 0) -> list[Step]:
    rng = np.random.default_rng(seed)
    games.reset()
    return [games.step(rng.integers(0, games.actions, (len(games._games), games._count))) for _ in range(steps)]


@pytest.mark.parametrize(
    ("spelled", "rom"),
    [
        ("SpaceInvaders", "space_invaders"),
        ("space_invaders", "space_invaders"),
        ("Space Invaders", "space_invaders"),
        ("spaceinvaders", "space_invaders"),
        ("ALE/SpaceInvaders-v5", "space_invaders"),
        ("SpaceInvadersNoFrameskip-v4", "space_invaders"),
        ("Q*bert", "qbert"),
        ("QBert", "qbert"),
        ("Ms. Pac-Man", "ms_pacman"),
        ("NoSuchGame", "no_such_game"),
        ("***", "***"),
    ],
)
def test_a_game_is_found_in_any_spelling(spelled: str, rom: str) -> None:
    assert rom_name(spelled) == rom


def test_the_known_games_are_those_that_ale_py_has_roms_for() -> None:
    assert set(roms.get_all_rom_ids()) == set(GAMES)
    assert len({rom_name(game) for game in GAMES}) == len(GAMES)


@pytest.mark.parametrize("game", some(NINE, "qbert"))
def test_the_nine_games_of_the_paper_play(game: str) -> None:
    games = Atari(_task(game=game), [0], 1)
    steps = _played(games, 3)
    assert steps[-1].observations.shape == (1, 1, 4, 84, 84)
    assert steps[-1].observations.dtype == np.uint8
    assert steps[-1].observations.any()
    assert games.faults() == {}


def test_an_unknown_game_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text('seeds = 1\n[task]\nkind = "atari"\ngame = "Space Invadrs"\n')
    with pytest.raises(InputError, match=r"x\.toml: task\.game .*space_invadrs.*did you mean space_invaders"):
        load_experiment(file)


def test_a_missing_rom_and_a_wrong_one_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(atari.ROMS, str(tmp_path))
    with pytest.raises(InputError, match=r'task\.game "pong": its ROM .*pong\.bin is missing.*ALE_ROMS_DIR'):
        AtariFamily().environments(_task(game="pong"), [0], 1)
    (tmp_path / "pong.bin").write_bytes(b"no game")
    with pytest.raises(InputError, match=r'task\.game "pong": its ROM .* has a checksum that ale-py does not know'):
        AtariFamily().environments(_task(game="pong"), [0], 1)


def test_roms_of_ones_own_are_played_without_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(atari.ROMS, str(Path(roms.__file__).parent))
    assert AtariFamily().environments(_task(game="pong"), [0], 1).reset().any()
    assert capsys.readouterr().out == ""  # where measurements are written


def test_what_a_protocol_sets_stands_unless_the_file_says_otherwise() -> None:
    machado = _task(protocol="machado", noop_max=7)
    assert (machado.sticky_actions, machado.full_action_set, machado.episodic_life) == (0.25, True, False)
    assert (machado.noop_max, machado.max_frames) == (7, 18_000)
    assert _task(protocol="paper").shape == (12, 105, 80)
    assert _task() == _task(protocol="mnih")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"frame_skip": 0}, "frame_skip"),
        ({"sticky_actions": 1.0}, "sticky_actions"),
        ({"protocol": "atari"}, "protocol"),
        ({"size": [84]}, "size"),
        ({"max_frames": 3}, "at least frame_skip = 4"),
    ],
)
def test_fields_out_of_range_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _task(**fields)


def test_settings_reach_the_emulator() -> None:
    assert Atari(_task(full_action_set=True), [0], 1).actions == 18
    assert Atari(_task(), [0], 1).actions == 4
    colours = Atari(_task(grayscale=False, size=[105, 80], frame_stack=2), [3], 2)
    assert colours.reset().shape == (1, 2, 6, 105, 80)


def test_colours_are_the_vector_environments_frame_by_frame() -> None:
    colours = Atari(_task(grayscale=False, size=[105, 80]), [3], 2)
    own = np.array([atari.stream_seed(3, "environments", 0, i) % 2**31 for i in range(2)])
    raw = AtariVectorEnv("breakout", 2, num_threads=1, grayscale=False, img_height=105, img_width=80).reset(seed=own)[0]
    seen = colours.reset()[0]
    for frame in range(4):
        for colour in range(3):
            assert np.array_equal(seen[:, 3 * frame + colour], raw[:, frame, :, :, colour])


def test_a_life_ends_an_episode_of_the_training_but_not_of_the_score() -> None:
    games = Atari(_task(), [1], 2)
    steps = _played(games, 600)
    terminated = sum(int(step.terminated.sum()) for step in steps)
    finished = sum(int(step.scored[1].sum()) for step in steps)
    assert finished >= 2
    assert terminated >= 5 * finished  # Breakout has five lives
    for before, step in itertools.pairwise(steps):
        lost = step.terminated & ~step.scored[1]
        # The game goes on: the newest three frames of before are the older ones now.
        assert np.array_equal(step.observations[lost][:, :3], before.observations[lost][:, 1:])


def test_without_episodic_life_episodes_are_whole_games() -> None:
    for step in _played(Atari(_task(episodic_life=False), [1], 2), 400):
        assert np.array_equal(step.terminated | step.truncated, step.scored[1])


def test_scores_are_unclipped_where_training_is_clipped() -> None:
    clipped = _played(Atari(_task(game="space_invaders"), [0], 2), 200)
    plain = _played(Atari(_task(game="space_invaders", reward_clip=False), [0], 2), 200)
    earned = np.stack([step.scored[0] for step in clipped])
    assert earned.max() > 1
    assert np.array_equal(np.stack([step.rewards for step in clipped]), np.clip(earned, -1, 1))
    assert np.array_equal(np.stack([step.rewards for step in plain]), earned)


def test_an_ended_game_starts_again_in_the_same_step_and_shows_its_last_frames() -> None:
    """No transition crosses an end: the frames before and after it come from two games."""
    games = Atari(_task(episodic_life=False), [5], 2)
    own = np.array([atari.stream_seed(5, "environments", 0, i) % 2**31 for i in range(2)])
    # The same games in a vector environment that resets a step later and returns an ended game's last frames.
    later = AtariVectorEnv("breakout", 2, num_threads=1, reward_clipping=False, autoreset_mode="NextStep")
    later.reset(seed=own)
    games.reset()
    rng, ended = np.random.default_rng(0), np.zeros(2, bool)
    while not ended.any():
        actions = rng.integers(0, 4, 2)
        seen, rewards, over, _, _ = later.step(actions)
        step = games.step(actions[None])
        assert np.array_equal(step.rewards[0], np.clip(rewards, -1, 1))
        ended = step.terminated[0]
        assert np.array_equal(ended, over)
    assert step.last_observations is not None
    assert np.array_equal(step.last_observations[0], seen)
    assert not np.array_equal(step.observations[0, ended], seen[ended])
    assert np.array_equal(step.observations[0, ~ended], seen[~ended])


def test_a_time_limit_truncates_and_does_not_terminate() -> None:
    games = Atari(_task(max_frames=40), [0], 1)
    assert games.limit == 10
    steps = _played(games, 10)
    assert not any(step.truncated.any() for step in steps[:-1])
    assert steps[-1].truncated.all()
    assert not steps[-1].terminated.any()
    assert steps[-1].scored[1].all()
    last = steps[-1].last_observations
    assert last is not None
    assert np.array_equal(last[:, :, :3], steps[-2].observations[:, :, 1:])


def test_a_tickets_games_do_not_depend_on_its_stack() -> None:
    alone, stacked = Atari(_task(), [7], 1), Atari(_task(), [3, 7], 1)
    assert np.array_equal(alone.reset()[0], stacked.reset()[1])
    rng = np.random.default_rng(0)
    for i in range(300):
        actions = rng.integers(0, 4, (2, 1))
        if i == 150:
            stacked.keep([1])
        one, other = alone.step(actions[1:]), stacked.step(actions[1:] if i >= 150 else actions)
        assert np.array_equal(one.observations[0], other.observations[-1])
        assert np.array_equal(one.scored[0][0], other.scored[0][-1])


def test_restarted_games_follow_from_seed_and_step_alone() -> None:
    played, fresh = Atari(_task(), [7], 1), Atari(_task(), [7], 1)
    _played(played, 50)
    assert np.array_equal(played.restart(1000), fresh.restart(1000))
    rng = np.random.default_rng(1)
    for _ in range(200):
        actions = rng.integers(0, 4, (1, 1))
        one, other = played.step(actions), fresh.step(actions)
        assert np.array_equal(one.observations, other.observations)
        assert np.array_equal(one.terminated, other.terminated)
    assert not np.array_equal(fresh.restart(1000), fresh.restart(2000))


class _Wrong:
    """A vector environment that goes wrong at a step of its own."""

    def __init__(self, real: Any, what: str) -> None:
        self._real, self._what = real, what

    def reset(self, **fields: Any) -> Any:
        return self._real.reset(**fields)

    def step(self, actions: Any) -> Any:
        if self._what == "raises":
            raise RuntimeError("the emulator gave up")
        seen, rewards, over, cut, info = self._real.step(actions)
        if self._what == "empty":
            return seen, np.zeros_like(rewards), np.ones_like(over), cut, {**info, "final_obs": seen}
        return seen, np.full(rewards.shape, np.nan), over, cut, info


@pytest.mark.parametrize(
    ("what", "said"),
    [("raises", "the emulator gave up"), ("nan", "not a number"), ("empty", "ended at its first step")],
)
def test_a_fault_is_its_tickets_alone(what: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atari, "SAME_GAMES", 20)
    games = Atari(_task(), [0, 1], 1)
    games.reset()
    games._games[0] = _Wrong(games._games[0], what)
    for _ in range(atari.SAME_GAMES):
        games.step(np.zeros((2, 1), np.int64))
    step = games.step(np.zeros((2, 1), np.int64))
    assert list(games.faults()) == [0]
    assert said in games.faults()[0]
    assert step.observations[1].any()
    games.keep([1])
    assert games.faults() == {}
