"""What a folder lacks to be a checkpoint of transformers, said before anything is queued. Imports no transformers."""

import re
from fnmatch import fnmatch
from pathlib import Path

from lth_core.errors import InputError
from lth_core.text import one_line

_TOKENIZER = ("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "tekken.json")
_WEIGHTS = ("*.safetensors", "*.bin")
_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_ACCEPTED = "accepted is a folder that save_pretrained of transformers has written, or an id of the hub"


def check_model(name: str) -> None:
    """InputError where model.checkpoint is seen to be no checkpoint."""
    _check("model.checkpoint", name, {"config.json": ("config.json",), "file of weights": _WEIGHTS})


def check_tokenizer(name: str, *more: str) -> None:
    """InputError where task.checkpoint is seen to have no tokenizer, or lacks a file of more."""
    _check("task.checkpoint", name, {"tokenizer": _TOKENIZER, **{file: (file,) for file in more}})


def _check(field: str, name: str, wanted: dict[str, tuple[str, ...]]) -> None:
    """wanted: patterns of files, one of which has to be there, by what they are."""
    shown = f'{field} = "{one_line(name)}"'
    folder = Path(name)
    try:
        if not folder.is_dir():
            if folder.exists() or not _ID.fullmatch(name):
                raise InputError(f"{shown}: there is no such folder: {_ACCEPTED}")
            return  # whether the hub has it is for the hub to say
        there = [file.name for file in folder.iterdir()]
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}: {_ACCEPTED}") from None
    for what, patterns in wanted.items():
        if not any(fnmatch(file, pattern) for file in there for pattern in patterns):
            raise InputError(f"{shown}: the folder holds no {what}: {_ACCEPTED}")
