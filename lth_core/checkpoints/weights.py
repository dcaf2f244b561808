"""The weight files in a checkpoint's folder, and their number formats. Runs no code from them."""

import json
import pickletools
import zipfile
from fnmatch import fnmatch
from pathlib import Path

from safetensors import safe_open

_FORMS = ("model.safetensors", "model-*.safetensors", "pytorch_model.bin", "pytorch_model-*.bin")
"""Names of the files that transformers loads: the first of these that exists."""
_FORMATS = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "DoubleStorage": "float64",
    "FloatStorage": "float32", "HalfStorage": "float16", "BFloat16Storage": "bfloat16",
}  # fmt: skip
_LARGEST = 10**8
"""The most bytes read of the table within a file of torch.save."""


def loaded(names: list[str]) -> list[str]:
    """Which of a folder's files transformers loads weights from."""
    forms = ([name for name in sorted(names) if fnmatch(name, form)] for form in _FORMS)
    return next((form for form in forms if form), [])


def index_of(files: list[str]) -> str | None:
    """The file that says which of these files holds which weight; None if one file holds all."""
    whole = not files or files[0] in _FORMS
    return None if whole else f"{files[0].split('-')[0]}.{files[0].split('.')[-1]}.index.json"


def files(folder: Path) -> list[str]:
    """The files of a folder that transformers loads weights from, with their index if there is one."""
    there = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    used = loaded(there)
    index = index_of(used)
    try:
        named = json.loads((folder / index).read_text(encoding="utf-8"))["weight_map"].values() if index else used
        return sorted({str(name) for name in named} & set(there)) + ([index] if index else [])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return used  # no index that can be read: what is wrong is said where weights are loaded


def formats(file: Path) -> set[str]:
    """The floating-point formats in a file of weights, by torch's names; empty if the file does not say.

    Raises SafetensorError or OSError for a damaged safetensors file.
    """
    if file.suffix == ".bin":
        found = _storages(file)
        return {_FORMATS[one] for one in found if one in _FORMATS}
    with safe_open(file, framework="np") as weights:
        found = {str(weights.get_slice(key).get_dtype()) for key in weights.keys()}  # noqa: SIM118 no mapping
    return {_FORMATS.get(one, one.lower()) for one in found if one.startswith(("F", "BF"))}


def _storages(file: Path) -> set[str]:
    """Kinds of storage in a file of torch.save, from the operations in its pickle, none of which is executed. Empty for
    other files."""
    try:
        with zipfile.ZipFile(file) as held:
            table = next((one for one in held.infolist() if one.filename.endswith("/data.pkl")), None)
            if table is None or table.file_size > _LARGEST:
                return set()
            operations = list(pickletools.genops(held.read(table)))
    except (OSError, ValueError, zipfile.BadZipFile):
        return set()
    return {str(said).split()[-1] for kind, said, _ in operations if kind.name == "GLOBAL" and said}
