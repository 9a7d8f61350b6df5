"""YAML read into plain values that remember their lines; hostile YAML is a fault, never a crash.

Anchors and aliases are refused, since a few lines of them can stand for billions of values. Values are made by the
safe loader's rules: no tag can name a Python object.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, NamedTuple

import yaml

_MAX_DEPTH = 30

Place = tuple[str | int, ...]


class YamlFault(Exception):
    """The text is no YAML that can be read on from.

    Args:
        message: What is wrong and what to write instead.
        line: Counted from 1.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class LinedYaml(NamedTuple):
    """A document's values, the line of each place in it, and faults that did not stop the reading."""

    data: Any
    lines: dict[Place, int]
    faults: list[tuple[int, str]]

    def find_line(self, place: Place) -> int:
        """The line of a place, or of the nearest one around it that is in the file."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_yaml(content: bytes | str) -> LinedYaml:
    """Read one YAML document.

    Args:
        content: Text, or UTF-8 or UTF-16 bytes.

    Raises:
        YamlFault: The syntax is wrong, or it uses anchors, aliases, deep nesting or more than one document.
    """
    try:
        _check_events(content)
        root = yaml.compose(content, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "cannot be read"
        raise YamlFault(
            f"no valid YAML: {said}; check indentation, colons and quotes", mark.line + 1 if mark else 1
        ) from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise YamlFault("holds characters that YAML forbids; save it as UTF-8 text", 1) from error
    document = LinedYaml(None, {}, [])
    return document._replace(data=_read_node(root, (), document) if root is not None else None)


def _check_events(content: bytes | str) -> None:
    depth = 0
    for event in yaml.parse(content, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _MAX_DEPTH:  # the parser's time grows with the square of the depth
            raise YamlFault("nested too deeply; write it flat", _line_of(event))
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlFault("anchors (&) and aliases (*) are not read; write the value again", _line_of(event))


def _line_of(marked: yaml.Event | yaml.Node) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 1


def _read_node(node: yaml.Node, place: Place, document: LinedYaml) -> Any:
    document.lines.setdefault(place, _line_of(node))
    if isinstance(node, yaml.MappingNode):
        return _read_mapping(node, place, document)
    if isinstance(node, yaml.SequenceNode):
        return [_read_node(item, (*place, index), document) for index, item in enumerate(node.value)]
    return _read_scalar(node, document)


def _read_mapping(node: yaml.MappingNode, place: Place, document: LinedYaml) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = _read_scalar(key_node, document) if isinstance(key_node, yaml.ScalarNode) else None
        if not isinstance(key, str):
            document.faults.append((_line_of(key_node), "a key is no text; write it in quotes"))
        elif key in values:
            first = document.lines[(*place, key)]
            document.faults.append((_line_of(key_node), f"{key}: is in line {first} already; delete one of them"))
        else:
            document.lines[(*place, key)] = _line_of(key_node)
            values[key] = _read_node(value_node, (*place, key), document)
    return values


def _read_scalar(node: yaml.Node, document: LinedYaml) -> Hashable:
    loader = yaml.SafeLoader("")
    try:
        return loader.construct_object(node)  # type: ignore[no-any-return]
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        logged = "a tag (!) is not read" if isinstance(error, yaml.YAMLError) else "this value is not valid"
        document.faults.append((_line_of(node), f"{logged}; write the value in quotes"))
        return None
    finally:
        loader.dispose()
