"""A headless Chromium for tests, driven over its DevTools pipe; needs nothing but the browser."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from typing import Any

FLAGS = (
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--remote-debugging-pipe',
)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome, None when there is none."""
    names = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One page; the browser reads commands from its file descriptor 3 and answers on 4.

    Attributes:
        events: (method, params) the browser sent since the last ``open``.
    """

    def __init__(self, program: str, timeout_s: float = 60.0):
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._timeout_s = timeout_s
        self._buffer, self._count, self._session = b'', 0, None
        self._profile = tempfile.mkdtemp(prefix='chromium-')
        command_end, self._commands = os.pipe()
        self._answers, answer_end = os.pipe()
        ends = [_lift(command_end), _lift(answer_end)]

        def adopt() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._process = subprocess.Popen(
            [program, *FLAGS, f'--user-data-dir={self._profile}'], preexec_fn=adopt,
            pass_fds=(3, 4), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for end in ends:
            os.close(end)
        target = self.call('Target.createTarget', url='about:blank')['targetId']
        attached = self.call('Target.attachToTarget', targetId=target, flatten=True)
        self._session = attached['sessionId']
        for domain in ('Page', 'Runtime', 'Log', 'Network'):
            self.call(f'{domain}.enable')

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a DevTools command and return its result."""
        self._count += 1
        message = {'id': self._count, 'method': method, 'params': params}
        if self._session:
            message['sessionId'] = self._session
        data = json.dumps(message).encode() + b'\0'
        while data:
            data = data[os.write(self._commands, data):]
        deadline = time.monotonic() + self._timeout_s
        while (answer := self._receive(deadline)).get('id') != self._count:
            self.events.append((answer['method'], answer['params']))
        assert 'error' not in answer, f'{method}: {answer["error"]}'
        return answer['result']

    def open(self, url: str, width: int, height: int, scheme: str = 'light') -> None:
        """Load a page in a window of this size and wait until all of it is there."""
        self.call(
            'Emulation.setDeviceMetricsOverride', width=width, height=height,
            deviceScaleFactor=1, mobile=width < 600,
        )
        feature = {'name': 'prefers-color-scheme', 'value': scheme}
        self.call('Emulation.setEmulatedMedia', features=[feature])
        self.events.clear()
        self.call('Page.navigate', url=url)
        deadline = time.monotonic() + self._timeout_s
        while not any(method == 'Page.loadEventFired' for method, _ in self.events):
            event = self._receive(deadline)
            self.events.append((event['method'], event['params']))

    def run(self, script: str) -> Any:
        """Value of a JavaScript expression; promises are awaited."""
        result = self.call(
            'Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True
        )
        assert 'exceptionDetails' not in result, result['exceptionDetails']
        return result['result'].get('value')

    def press(self, key: str) -> None:
        """Press and release a key as a person does."""
        codes = {'ArrowLeft': 37, 'ArrowRight': 39}
        for kind in ('keyDown', 'keyUp'):
            self.call(
                'Input.dispatchKeyEvent', type=kind, key=key,
                windowsVirtualKeyCode=codes.get(key, ord(key[0])),
            )

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window, px."""
        for kind in ('mouseMoved', 'mousePressed', 'mouseReleased'):
            self.call(
                'Input.dispatchMouseEvent', type=kind, x=x, y=y, button='left', clickCount=1
            )

    def screenshot(self) -> bytes:
        """PNG of the window."""
        return base64.b64decode(self.call('Page.captureScreenshot', format='png')['data'])

    def close(self) -> None:
        """End the browser and take its profile away."""
        with contextlib.suppress(AssertionError, OSError):
            self._session = None
            self.call('Browser.close')
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for end in (self._commands, self._answers):
            os.close(end)
        shutil.rmtree(self._profile, ignore_errors=True)

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b'\0' not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([self._answers], [], [], max(left, 0))
            assert ready, 'the browser does not answer'
            data = os.read(self._answers, 1 << 20)
            assert data, 'the browser ended'
            self._buffer += data
        message, self._buffer = self._buffer.split(b'\0', 1)
        return json.loads(message)


def _lift(end: int) -> int:
    """Move a descriptor out of the way of 3 and 4."""
    lifted = fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20)
    os.close(end)
    return lifted
