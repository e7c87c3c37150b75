"""The API's reference for people, docs/api.md, made of the OpenAPI document.

Only what the document says goes in, so whoever reads the one knows the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sidecar.api.problems import TYPES

_HEAD = """# REST API

Made from the OpenAPI document by `make reference`; a running sidecar serves that at `/openapi.json`. Who may do what is
explained in [access.md](access.md), the words in [concepts.md](concepts.md).

- JSON in UTF-8, fields in snake_case, times in UTC (RFC 3339), sizes in bytes, durations in seconds (`…_s`).
- Ids are opaque: `lib_…`, `ast_…`, `vol_…`.
- Send the token as `Authorization: Bearer hf_…`, or in `x-api-key`.
- Lists: `?limit=&cursor=` → `{"items": […], "next_cursor": …}`; `next_cursor` is null on the last page, and on no
  other: a page may have few items or none, and yet be followed by more.
- Unknown query parameters and fields are refused, never ignored.
- Resources that can change carry an `ETag`: `If-None-Match` saves an answer, `If-Match` a change that was made blindly.
- Errors are `application/problem+json` (RFC 9457); the last part of `type` is the code in [the table below](#problems).
"""
_REFERENCE = re.compile(r".*/")
_BASE = "/api/v1"


def markdown(document: dict[str, Any]) -> str:
    """The whole reference."""
    lines = [_HEAD]
    by_tag: dict[str, list[tuple[str, str, dict[str, Any]]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append((method.upper(), path, operation))
    for tag, found in sorted(by_tag.items()):
        lines += [f"## {tag}", ""]
        for method, path, operation in found:
            lines += _operation(method, path, operation)
    lines += ["## Problems", "", "| code | status | |", "| --- | --- | --- |"]
    lines += [f"| `{code}` | {kind.status} | {kind.title} |" for code, kind in sorted(TYPES.items())]
    lines += ["", "## Schemas", ""]
    for name, schema in sorted(document["components"]["schemas"].items()):
        lines += _schema(name, schema)
    return "\n".join(lines).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path.removeprefix(_BASE)}"
    yield ""
    yield _prose(operation["summary"])
    if "description" in operation:
        yield ""
        yield _prose(operation["description"])
    yield ""
    yield f"- Needs: {_needs(operation)}"
    for place, title in (("query", "Query"), ("header", "Headers")):
        given = [f"`{one['name']}` {_type(one['schema'])}" for one in operation["parameters"] if one["in"] == place]
        if given:
            yield f"- {title}: {', '.join(one.rstrip() for one in given)}"
    if "requestBody" in operation:
        yield f"- Body: {_type(operation['requestBody']['content']['application/json']['schema'])}"
    for status, answer in operation["responses"].items():
        if status < "400":
            content = next(iter(answer.get("content", {}).values()), None)
            yield f"- {status}: {_type(content['schema']) if content else _prose(answer['description'])}"
    codes = [
        one.partition(":")[0]
        for status, answer in operation["responses"].items()
        if status >= "400"
        for one in answer["description"].split("; ")
    ]
    yield f"- Problems: {', '.join(f'`{code}`' for code in codes)}"
    yield ""


def _needs(operation: dict[str, Any]) -> str:
    if "x-scope" not in operation:
        return "nothing"
    notes = [
        note
        for flag, note in (
            ("x-owner-limited", "also one that is limited to an owner"),
            ("x-audited", "in the audit log"),
        )
        if operation[flag]
    ]
    return "; ".join((f"`{operation['x-scope']}`", *notes))


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}"
    yield ""
    if "description" in schema:
        yield _prose(schema["description"])
        yield ""
    if "properties" in schema:
        required = set(schema.get("required", ()))
        yield "| field | type | |"
        yield "| --- | --- | --- |"
        for field, kind in schema["properties"].items():
            yield f"| `{field}` | {_type(kind)} | {_note(kind, field in required)} |"
    else:
        yield _type(schema)
    yield ""


def _note(kind: dict[str, Any], is_required: bool) -> str:
    if is_required:
        return ""
    default = kind.get("default")
    return "may be left out" if default in (None, [], "") else f"`{default}` when left out"


def _type(schema: dict[str, Any]) -> str:
    """A type in one line."""
    if "$ref" in schema:
        name = _REFERENCE.sub("", schema["$ref"])
        return f"[{name}](#{name.lower()})"
    for union in ("anyOf", "oneOf"):
        if union in schema:
            return " or ".join(_type(one) for one in schema[union])
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        # A tuple has its own type for every place, and none for what would follow.
        within = schema.get("prefixItems") or [one for one in (schema.get("items"),) if isinstance(one, dict)]
        return f"list of {', '.join(map(_type, within))}" if within else "list"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return f"{schema.get('format') or schema.get('type') or 'anything'}{_bounds(schema)}"


def _bounds(schema: dict[str, Any]) -> str:
    words = {"minimum": "at least", "maximum": "at most", "maxLength": "up to", "maxItems": "up to"}
    found = [f"{words[name]} {schema[name]}" for name in words if name in schema]
    return f" ({', '.join(found)})" if found else ""


def _prose(text: str) -> str:
    """Docstrings as Markdown: one line, with single backticks, and nothing that a table would take for its own."""
    return " ".join(text.replace("``", "`").split()).replace("<", "&lt;")
