"""MinAtar in torch against the host's games for longer than the quick tests."""

import pytest

from tests.tasks.minatar.test_on_device import every_game, play

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("hard", [True, False], ids=["ramping and sticky", "neither"])
@every_game
def test_thousands_of_steps_are_the_hosts(game: str, hard: bool) -> None:
    play(game, hard, 3000)
