"""`/docs`: the OpenAPI document as a page that loads nothing from anywhere and runs no script."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_STYLE = """\
:root{color-scheme:light dark}
body{font:16px/1.55 system-ui,sans-serif;max-width:54rem;margin:2rem auto;padding:0 1rem}
h1{margin-bottom:.25rem}h2{margin-top:2.5rem;border-bottom:1px solid #8886;text-transform:capitalize}
details{border:1px solid #8886;border-radius:6px;margin:.6rem 0;padding:.5rem .9rem}
summary{cursor:pointer}code,pre{font:13.5px/1.45 ui-monospace,monospace}
pre{background:#8881;padding:.7rem;border-radius:6px;overflow-x:auto}
.method{display:inline-block;min-width:3.4rem;font-weight:700}
table{border-collapse:collapse}td,th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; frame-ancestors 'none'"
_MOST_LEVELS = 6


@router.get("/docs")
async def show_reference(request: Request) -> Response:
    """Every endpoint with its parameters and examples."""
    html = render_reference(request.app.openapi())
    return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})


def render_reference(schema: Mapping[str, Any]) -> str:
    """The page of an OpenAPI 3.1 document."""
    info = schema["info"]
    head = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{escape(info['title'])} {escape(info['version'])}</h1>"
    )
    body = f"<p>{escape(info.get('description', ''))}</p>"
    machine = '<p>For programs: <a href="/openapi.json">openapi.json</a></p>'
    return "".join([head, body, machine, *_sections(schema), "</body></html>"])


def _sections(schema: Mapping[str, Any]) -> Iterator[str]:
    tagged: dict[str, list[str]] = {}
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            tag = (operation.get("tags") or ["other"])[0]
            tagged.setdefault(tag, []).append(_operation(schema, method, path, operation))
    for tag, operations in tagged.items():
        yield f"<h2>{escape(tag)}</h2>{''.join(operations)}"


def _operation(schema: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    name = f'<span class="method">{escape(method.upper())}</span> <code>{escape(path)}</code>'
    key = "<p>Needs a key.</p>" if operation.get("security") else "<p>Needs no key.</p>"
    return "".join(
        [
            f"<details open><summary>{name} — {escape(operation.get('summary', ''))}</summary>",
            f"<p>{escape(operation.get('description', ''))}</p>{key}",
            _parameters(operation.get("parameters", [])),
            *_contents("Body", schema, operation.get("requestBody", {}).get("content", {})),
            *(
                part
                for status, response in operation.get("responses", {}).items()
                for part in _contents(status, schema, response.get("content", {}))
            ),
            "</details>",
        ]
    )


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    rows = [
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{escape(one.get('description') or one.get('schema', {}).get('description') or '')}</td></tr>"
        for one in parameters
    ]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def _contents(name: str, schema: Mapping[str, Any], contents: Mapping[str, Any]) -> Iterator[str]:
    for media_type, content in contents.items():
        example = content.get("example")
        if example is None:
            example = _example(schema, content.get("schema", {}), _MOST_LEVELS)
        shown = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
        yield f"<p>{escape(str(name))} <code>{escape(media_type)}</code></p><pre>{escape(shown)}</pre>"


def _example(schema: Mapping[str, Any], part: Mapping[str, Any], levels: int) -> Any:
    """A value of the described shape: its example or default, else one put together of its parts."""
    if "$ref" in part:
        part = schema["components"]["schemas"][part["$ref"].rpartition("/")[2]]
    for known in (part.get("examples") or [])[:1]:
        return known
    if "default" in part:
        return part["default"]
    for choices in (part.get("anyOf"), part.get("oneOf"), part.get("allOf")):
        if choices:
            return _example(schema, choices[0], levels)
    return _by_type(schema, part, levels)


def _by_type(schema: Mapping[str, Any], part: Mapping[str, Any], levels: int) -> Any:
    kind = part.get("type")
    if kind == "object" and levels:
        return {name: _example(schema, inner, levels - 1) for name, inner in part.get("properties", {}).items()}
    if kind == "array" and levels:
        return [_example(schema, part.get("items", {}), levels - 1)]
    plain: dict[Any, Any] = {"string": (part.get("enum") or ["…"])[0], "integer": 1, "number": 0.5, "boolean": False}
    return plain.get(kind)
