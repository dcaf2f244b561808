"""What a worker is told of an attempt through its pipe, so that it need not trust the batch's folder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """An attempt at a batch, the checksum of the specification that it is to train, and with how many threads."""

    batch: int
    attempt: int
    checksum: str
    threads: int
    code: str = ""
    """What the experiment names of others' code, for whoever has the worker; the worker itself is not told."""
    coming: int = 0
    """Tickets in the stacks of the next round, where it is to be measured beside the training what they cost."""

    def line(self) -> bytes:
        """As it goes through a worker's pipe."""
        return f"{self.batch} {self.attempt} {self.checksum} {self.threads} {self.coming}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Request":
        """The inverse of `line`; raises ValueError for anything else."""
        batch, attempt, checksum, threads, coming = line.split()
        return cls(int(batch), int(attempt), checksum.decode(), int(threads), coming=int(coming))
