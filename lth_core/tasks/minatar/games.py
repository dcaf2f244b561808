"""The games by name."""

from collections.abc import Mapping

from lth_core.tasks.minatar.asterix import Asterix
from lth_core.tasks.minatar.breakout import Breakout
from lth_core.tasks.minatar.freeway import Freeway
from lth_core.tasks.minatar.game import Game
from lth_core.tasks.minatar.seaquest import Seaquest
from lth_core.tasks.minatar.space_invaders import SpaceInvaders

GAMES: Mapping[str, type[Game]] = {
    "asterix": Asterix,
    "breakout": Breakout,
    "freeway": Freeway,
    "seaquest": Seaquest,
    "space_invaders": SpaceInvaders,
}
