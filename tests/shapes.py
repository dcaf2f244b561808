"""The fields of what `--json` prints, as a page of docs. `python -m tests.shapes` writes them into it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lth_core.cli.shapes import ANSWERS

PAGE = Path(__file__).parent.parent / "docs" / "scripts.md"
BEGIN, END = "<!-- shapes: made by `./dev docs` -->", "<!-- end of shapes -->"


def table() -> str:
    """A row per command, then one per part."""
    rows, parts = ["| command or part | fields |", "| --- | --- |"], {}
    for command, shape in ANSWERS.items():
        schema = shape.model_json_schema()
        rows.append(f"| `{command}` | {_fields(schema)} |")
        parts |= schema.get("$defs", {})
    return "\n".join([*rows, *(f"| *{name}* | {_fields(schema)} |" for name, schema in sorted(parts.items()))])


def _fields(schema: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}` {_kind(field)}" for name, field in schema["properties"].items() if name != "version")


def _kind(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return f"*{field['$ref'].rsplit('/', 1)[-1]}*"
    if "anyOf" in field:
        return " or ".join(_kind(one) for one in field["anyOf"])
    if "enum" in field:
        return "one of " + ", ".join(field["enum"])
    if field.get("type") == "array":
        inner = field.get("items") or {"anyOf": list(_unique(field.get("prefixItems", [{}])))}
        return f"list of {_kind(inner)}"
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false", "null": "null"}
    return "object" if field.get("type") == "object" else words.get(field.get("type", ""), "value")


def _unique(fields: list[Any]) -> Iterator[Any]:
    seen: list[str] = []
    for field in fields:
        if _kind(field) not in seen:
            seen.append(_kind(field))
            yield field


def page() -> str:
    """The documentation's page with the fields as they are now."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page())
