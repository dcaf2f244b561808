"""Reads typed bytes in the terminal's encoding; invalid bytes become unknown characters, where Textual would fail."""

import codecs
import sys

from textual.drivers import linux_driver


class Decoder:
    """Replaces the decoder that Textual makes for `utf-8`."""

    def __init__(self) -> None:
        own = codecs.lookup(getattr(sys.__stderr__, "encoding", None) or "utf-8").name
        self.decode = codecs.getincrementaldecoder("utf-8" if own == "ascii" else own)(errors="replace").decode


def apply() -> None:
    """Use this decoder for every driver of this process."""
    linux_driver.getincrementaldecoder = lambda _name: Decoder  # type: ignore[attr-defined,assignment]
