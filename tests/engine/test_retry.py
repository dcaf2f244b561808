"""What follows each way in which an attempt can end."""

import errno

import pytest

from lth_core.batches.exit_codes import (
    CHECKPOINTED,
    DISK_FULL,
    DONE,
    ENGINE_GONE,
    FAILED,
    OUT_OF_MEMORY,
    SUPERSEDED,
    TRANSIENT,
    NotEnoughSpace,
    code_of,
    sentence,
)  # fmt: skip
from lth_core.engine.failures import DELAYS, decide
from lth_core.errors import InputError


@pytest.mark.parametrize(("code", "failures", "tickets", "step"), [
    (DONE, 0, 0, "over"),
    (DONE, 0, 5, "again"),
    (DONE, 2, 5, "failed"),
    (FAILED, 0, 0, "over"),
    (None, 9, 0, "over"),
    (CHECKPOINTED, 9, 5, "go on"),
    (ENGINE_GONE, 9, 5, "go on"),
    (SUPERSEDED, 9, 5, "go on"),
    (DISK_FULL, 9, 5, "disk full"),
    (OUT_OF_MEMORY, 0, 5, "split"),
    (OUT_OF_MEMORY, 9, 2, "split"),
    (OUT_OF_MEMORY, 0, 1, "alone"),
    (OUT_OF_MEMORY, 1, 1, "failed"),
    (None, 0, 5, "again"),
    (None, 1, 5, "again"),
    (None, 2, 5, "failed"),
    (TRANSIENT, 1, 5, "again"),
    (TRANSIENT, 2, 5, "failed"),
    (FAILED, 0, 5, "failed"),
    (1234, 0, 5, "failed"),
])  # fmt: skip
def test_every_end_has_its_answer(code: int | None, failures: int, tickets: int, step: str) -> None:
    decision = decide(code, "it broke", failures=failures, tickets=tickets)
    assert decision.step == step
    assert bool(decision.why) == (step not in ("over", "go on"))
    assert (decision.delay > 0) == (step == "again")


def test_delays_grow_and_end() -> None:
    assert list(DELAYS) == sorted(set(DELAYS))
    assert decide(None, "x", failures=0, tickets=1).delay < decide(None, "x", failures=1, tickets=1).delay
    assert "stacks of 3 and 2" in decide(OUT_OF_MEMORY, "x", failures=0, tickets=5).why


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@pytest.mark.parametrize(("fault", "code"), [
    (OSError(errno.ENOSPC, "No space left on device"), DISK_FULL),
    (OSError(errno.EDQUOT, "Disk quota exceeded"), DISK_FULL),
    (NotEnoughSpace(10**9, 10**6), DISK_FULL),
    (MemoryError(), OUT_OF_MEMORY),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), OUT_OF_MEMORY),
    (OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OUT_OF_MEMORY),
    (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), OUT_OF_MEMORY),
    (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), OUT_OF_MEMORY),
    (RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"), OUT_OF_MEMORY),
    (OSError(errno.ESTALE, "Stale file handle"), TRANSIENT),
    (OSError(errno.EIO, "Input/output error"), TRANSIENT),
    (OSError(errno.EACCES, "Permission denied"), FAILED),
    (RuntimeError("shapes do not fit"), FAILED),
    (ValueError("out of range"), FAILED),
])  # fmt: skip
def test_exceptions_are_told_apart_by_whose_fault_they_are(fault: Exception, code: int) -> None:
    assert code_of(fault) == code
    assert sentence(fault)
    assert "\n" not in sentence(fault)


def test_what_is_wrong_with_the_input_is_said_without_the_name_of_a_class() -> None:
    assert sentence(InputError("task.train = a.txt:\nthe file is empty")) == "task.train = a.txt: the file is empty"
    assert sentence(ValueError("out of range")) == "ValueError: out of range"
