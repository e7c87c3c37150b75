"""What ``--json`` prints: structs, each with what it says of itself and its fields, taken from the types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect as types


@dataclass(frozen=True)
class Shape:
    """A struct. ``fields`` are names and types in words. ``is_list``: its values are written as a list, in this
    order, without their names."""

    name: str
    text: str
    fields: list[tuple[str, str]]
    is_list: bool


def title(kind: Any) -> str:
    """What is printed, in words: a struct, or a list of them."""
    return _worded(types.type_info(kind))


def shapes(kinds: list[Any]) -> list[Shape]:
    """All structs that are met on the way down, each once, by their names."""
    found: dict[str, Shape] = {}
    for kind in kinds:
        for struct in _structs(types.type_info(kind)):
            name = struct.cls.__name__
            if name in found and found[name].fields != _fields(struct):
                raise ValueError(f"two structs are called {name}, and documented under one name")
            found[name] = Shape(name, _text(struct.cls), _fields(struct), struct.array_like)
    return [found[name] for name in sorted(found)]


def _fields(struct: types.StructType) -> list[tuple[str, str]]:
    leaves_out = struct.cls.__struct_config__.omit_defaults
    return [(field.encode_name, _field(field, leaves_out=leaves_out)) for field in struct.fields]


def _field(field: types.Field, *, leaves_out: bool) -> str:
    told = _worded(field.type)
    if not leaves_out or field.required:
        return told
    return f"{told}; left out where it is `{msgspec.json.encode(field.default).decode()}`"


def _text(cls: type) -> str:
    """Its docstring, without the references that only a reader of the code can follow."""
    text = " ".join(inspect.cleandoc(cls.__doc__ or "").split())
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text)
    # What Python calls None is null in JSON.
    return re.sub(r"\bNone\b", "null", text.replace("``", "`"))


def _structs(kind: types.Type, seen: frozenset[type] = frozenset()) -> Iterator[types.StructType]:
    match kind:
        case types.StructType() if kind.cls not in seen:
            yield kind
            for field in kind.fields:
                yield from _structs(field.type, seen | {kind.cls})
        case types.ListType():
            yield from _structs(kind.item_type, seen)
        case types.DictType():
            yield from _structs(kind.value_type, seen)
        case types.UnionType():
            for one in kind.types:
                yield from _structs(one, seen)


_WORDS: dict[type[types.Type], str] = {
    types.StrType: "text",
    types.IntType: "whole number",
    types.FloatType: "number",
    types.BoolType: "true or false",
    types.NoneType: "null",
    types.AnyType: "any value",
    types.DateTimeType: "time (RFC 3339, UTC)",
    types.BytesType: "bytes (base64)",
}


def _worded(kind: types.Type) -> str:
    match kind:
        case types.StructType(cls=cls):
            return f"`{cls.__name__}`"
        case types.ListType(item_type=item):
            return f"list of {_worded(item)}"
        case types.DictType(key_type=key, value_type=value):
            return f"object, {_worded(key)} to {_worded(value)}"
        case types.UnionType(types=several):
            return " or ".join(_worded(one) for one in several)
        case types.LiteralType(values=values):
            return ", ".join(f"`{value}`" for value in values)
        case types.EnumType(cls=cls):
            return ", ".join(f"`{one.value}`" for one in cls)
        case _:
            return _WORDS[type(kind)]
