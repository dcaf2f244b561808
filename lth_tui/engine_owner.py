"""Who runs the engine: this process, as soon as no other holds the lease of the workspace."""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth_core.store.workspace import Workspace
from lth_core.text import one_line

if TYPE_CHECKING:
    from lth_core.engine.engine import Engine

_RETRY = 3.0
STOP_TIMEOUT = 15.0


@dataclass(frozen=True)
class Ownership:
    """`word` is one of: starting, here, elsewhere, viewing, failed, stopped."""

    word: str
    pid: int | None = None
    host: str | None = None
    error: str | None = None


class EngineOwner(threading.Thread):
    """Starts the engine when the lease is free; a plain thread, so that the screen never waits for it."""

    def __init__(self, workspace: Workspace, device: str, slots: int | None) -> None:
        super().__init__(name="engine-owner", daemon=True)
        self._workspace, self._device, self._slots = workspace, device, slots
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self.state = Ownership("starting")

    @property
    def owns(self) -> bool:
        """Whether the engine runs in this process."""
        return self.state.word == "here"

    def run(self) -> None:
        """Try to own the engine, watch it while it runs."""
        while not self._ended.is_set():
            if self._engine is None:
                self._try()
            elif self._engine.error is not None:
                self.state = Ownership("failed", error=one_line(self._engine.error) or "unknown error")
                return
            elif not self._engine.is_alive():  # somebody asked it to stop
                self.state = Ownership("stopped")
                return
            self._ended.wait(0.5 if self._engine is not None else _RETRY)

    def _try(self) -> None:
        try:
            from lth_core.engine.engine import Engine, LeaseHeld

            with self._lock:
                if self._ended.is_set():
                    return
                try:
                    engine = Engine(self._workspace, self._device, self._slots)
                except LeaseHeld as held:
                    self.state = Ownership("elsewhere", held.pid, one_line(held.host, 60))
                    return
                engine.start()
                self._engine = engine
            self.state = Ownership("here")
        except Exception as error:  # whatever it is, the user must read it and the screen must live
            self.state = Ownership("failed", error=one_line(error) or type(error).__name__)
            self._ended.set()

    def stop(self) -> None:
        """Stop the engine at a checkpoint and wait until it has ended; harmless to call again."""
        self._ended.set()
        with self._lock:
            engine, self._engine = self._engine, None
        if engine is not None and engine.is_alive():
            engine.stop(STOP_TIMEOUT)
