"""What a worker is told about an attempt over its link, so that it need not trust the batch's folder."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """An attempt at a batch: the checksum of the specification to train, and the number of threads."""

    batch: int
    attempt: int
    checksum: str
    threads: int
    code: str = ""
    """Foreign code that the experiment names; used by the process that starts the worker, not sent to it."""
    coming: int = 0
    """Tickets in the stacks of the next round, if their cost is to be measured beside the training; else 0."""

    def line(self) -> bytes:
        """The request as one line of text."""
        return f"{self.batch} {self.attempt} {self.checksum} {self.threads} {self.coming}\n".encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Request":
        """The inverse of `line`; raises ValueError for anything else."""
        batch, attempt, checksum, threads, coming = line.split()
        return cls(int(batch), int(attempt), checksum.decode(), int(threads), coming=int(coming))
