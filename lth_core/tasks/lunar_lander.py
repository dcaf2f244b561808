"""A faster LunarLander with gymnasium's physics.

A step does gymnasium's arithmetic, operation by operation, with Python numbers instead of numpy's, and without
rendering. The same seed and actions give the same bits (tested). Nearly all the remaining time is Box2D's.
"""

import math
from typing import Any

import numpy as np
from gymnasium.envs.box2d import lunar_lander as original

_SCALE, _FPS = original.SCALE, original.FPS
_HALF_WIDTH, _HALF_HEIGHT = original.VIEWPORT_W / _SCALE / 2, original.VIEWPORT_H / _SCALE / 2
_LEGS = original.LEG_DOWN / _SCALE
_BELOW = original.MAIN_ENGINE_Y_LOCATION / _SCALE


class Lander(original.LunarLander):
    """One lander in calm air; `step` and `reset` as gymnasium's, time limit included."""

    lander: Any
    prev_shaping: Any
    world: Any

    def __init__(self, limit: int, continuous: bool) -> None:
        super().__init__(continuous=continuous)
        self._limit, self._age = limit, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """See gymnasium."""
        found = super().reset(seed=seed, options=options)
        self._age = 0  # a reset takes a step of its own
        return found[0], found[1]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """See gymnasium; action: a choice, or the powers (2,) of main and side engines."""
        angle, draw = self.lander.angle, self.np_random.random
        tip = (math.sin(angle), math.cos(angle))
        dispersion = ((-1.0 + 2.0 * draw()) / _SCALE, (-1.0 + 2.0 * draw()) / _SCALE)
        main, side, direction = self._powers(action)
        if main:
            self._fire_main(main, tip, dispersion)
        if side:
            self._fire_side(side, direction, tip, dispersion)
        self.world.Step(1.0 / _FPS, 6 * 30, 2 * 30)
        state = self._state()
        reward, terminated = self._judged(state, main, side)
        self._age += 1
        return np.array(state, np.float32), reward, terminated, self._age >= self._limit, {}

    def _powers(self, action: Any) -> tuple[float, float, float]:
        """Powers of the main and a side engine, and which side: left is -1."""
        if not self.continuous:
            choice = int(action)
            return float(choice == 2), float(choice in (1, 3)), choice - 2
        main, side = (min(max(float(power), -1.0), 1.0) for power in action)
        turn = abs(side)
        return (
            (main + 1.0) * 0.5 if main > 0.0 else 0.0,
            max(turn, 0.5) if turn > 0.5 else 0.0,
            math.copysign(1.0, side),
        )

    def _fire_main(self, power: float, tip: tuple[float, float], dispersion: tuple[float, float]) -> None:
        x = tip[0] * (_BELOW + 2 * dispersion[0]) + -tip[1] * dispersion[1]
        y = -tip[1] * (_BELOW + 2 * dispersion[0]) - tip[0] * dispersion[1]
        place, strength = self.lander.position, original.MAIN_ENGINE_POWER
        self.lander.ApplyLinearImpulse((-x * strength * power, -y * strength * power), (place.x + x, place.y + y), True)

    def _fire_side(
        self, power: float, direction: float, tip: tuple[float, float], dispersion: tuple[float, float]
    ) -> None:
        away = 3 * dispersion[1] + direction * original.SIDE_ENGINE_AWAY / _SCALE
        x = tip[0] * dispersion[0] + -tip[1] * away
        y = -tip[1] * dispersion[0] - tip[0] * away
        place, strength = self.lander.position, original.SIDE_ENGINE_POWER
        # 17 is from gymnasium: the engine's position depends on the lander's angle.
        at = (place.x + x - tip[0] * 17 / _SCALE, place.y + y + tip[1] * original.SIDE_ENGINE_HEIGHT / _SCALE)
        self.lander.ApplyLinearImpulse((-x * strength * power, -y * strength * power), at, True)

    def _state(self) -> tuple[float, ...]:
        place, speed = self.lander.position, self.lander.linearVelocity
        return (
            (place.x - _HALF_WIDTH) / _HALF_WIDTH,
            (place.y - (self.helipad_y + _LEGS)) / _HALF_HEIGHT,
            speed.x * _HALF_WIDTH / _FPS,
            speed.y * _HALF_HEIGHT / _FPS,
            self.lander.angle,
            20.0 * self.lander.angularVelocity / _FPS,
            1.0 if self.legs[0].ground_contact else 0.0,
            1.0 if self.legs[1].ground_contact else 0.0,
        )

    def _judged(self, state: tuple[float, ...], main: float, side: float) -> tuple[float, bool]:
        """Reward, and whether the lander has crashed, left the screen, or come to rest."""
        x, y, speed_x, speed_y, angle, _, left, right = state
        shaping = (
            -100 * math.sqrt(x * x + y * y)
            - 100 * math.sqrt(speed_x * speed_x + speed_y * speed_y)
            - 100 * abs(angle)
            + 10 * left
            + 10 * right
        )
        reward = 0.0 if self.prev_shaping is None else shaping - self.prev_shaping
        self.prev_shaping = shaping
        reward -= main * 0.30
        reward -= side * 0.03
        if not self.lander.awake:
            return 100.0, True
        return (-100.0, True) if self.game_over or abs(x) >= 1.0 else (reward, False)
