"""Code examples of a request."""

import json
import shlex
from dataclasses import replace
from typing import Any

from .types import PUBLIC_BASE_URL, Request
from .values import LONE_SURROGATES

PLACEHOLDER = "YOUR_API_TOKEN"


def examples(request: Request) -> dict[str, str]:
    """Return the request as code, by language: curl, python, javascript.

    The code has the public address and a placeholder token, and never the callback's address, which is a secret.
    """
    payload = replace(request, callback_url="").payload()
    url = f"{PUBLIC_BASE_URL}/luma/videos"
    headers = {
        "accept": "application/json",
        "authorization": f"Bearer {PLACEHOLDER}",
        "content-type": "application/json",
    }
    curl = [f"curl -X POST {shlex.quote(url)}"]
    curl += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()]
    curl += [f"-d {shlex.quote(_readable_json(payload))}"]
    python = (
        "import requests\n\n"
        f"url = {_python_literal(url)}\n"
        f"headers = {_python_dict(headers)}\n"
        f"payload = {_python_dict(payload)}\n\n"
        "response = requests.post(url, headers=headers, json=payload)\n"
        "print(response.json())\n"
    )
    javascript = (
        f"const payload = {_readable_json(payload)};\n\n"
        f"const response = await fetch({_readable_json(url)}, {{\n"
        '  method: "POST",\n'
        f"  headers: {_readable_json(headers).replace(chr(10), chr(10) + '  ')},\n"
        "  body: JSON.stringify(payload),\n"
        "});\n"
        "console.log(await response.json());\n"
    )
    return {"curl": " \\\n  ".join(curl) + "\n", "python": python, "javascript": javascript}


def _readable_json(value: object) -> str:
    text = json.dumps(value, indent=2, ensure_ascii=False)
    # A lone surrogate cannot be encoded as UTF-8, so it is escaped.
    return json.dumps(value, indent=2) if LONE_SURROGATES.search(text) else text


def _python_literal(value: object) -> str:
    if isinstance(value, str) and value.isprintable():
        # In printable text JSON escapes only quotes and backslashes, as Python does.
        return json.dumps(value, ensure_ascii=False)
    return repr(value)


def _python_dict(fields: dict[str, Any]) -> str:
    lines = (f"    {_python_literal(name)}: {_python_literal(value)},\n" for name, value in fields.items())
    return "{\n" + "".join(lines) + "}"
