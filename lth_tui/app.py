"""The app: pages, the timer that shows the feed's snapshots, orderly quitting."""

import os
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from lth_core import places
from lth_core.errors import InputError
from lth_core.store.commands import Submit
from lth_core.store.workspace import Workspace
from lth_core.text import one_line, plural
from lth_tui import closing_fix, compositor_fix, hangup, palette, replies, settings, typed_bytes
from lth_tui.engine_owner import EngineOwner, Ownership
from lth_tui.keys import binding_ids, key
from lth_tui.notify import Notifier
from lth_tui.reading.feed import Feed, LabelledCommand
from lth_tui.reading.snapshot import Snapshot, Watch
from lth_tui.screens.confirm import Confirm
from lth_tui.screens.devices import DevicesPage
from lth_tui.screens.messages import Message, Messages
from lth_tui.screens.page import Page
from lth_tui.screens.queue import QueuePage
from lth_tui.type_ahead import TypeAhead
from lth_tui.widgets.header import Header
from lth_tui.widgets.hints import Hint, Hints, hints_of

if TYPE_CHECKING:
    from lth_tui.widgets.line_plot import LinePlot
    from lth_tui.widgets.tabs import TabRow

TICK = 0.1
"""Seconds between looks at what the feed has read; the feed itself reads 4-5 times a second."""

_LAST_MOMENT = 5.0
"""Most seconds that quitting waits for pending commands."""

_QUEUING = 3.0
"""Most seconds that keys for the row under the cursor wait for a job that was queued before them."""

_LEAVING = ("q", "ctrl+q", "ctrl+c")

LONGEST_TOAST = 160
"""Characters of a message that a toast shows."""


class Workbench(App[int]):
    """The workbench of one workspace. Without `owner` it runs no engine; with `read_only` it changes nothing."""

    CSS_PATH = "theme.tcss"
    ALLOW_SELECT = False  # Textual's selection cannot read these widgets, and would take ctrl+c; the terminal's can
    TITLE = "lth"
    BINDINGS: ClassVar[list[BindingType]] = [
        key("app", "q", "quit", "quit", show=True),
        Binding("ctrl+q", "quit", "quit", show=False),
        Binding("ctrl+c", "quit", "quit", show=False),
        key("app", "ctrl+p", "command_palette", "commands", display="^p"),
        key("app", "colon", "jump", "go to a job", display=":"),
        key("app", "exclamation_mark", "messages", "messages in full", display="!"),
        key("app", "T", "change_theme", "theme", display="T"),
        key("app", "R", "redraw", "redraw the screen", display="R"),
    ]

    def __init__(
        self, workspace: Workspace, owner: EngineOwner | None = None, *, read_only: bool = False, locked: bool = False
    ) -> None:  # fmt: skip
        # With NO_COLOR Textual turns colours into greys, unless the terminal's own are asked for: then it sends none.
        if os.environ.get("NO_COLOR") == "":
            del os.environ["NO_COLOR"]  # set to nothing is not set (no-color.org); Textual takes it for set
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.workspace = workspace
        self.owner = owner
        self.read_only, self._locked = read_only, locked
        self.feed = Feed(workspace)
        self.snapshot = Snapshot()
        self.wanted_job: int | None = None
        self.deleted: list[list[int]] = []
        self.exports = workspace.folder / "exports"
        self.said: deque[Message] = deque(maxlen=200)
        self._aside: list[threading.Thread] = []
        self._done_aside: deque[tuple[str, Path | None, str]] = deque()
        self._told: tuple[Snapshot, Ownership] | None = None
        self._last_error: str | None = None
        self._submitted, self._queued_at = False, 0.0
        self._notifier = Notifier()
        self._type_ahead = TypeAhead(self, self._hand)
        self.animation_level = "none"
        closing_fix.apply()
        hangup.apply()
        compositor_fix.apply()
        typed_bytes.apply()

    async def on_event(self, event: events.Event) -> None:
        """Handle keys, pastes and clicks in order, each when the one before is done."""
        if isinstance(event, events.Key | events.MouseEvent):
            self._take_title_back()
        typed = isinstance(event, events.Key | events.Paste)
        amid = isinstance(event, events.MouseEvent) and self._type_ahead.busy
        if (typed or amid) and not event.is_forwarded:
            self._type_ahead.take(event)
        else:
            await super().on_event(event)

    async def _hand(self, event: events.Event) -> None:
        """Pass an event on as Textual does; a page that is too small to be shown takes only keys that leave it."""
        blind = isinstance(self.screen, Page) and self.screen.tiny
        if not (blind and not (isinstance(event, events.Key) and event.key in _LEAVING)):
            await super().on_event(event)

    def on_mount(self) -> None:
        """Show the empty page first, then do everything that takes time."""
        hangup.catch(self)
        self._read_settings()
        self.theme_changed_signal.subscribe(self, lambda _: self._take_theme())
        self._recolour()
        self.call_after_refresh(self._begin)

    def _read_settings(self) -> None:
        path = places.settings_file()
        try:
            found = settings.load_settings(path)
            settings.check(found, path, binding_ids() if found.keys else (), self.available_themes)
        except InputError as error:
            self.say(str(error), "error")
            return
        wanted = (settings.last_theme(path), found.theme)
        self.theme = next((theme for theme in wanted if theme in self.available_themes), self.theme)
        self.set_keymap(dict(found.keys))
        self._notifier.settings = found.notify

    def _take_theme(self) -> None:
        settings.remember_theme(places.settings_file(), self.theme)
        self._recolour()

    def _recolour(self) -> None:
        palette.use(light=not self.current_theme.dark, colours=self._colours())
        for screen in self.screen_stack:
            screen.refresh(layout=True)
            for widget in screen.query("LinePlot, Hints, TabRow"):
                cast("LinePlot | Hints | TabRow", widget).recolour()
        if self._told is not None:
            self.renew()

    def _colours(self) -> palette.Range:
        if self.no_color:
            return "none"
        if self.is_headless:
            return "all"  # a picture has all colours
        few = self.console.color_system in (None, "standard", "windows")
        return "sixteen" if few else "eight_bit" if self.console.color_system == "256" else "all"

    def get_default_screen(self) -> QueuePage:
        """The queue is below all other screens."""
        return QueuePage()

    def _begin(self) -> None:
        if self._locked:
            self.say("this workspace is not writable: read-only view", "warning")
        self.feed.start()
        if self.owner is not None:
            self.owner.start()
        self.set_interval(TICK, self._tick)

    def on_unmount(self) -> None:
        """The feed ends with the screen; the engine is stopped by whoever started the app."""
        self._take_title_back()
        self.feed.stop()

    def finish(self) -> None:
        """After the screen is gone, wait briefly for pending commands and files being saved."""
        end = time.monotonic() + _LAST_MOMENT
        for thread in (self.feed, *self._aside):
            if thread.is_alive():
                thread.join(max(end - time.monotonic(), 0.0))

    @property
    def ownership(self) -> Ownership:
        """Who runs the engine."""
        return Ownership("viewing") if self.owner is None else self.owner.state

    def _tick(self) -> None:
        if not self.is_running:
            return  # its screens are being closed
        self._tell_replies()
        while self.feed.notices:
            self._write(self._notifier.told(self.feed.notices.popleft(), os.environ))
        while self._done_aside:
            self._tell_aside(*self._done_aside.popleft())
        latest = self.feed.latest
        if latest is not None and (
            latest is not self.snapshot or self._told is None or self._told[1] != self.ownership
        ):
            self.snapshot = latest
            self.renew()

    def _write(self, sequence: str) -> None:
        if sequence and self._driver is not None:
            self._driver.write(sequence)

    def _take_title_back(self) -> None:
        """Somebody looks again."""
        self._write(self._notifier.looked_at())

    def renew(self) -> None:
        """Show the newest snapshot on the page on top."""
        self._told = (self.snapshot, self.ownership)
        if self.snapshot.error and self.snapshot.error != self._last_error:
            self.say(self.snapshot.error, "error")
        self._last_error = self.snapshot.error
        page = self.screen
        if isinstance(page, Page) and page.is_mounted and page.query(Header):
            page.query_one(Header).tell(self.workspace.folder, self.ownership, self.snapshot)
            page.present(self.snapshot)

    def ask(self, asked: LabelledCommand) -> None:
        """Send a command to the engine."""
        if self.may_change():
            if isinstance(asked.command, Submit):
                self._submitted, self._queued_at = True, time.monotonic()
            self.feed.ask(asked)

    @property
    def queuing(self) -> bool:
        """Whether a job was queued a moment ago and is not under the cursor yet."""
        return (self._submitted or self.wanted_job is not None) and time.monotonic() < self._queued_at + _QUEUING

    def may_change(self) -> bool:
        """Whether anything may be changed or written from here; says so if not."""
        if self.read_only:
            why = "its folder is not writable" if self._locked else "it was started with --read-only"
            self.refuse(f"this workbench is read-only: {why}")
        return not self.read_only

    def look_at(self, watch: Watch) -> None:
        """Ask the feed to look closely at a job."""
        self.feed.watch(watch)

    def refuse(self, words: str) -> None:
        """Say why a key opens nothing; what was typed ahead for it is dropped."""
        self._type_ahead.forget()
        self.say(words, "warning")

    def say(self, words: str, severity: str = "information") -> None:
        """Show a toast of plain text; the list of messages has the full text."""
        text = one_line(words, 4000)
        self.said.append((time.time(), severity, text))
        shown = text if len(text) <= LONGEST_TOAST else text[:LONGEST_TOAST] + "… (! shows all)"
        self.notify(shown, severity=severity, markup=False)  # type: ignore[arg-type]

    def action_messages(self) -> None:
        """Everything that was said, in full."""
        self.push_screen(Messages(list(self.said)))

    def action_devices(self) -> None:
        """What runs on each slot, and what the machine is doing."""
        if not isinstance(self.screen, DevicesPage):
            self.push_screen(DevicesPage())

    def do_aside(self, what: str, work: Callable[[], Path]) -> None:
        """Write a file in a thread of its own, then say where it is."""
        if not self.may_change():
            return

        def run() -> None:
            try:
                self._done_aside.append((what, work(), ""))
            except (OSError, InputError, subprocess.SubprocessError) as error:
                self._done_aside.append((what, None, one_line(error)))

        thread = threading.Thread(target=run, name=f"saving {what}", daemon=True)
        self._aside.append(thread)
        thread.start()

    def _tell_aside(self, what: str, path: Path | None, error: str) -> None:
        if path is None:
            self.say(f"{what}: {error}", "error")
        elif what == "clipboard":
            self.say(f"copied to the clipboard and to {path} (for tmux: set-clipboard on)")
        else:
            self.say(f"{what} saved: {path}")

    def _tell_replies(self) -> None:
        """Say what became of commands; the cursor goes to a job that was queued."""
        found = []
        while self.feed.replies:
            found.append(self.feed.replies.popleft())
            self._submitted = self._submitted and not isinstance(found[-1].asked.command, Submit)
        for told in replies.told(found):
            self.say(told.words, told.severity)
            if told.queued is not None:
                self.wanted_job, self._told = told.queued, None

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: every key's command, and the themes."""
        for hint in hints_of(screen, hidden=True):
            if hint.action not in ("command_palette", "app.command_palette"):
                about = f"key {hint.keys}" + (f" · {hint.explained}" if hint.explained else "")
                yield SystemCommand(hint.words, about, partial(self.call_later, hint.run, self))

    def action_jump(self) -> None:
        """Go to a job by its number or name, or run a command by its name."""
        from lth_tui.screens.jump import Jump

        if not isinstance(self.screen, Page):
            return

        def chosen(found: "int | Hint | None") -> None:
            if isinstance(found, Hint):
                self.call_later(found.run, self)
            elif found is not None:
                self._go_to(found)

        self.push_screen(Jump(self.screen, self.snapshot.jobs), chosen)

    def _go_to(self, job: int) -> None:
        """Put the cursor of the queue on a job; from a job's page, open that job's page instead."""
        from lth_tui.screens.job import JobPage

        at_a_job = isinstance(self.screen, JobPage)
        while len(self.screen_stack) > 1:
            self.pop_screen()
        queue = cast("QueuePage", self.screen_stack[0])
        queue.go_to(job)
        if at_a_job:
            self.push_screen(JobPage(job))

    def action_command_palette(self) -> None:
        """Find a command by typing."""
        super().action_command_palette()

    def action_change_theme(self) -> None:
        """Choose other colours; they are kept for the next start."""
        super().action_change_theme()

    def action_redraw(self) -> None:
        """Send every cell again."""
        self.screen.refresh(layout=True)

    async def action_quit(self) -> None:
        """Quit; if a workbench's engine is running jobs, ask what to do with them."""
        if isinstance(self.screen, Confirm):
            return
        jobs = [job for job in self.snapshot.jobs if job.state in ("queued", "running")]
        if self.owner is None or not self.owner.owns or not jobs:
            self._leave()
            return
        running = sum(job.trials_running for job in jobs)
        rows = (
            f"{plural(running, 'trial')} running, {plural(len(jobs), 'job')} not finished.",
            "They can keep running without the terminal; lth-tui on this workspace shows them again.",
            "Stopping takes a few seconds: they save a checkpoint and continue from it at the next start.",
        )

        def decided(choice: str | None) -> None:
            if choice == "stop":
                self._stop_and_leave()
            elif choice == "keep":
                self._leave()

        choices = [("k", "keep running", "keep"), ("s", "stop at a checkpoint", "stop"), ("esc", "stay", "stay")]
        self.push_screen(Confirm(rows, choices), decided)

    def _leave(self) -> None:
        """Exit; the engine continues until nothing is left to run."""
        if self.owner is not None:
            self.owner.leave()
        self.exit(0)

    def _stop_and_leave(self) -> None:
        """Stop the engine, then exit."""
        owner = self.owner
        if owner is None:
            return
        self.say("stopping at a checkpoint ...")
        ended = threading.Event()

        def stop() -> None:
            try:
                owner.stop()
            finally:
                ended.set()

        threading.Thread(target=stop, name="stopping", daemon=True).start()
        self.set_interval(0.1, lambda: self.exit(0) if ended.is_set() else None)
