"""What Slurm's states mean for an attempt, in words."""

ALIVE = (
    "PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT",
)  # fmt: skip
"""States in which a job may still do something."""

_CAUSES = {
    "NODE_FAIL": "its node{node} failed",
    "BOOT_FAIL": "its node{node} did not boot",
    "TIMEOUT": "it reached its time limit and did not leave in time",
    "DEADLINE": "it reached its deadline",
    "OUT_OF_MEMORY": "it was killed by the memory limit",
    "FAILED": "it failed without a word",
    "COMPLETED": "it ended without a word",
    "": "the scheduler knows nothing of it",
}


def cause_of(state: str, node: str) -> str:
    """Why a job died that said nothing itself."""
    return _CAUSES.get(state, f"it ended as {state}").format(node=f" {node}" if node else "")


def left_because(state: str) -> str:
    """Why a job left that was not asked by the engine."""
    return {
        "PREEMPTED": "was preempted",
        "TIMEOUT": "left at its time limit",
        "COMPLETED": "left near its time limit",
        "NODE_FAIL": "left a node that failed",
        "": "is unknown to the scheduler",
    }.get(state, f"left ({state})")
