"""Finds faults of a transformers checkpoint before anything is queued. Imports neither transformers nor torch."""

import json
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from lth_core.checkpoints import kinds as checkpoint_kinds
from lth_core.checkpoints import weights as checkpoint_weights
from lth_core.errors import InputError
from lth_core.text import one_line

TOKENIZER = ("tokenizer*", "vocab*", "*.model", "*.spm", "*.tiktoken", "tekken.json")
_ID = re.compile(r"[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_ACCEPTED = "expected a folder that save_pretrained of transformers has written, or an id of the hub"
_POINTER = b"version https://git-lfs.github.com/spec/"


def check_model(name: str, model: str) -> None:
    """Raise InputError if model.checkpoint is not a checkpoint, or cannot be trained as this kind of model."""
    shown = _shown("model.checkpoint", name)
    there = _check(shown, name, {"config.json": ("config.json",)})
    if there is None:
        return
    used = checkpoint_weights.loaded(there)
    if not used:
        raise InputError(f"{shown}: the folder holds no file of weights: {_ACCEPTED}")
    for file in used:
        _check_pointer(shown, Path(name) / file)
    config = _json(shown, Path(name) / "config.json")
    checkpoint_kinds.check_kind(shown, name, config, model)
    if "quantization_config" in config:
        raise InputError(
            f"{shown}: its weights are quantised (quantization_config in config.json) and cannot be trained: "
            "expected weights in a floating-point format"
        )
    formats_of(name)


def check_tokenizer(name: str, *more: str, ends: bool = False) -> None:
    """Raise InputError if task.checkpoint has no tokenizer, or lacks one of the files in `more`.

    ends: whether its tokenizer needs a token for the end of a text.
    """
    shown = _shown("task.checkpoint", name)
    there = _check(shown, name, {"tokenizer": TOKENIZER, **{file: (file,) for file in more}})
    if there is None:
        return
    if "source.spm" in there and "tokenizer.json" not in there:
        raise InputError(
            f"{shown}: its tokenizer is for sentencepiece alone (source.spm): expected checkpoints with a "
            "tokenizer.json"
        )
    if ends:
        _check_end(shown, Path(name))


def check_fit(model: str, field: str, tokens: int, tokenizer: str | None) -> None:
    """Raise InputError if a text of this many tokens (the task's field) exceeds the model's positions, or the
    tokenizer of a checkpoint has more tokens than the model's embedding."""
    folder, shown = folder_of(model), _shown("model.checkpoint", model)
    if not (folder / "config.json").is_file():
        return
    config = _json(shown, folder / "config.json")
    most = checkpoint_kinds.positions(config)
    if most is not None and most < tokens:
        raise too_long(field, tokens, most)
    known = {**config, **(config.get("text_config") or {})}.get("vocab_size")
    own = folder_of(tokenizer or "") / "tokenizer.json"
    if tokenizer is not None and isinstance(known, int) and own.is_file():
        found = _size(_shown("task.checkpoint", tokenizer), own)
        if found > known:
            raise too_many_tokens(model, known, found, own=True)


def too_long(field: str, tokens: int, most: int) -> InputError:
    """The error for a text longer than a checkpoint's positions."""
    return InputError(f"{field} = {tokens}: the checkpoint has positions for {most} tokens: expected at most {most}")


def too_many_tokens(model: str, known: int, vocabulary: int, *, own: bool) -> InputError:
    """The error for a tokenizer with more tokens than the embedding; own: whether the tokenizer is a checkpoint's."""
    todo = (
        "tokens were added to it: resize the embedding (model.resize_token_embeddings(len(tokenizer))) and save both, "
        "or take the tokenizer as it was published"
        if own
        else 'expected task.tokenizer = "checkpoint" with the same checkpoint'
    )
    return InputError(
        f"{_shown('model.checkpoint', model)}: has an embedding for {known:,} tokens, the tokenizer has "
        f"{vocabulary:,}: {todo}"
    )


def formats_of(name: str) -> list[str]:
    """The number formats of a checkpoint's weights, by torch's names, from its files or else its configuration.

    Raises InputError for files that are damaged or missing.
    """
    folder, shown = folder_of(name), _shown("model.checkpoint", name)
    there = [one.name for one in folder.iterdir()] if folder.is_dir() else []
    used, found = checkpoint_weights.loaded(there), set[str]()
    _check_parts(shown, folder, there, checkpoint_weights.index_of(used))
    for file in used:
        try:
            found |= checkpoint_weights.formats(folder / file)
        except (OSError, SafetensorError) as error:
            raise InputError(
                f"{shown}: {one_line(file)} is damaged ({one_line(error, 80)}): expected the file as it was published"
            ) from None
    if not found and (folder / "config.json").is_file():
        config = _json(shown, folder / "config.json")
        found = {str(config.get("dtype") or config.get("torch_dtype") or "float32")}
    return sorted(found)


def converted(name: str) -> str:
    """A note on weights that are stored in another format than they are trained in; "" if there are none."""
    others = [one for one in formats_of(name) if one != "float32"]
    return f"weights of {one_line(Path(name).name)} read as float32 from {', '.join(others)}" if others else ""


def folder_of(name: str) -> Path:
    """The folder of a checkpoint's files: its own, or the downloaded copy from the hub."""
    if not Path(name).is_dir() and _ID.fullmatch(name):
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, "config.json")
        return Path(found).parent if isinstance(found, str) else Path(name)
    return Path(name)


def _check_parts(shown: str, folder: Path, there: list[str], index: str | None) -> None:
    """Raise InputError if weights in several files lack their index, or a file that it names."""
    if index is None:
        return
    if index not in there:
        raise InputError(f"{shown}: lacks {index}, which says which file holds which weights")
    parts = _json(shown, folder / index).get("weight_map")
    missing = sorted({str(part) for part in parts.values()} - set(there)) if isinstance(parts, dict) else []
    if missing:
        raise InputError(f"{shown}: lacks {one_line(missing[0], 80)}, which its index of weights names")


def _shown(field: str, name: str) -> str:
    return f'{field} = "{one_line(name)}"'


def _check(shown: str, name: str, wanted: dict[str, tuple[str, ...]]) -> list[str] | None:
    """Names of the folder's files; None if it is no folder and may be an id of the hub.

    wanted: patterns of files by what they are; at least one file of each must be there, and be no pointer.
    """
    folder = Path(name)
    try:
        if not folder.is_dir():
            if folder.exists() or not _ID.fullmatch(name):
                raise InputError(f"{shown}: there is no such folder: {_ACCEPTED}")
            return None  # whether the hub has it is for the hub to say
        there = [file.name for file in folder.iterdir()]
        for what, patterns in wanted.items():
            found = [file for file in there if any(fnmatch(file, pattern) for pattern in patterns)]
            if not found:
                raise InputError(f"{shown}: the folder holds no {what}: {_ACCEPTED}")
            # With a tokenizer.json, the forms beside it are not read.
            for file in {"tokenizer.json"}.intersection(found) or found:
                _check_pointer(shown, folder / file)
    except OSError as error:
        raise InputError(f"{shown}: {error.strerror}: {_ACCEPTED}") from None
    return there


def _check_pointer(shown: str, file: Path) -> None:
    if not file.is_file():
        return
    with file.open("rb") as opened:
        if opened.read(len(_POINTER)) == _POINTER:
            raise InputError(
                f"{shown}: {one_line(file.name)} is a Git LFS pointer, not the file itself: run `git lfs pull` "
                "there, or download the file itself"
            )


def _json(shown: str, file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{shown}: {one_line(file.name)} cannot be read ({one_line(error, 80)})") from None
    if not isinstance(found, dict):
        raise InputError(f"{shown}: {one_line(file.name)} is not a JSON object")
    return found


def _check_end(shown: str, folder: Path) -> None:
    """Checks only tokenizers without a class of their own, because the others have a default end token."""
    settings = folder / "tokenizer_config.json"
    if not settings.is_file():
        return
    said = _json(shown, settings)
    beside = folder / "special_tokens_map.json"
    more = _json(shown, beside) if beside.is_file() else {}
    plain = str(said.get("tokenizer_class")) in ("PreTrainedTokenizerFast", "TokenizersBackend")
    if plain and not (said.get("eos_token") or more.get("eos_token")):
        raise no_end(folder)


def no_end(name: str | Path) -> InputError:
    """The error for a tokenizer that has no token for the end of a text."""
    return InputError(
        f"{_shown('task.checkpoint', str(name))}: its tokenizer has no end-of-sequence token: set one "
        "(tokenizer.eos_token = ..., one that it knows) and save it"
    )


def _size(shown: str, file: Path) -> int:
    from tokenizers import Tokenizer

    _check_pointer(shown, file)
    try:
        return int(Tokenizer.from_file(str(file)).get_vocab_size())
    except Exception as error:  # the library raises nothing narrower
        raise InputError(f"{shown}: its tokenizer.json cannot be read ({one_line(error, 80)})") from None
