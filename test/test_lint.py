"""ruff and mypy, so that they run wherever the tests run."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize('tool', [('ruff', 'check', '--no-fix', '.'), ('mypy',)], ids=' '.join)
def test_is_clean(tool: tuple[str, ...]) -> None:
    if importlib.util.find_spec(tool[0]) is None:
        pytest.skip(f'{tool[0].upper()} IS NOT INSTALLED: the code was not checked with it')
    done = subprocess.run(
        [sys.executable, '-m', *tool], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, f'{done.stdout}\n{done.stderr}'
