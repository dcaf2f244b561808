"""Keys, pastes and clicks in order: each is handed on when everything the previous one started is done.

Textual hands a key to the widget that has the focus when the key arrives, and runs priority bindings at once. In a
burst (a paste, a slow line) an `enter` would overtake the letters before it, and what is typed ahead of a dialog would
be commands to the page below. A key also waits for what its page still reads; and if a key opens nothing, what was
typed ahead for it is dropped.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from textual import events
from textual.app import App
from textual.command import CommandPalette
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import WorkerError

from lth_tui.screens.page import Page

LONGEST = 10.0
"""Seconds that a key waits at most for the one before: what hangs must not take the keyboard with it."""
_LEAST, _MOST = 2, 12
"""Passes over widget, screen and app after a key. A handler may post a message to the next of them, so one is not
enough; they go on as long as the focus or the screen changes."""

_LOOK = 0.01
"""Seconds between looks at whether a page has read what a key is about."""

Hand = Callable[[events.Event], Coroutine[Any, Any, None]]


class TypeAhead:
    """Handles typed events one after another. hand: passes an event on as Textual does."""

    def __init__(self, app: App[Any], hand: Hand) -> None:
        self._app, self._hand = app, hand
        self._waiting: deque[events.Event] = deque()
        self._typing: asyncio.Task[None] | None = None
        self._given_up: Screen[Any] | None = None

    def forget(self) -> None:
        """Drop what was typed ahead: it was meant for something that does not open."""
        self._waiting.clear()

    def take(self, event: events.Event) -> None:
        """Hand the event on, now or when the earlier ones are done."""
        self._waiting.append(event)
        if self._typing is None or self._typing.done():
            self._typing = asyncio.create_task(self._type())

    @property
    def busy(self) -> bool:
        """Whether a typed event is not done yet, which a click must not overtake."""
        return self._typing is not None and not self._typing.done()

    async def _type(self) -> None:
        while self._waiting:
            event = self._waiting.popleft()
            if isinstance(event, events.MouseEvent):
                await self._drawn()
            elif isinstance(event, events.Key):
                await self._read(event.key)
            handing = asyncio.create_task(self._hand(event), name="key")
            handed, _ = await asyncio.wait({handing}, timeout=LONGEST)
            for one in handed:
                self._app.call_later(one.result)  # its exception is raised in the app
            with contextlib.suppress(TimeoutError, WorkerError):  # a search of the palette ends the one before it
                async with asyncio.timeout(LONGEST):
                    await self._settle()

    async def _settle(self) -> None:
        for number in range(_MOST):
            before = self._place()
            for pump in dict.fromkeys((self._app.focused or self._app.screen, self._app.screen, self._app)):
                await _emptied(pump)
            if isinstance(self._app.screen, CommandPalette):
                await self._worked(self._app.screen)
            if number + 1 >= _LEAST and self._place() == before:
                return

    async def _read(self, key: str) -> None:
        """Wait until the page has read what the key's action is about; in vain only once for each page."""
        page, end = self._app.screen, time.monotonic() + LONGEST
        if page is self._given_up or isinstance(page.focused, Input):
            return
        active = page.active_bindings.get(key)
        if active is None:
            return
        action = active.binding.action.removeprefix("app.").partition("(")[0]
        while self._app.screen is page and isinstance(page, Page) and page.lacks(action):
            if time.monotonic() > end:
                self._given_up = page
                return
            await asyncio.sleep(_LOOK)

    async def _drawn(self) -> None:
        """Wait until the rows that a click aims at are found and have their places."""
        screen, drawn = self._app.screen, asyncio.Event()
        with contextlib.suppress(TimeoutError, WorkerError):
            async with asyncio.timeout(LONGEST):
                await self._worked(screen, "find")
                if screen.call_after_refresh(drawn.set):
                    await drawn.wait()

    async def _worked(self, screen: Screen[Any], group: str | None = None) -> None:
        """Wait for a screen's workers, all of them or those of a group."""
        working = [w for w in self._app.workers if w.node is screen and group in (None, w.group)]
        if working:  # of an empty list Textual makes all workers
            await self._app.workers.wait_for_complete(working)

    def _place(self) -> tuple[object, object]:
        return self._app.screen, self._app.focused


async def _emptied(pump: MessagePump) -> None:
    """Wait until all that is in a message queue now has been handled."""
    passed = asyncio.Event()
    if pump.call_later(passed.set):
        await passed.wait()
