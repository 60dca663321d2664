"""The recorded signatures of Jazzy, and a check of calls against them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

GOLDEN: dict[str, str] = json.loads(
    (Path(__file__).resolve().parents[1] / 'data' / 'golden' / 'signatures_jazzy.json').read_text()
)['signatures']

Call = TypeVar('Call', bound=Callable[..., Any])


def parts(signature: str) -> list[str]:
    """Split the parameters of a signature at the commas that are not inside brackets."""
    inside, depth, part, found = signature.partition('(')[2], 1, '', []
    for char in inside:
        depth += (char in '([{<') - (char in ')]}>')
        if depth == 0:
            break
        if char == ',' and depth == 1:
            found.append(part.strip())
            part = ''
        else:
            part += char
    return [text for text in [*found, part.strip()] if text and text != 'self']


def check(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Assert that ``name`` can be called so."""
    positional: list[str] = []
    keyword: list[str] = []
    needed: set[str] = set()
    many = more = after = False
    for text in parts(GOLDEN[name]):
        plain = text.split(':')[0].split('=')[0].strip()
        if text.startswith('**'):
            more = True
        elif text.startswith('*'):
            after, many = True, len(text) > 1
        else:
            (keyword if after else positional).append(plain)
            if '=' not in text:
                needed.add(plain)
    assert many or len(args) <= len(positional), f'{name}: too many arguments {args}'
    given = {*positional[:len(args)], *kwargs}
    assert more or given <= {*positional, *keyword}, f'{name} has no {given}'
    assert not needed - given, f'{name} needs {needed - given}'
    twice = set(positional[:len(args)]) & set(kwargs)
    assert not twice, f'{name} got {twice} twice'


def golden(name: str) -> Callable[[Call], Call]:
    """Check every call of a method or class against its recorded signature."""
    def wrap(function: Call) -> Call:
        @functools.wraps(function)
        def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
            check(name, args, kwargs)
            return function(self, *args, **kwargs)
        return checked  # type: ignore[return-value]
    return wrap
