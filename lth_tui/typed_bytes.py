"""What is typed is read in the terminal's encoding, and anything else is shown as unknown: Textual would end there."""

import codecs
import sys

from textual.drivers import linux_driver


class Decoder:
    """Stands in for the decoder that Textual makes of `utf-8`."""

    def __init__(self) -> None:
        own = codecs.lookup(getattr(sys.__stderr__, "encoding", None) or "utf-8").name
        self.decode = codecs.getincrementaldecoder("utf-8" if own == "ascii" else own)(errors="replace").decode


def apply() -> None:
    """From now on, for every driver of this process."""
    linux_driver.getincrementaldecoder = lambda _name: Decoder  # type: ignore[attr-defined,assignment]
