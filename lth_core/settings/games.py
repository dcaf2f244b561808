"""Names of Atari games: the ROM names of the Arcade Learning Environment, found from any spelling."""

import re
from collections.abc import Mapping

GAMES = (
    "adventure", "air_raid", "alien", "amidar", "assault", "asterix", "asteroids", "atlantis", "atlantis2",
    "backgammon", "bank_heist", "basic_math", "battle_zone", "beam_rider", "berzerk", "blackjack", "bowling",
    "boxing", "breakout", "carnival", "casino", "centipede", "chopper_command", "combat", "crazy_climber",
    "crossbow", "darkchambers", "defender", "demon_attack", "donkey_kong", "double_dunk", "earthworld",
    "elevator_action", "enduro", "entombed", "et", "fishing_derby", "flag_capture", "freeway", "frogger",
    "frostbite", "galaxian", "gopher", "gravitar", "hangman", "haunted_house", "hero", "human_cannonball",
    "ice_hockey", "jamesbond", "journey_escape", "joust", "kaboom", "kangaroo", "keystone_kapers", "king_kong",
    "klax", "koolaid", "krull", "kung_fu_master", "laser_gates", "lost_luggage", "mario_bros", "maze_craze",
    "miniature_golf", "montezuma_revenge", "mr_do", "ms_pacman", "name_this_game", "othello", "pacman", "phoenix",
    "pitfall", "pitfall2", "pong", "pooyan", "private_eye", "qbert", "riverraid", "road_runner", "robotank",
    "seaquest", "sir_lancelot", "skiing", "solaris", "space_invaders", "space_war", "star_gunner", "superman",
    "surround", "tennis", "tetris", "tic_tac_toe_3d", "time_pilot", "trondead", "turmoil", "tutankham", "up_n_down",
    "venture", "video_checkers", "video_chess", "video_cube", "video_pinball", "warlords", "wizard_of_wor",
    "word_zapper", "yars_revenge", "zaxxon",
)  # fmt: skip

_DRESSED = re.compile(r"(?:ale/)?(.*?)(?:noframeskip|deterministic)?(?:-v\d+)?", re.IGNORECASE)


def rom_name(spelled: str) -> str:
    """The ROM name of a game in any spelling: SpaceInvaders, space-invaders, "Space Invaders", ALE/SpaceInvaders-v5.

    An unknown name is returned in the form of ROM names, its words joined by underscores.
    """
    found = _DRESSED.fullmatch(spelled.strip())
    bare = found.group(1) if found else spelled
    known = _SQUEEZED.get(_squeezed(bare))
    if known is not None:
        return known
    words = re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])", bare)
    return "_".join(words).lower() or bare


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_SQUEEZED: Mapping[str, str] = {_squeezed(name): name for name in GAMES}
