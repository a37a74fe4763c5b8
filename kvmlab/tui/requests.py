"""What a key asks of the screen itself: another pane, the whole room, a question, a copy, the prompt."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from textual.app import SuspendNotSupported

from kvmlab.render.cells import Cell, line
from kvmlab.tui.arrange import LESSON
from kvmlab.tui.ask import Ask
from kvmlab.tui.candidates import Candidates
from kvmlab.tui.help import START, Help
from kvmlab.tui.jump import Jump
from kvmlab.tui.keys import LEAVE
from kvmlab.tui.stage import Stage

if TYPE_CHECKING:
    from kvmlab.tui.exploring import Exploration

EXPLORE = "explore"
"""The command that opens a screen of its own."""


class Requests(Stage):
    """The actions of the keys in keys.py, and those of the menu."""

    _explored: Exploration | None = None
    """The last search, as long as what it found can be opened."""

    def action_pane(self, name: str) -> None:
        """Show a pane, and give it the focus."""
        self.chosen = [name, *[other for other in self.chosen if other != name]]
        self.log_alone = False
        self.arrange()
        # At once: the next key may be there already.
        self.screen_stack[0].set_focus(self.panes[name])

    def action_command(self) -> None:
        """Give the command line the focus, at once: the next key may be there already."""
        self.screen_stack[0].set_focus(self.command_line)

    def action_course(self) -> None:
        """List the labs and the scenarios, and open the one that is chosen."""
        if self.live is not None:
            return
        from kvmlab.tui.catalogue import catalogue  # the course, which the first frame does not wait for
        from kvmlab.tui.library import Library

        lesson = self.driver.now.lab
        self.push_screen(Library(catalogue(), lesson.lab.id if lesson else ""), self._opened)

    def _opened(self, text: str | None) -> None:
        if text is not None:
            self.enter_all([text])

    def action_lab(self) -> None:
        """Go to the text of the lab, from there to its goals, and from there back to the command line."""
        if self.driver.now.lab is None:
            return
        turn = [*LESSON, ""]
        here = self.pane.spec.name if self.pane else ""
        to = turn[(turn.index(here if here in LESSON else "") + 1) % len(turn)]
        if to:
            self.action_pane(to)
            return
        # Where there is room for one pane the machine's comes back.
        self.chosen.sort(key=lambda name: name in LESSON)
        self.arrange()
        self.action_command()

    def action_page(self, by: int) -> None:
        """Scroll by pages what is in sight of these: the list of candidates, the text of the lab, the log."""
        listed = self.screen_stack[0].query_one(Candidates)
        if listed.display:
            listed.page(by)
            return
        lab = self.panes.get("lab")
        text = lab if lab is not None and lab.display else self.log_pane
        text.scroll_relative(y=by * max(1, text.size.height - 1), animate=False, force=True)

    def action_explain(self) -> None:
        """Explain the pane that has the focus."""
        self.push_screen(Help(self.pane.spec if self.pane else None, self.keymap), self._explained)

    def _explained(self, first_round: bool | None) -> None:
        if first_round:
            self.command_line.focus()
            self.command_line.take([text for text, _what in START])

    def action_jump(self) -> None:
        """Show a letter on everything that can have the focus, and go to the one that is typed."""
        targets = [(widget.id or "", widget.region) for widget in self.screen.focus_chain]
        self.push_screen(Jump(targets), self._jumped)

    def _jumped(self, name: str | None) -> None:
        if name:
            self.screen.query_one(f"#{name}").focus()

    def action_maximise(self) -> None:
        """Give the log or the pane that has the focus, or was chosen last, all the room, or take it back."""
        self.whole = not self.whole
        self.log_alone = self.whole and self.log_pane.has_focus
        pane = self.pane or next((pane for pane in self.panes.values() if pane.display), None)
        if self.whole and pane is not None:
            self.chosen = [pane.spec.name, *[name for name in self.chosen if name != pane.spec.name]]
        self.arrange()

    def action_arrangement(self, name: str) -> None:
        """Use the layout of a name where the screen has room for it."""
        self.layout_name = name
        self.arrange()

    def action_explore(self) -> None:
        """Search every schedule of what stands ready, or show again what the last search found."""
        if self.driver.occupied():
            return
        from kvmlab.tui.explorer import Explorer  # 20 ms that the first frame does not wait for
        from kvmlab.tui.exploring import Exploration

        self.driver.hear(EXPLORE)
        if self._explored is None or not self._explored.still_holds():
            self._explored = Exploration(self.driver.session)
        if self._explored.why_not:
            self.log_pane.say([line(Cell(f"explore: {self._explored.why_not}", "warning"))])
            self._explored = None
        else:
            self.push_screen(Explorer(self._explored.hunt, self._lead, self._hunted))

    def _hunted(self) -> None:
        if self._explored is not None:
            self.log_pane.say(list(self._explored.ended(partial(self.driver.keep, EXPLORE))))

    def _lead(self, steps: list[str]) -> None:
        if self._explored is not None:
            self.action_say("; ".join(self._explored.commands(steps)))

    def action_vcpu(self) -> None:
        """Choose the next vCPU."""
        count = len(self.driver.now.snapshot.lapics or ()) or 1
        self.vcpu = (self.vcpu + 1) % count
        self.show()

    def action_filter(self) -> None:
        """Ask which tracepoints are to be shown."""
        self.push_screen(Ask("Show tracepoints that contain", self.wanted), self._filtered)

    def _filtered(self, text: str | None) -> None:
        if text is not None:
            self.wanted = text
            self.show()

    def action_until(self) -> None:
        """Ask what is to hold, and go on until it does: by a step in manual, else forward or running."""
        from kvmlab.tui.until import onward  # the language, which the first frame does not wait for

        pane = self.pane
        context = pane.key if pane is not None and pane.spec.subject == "context" else ""
        command = onward(self.driver.now, context)
        if not command:
            why = "no context can move: 'contexts' says why"
            self.log_pane.say([line(Cell(f"until: {why}", "warning"))])
            return
        question = f"{command} until this holds (ioapic.11.irr == 1)"
        self.push_screen(Ask(question, check=self._expression), partial(self._until, command))

    def _expression(self, text: str) -> None:
        from kvmlab.language.expressions import parse_expression  # as above

        parse_expression(text, self.driver.session.scope)

    def _until(self, command: str, text: str | None) -> None:
        if text and text.strip():
            self.begin(partial(self.driver.run_until, text, command))
            self.show()

    def action_unit(self) -> None:
        """Ask for a place in the history."""
        self.push_screen(
            Ask("Go to unit or mark"), lambda text: self.action_say(f"goto {text}") if text else None
        )

    def action_pause(self) -> None:
        """Pause what is under way, or let it go on."""
        if self.driver.running is not None:
            self.driver.running.paused = not self.driver.running.paused
            self._bars()

    def action_stop(self) -> None:
        """End what is under way where it is."""
        self.driver.stop()
        self.show()

    async def action_quit(self) -> None:
        """End the program; of what is under way, what was done is kept."""
        if self.ready:
            self.driver.stop()
        self.exit()

    def action_save(self) -> None:
        """Ask for a file, and save the session as a script."""
        self.push_screen(Ask("Save the session as", "session.kvm"), self._saved)

    def _saved(self, path: str | None) -> None:
        if path:
            self.action_say(f'save "{path}"')

    def action_picture(self) -> None:
        """Ask for a file, and save what stands on the screen as a picture."""
        self.push_screen(Ask("Save a picture of the screen as", "kvmlab.svg"), self._pictured)

    def _pictured(self, path: str | None) -> None:
        if path:
            self.call_after_refresh(self._draw_into, path)

    def _draw_into(self, path: str) -> None:
        try:
            with Path(path).open("x", encoding="utf-8") as file:
                file.write(self.export_screenshot())
            said = Cell(f"saved the screen to {path}", "muted")
        except FileExistsError:
            said = Cell(f"{path} exists and is left as it is; give another name", "warning")
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            said = Cell(f"{path} cannot be written: {why}", "warning")
        self.log_pane.say([line(said)])

    def action_help_quit(self) -> None:
        """Answer Ctrl+C where nothing is selected: stop what is under way, else say how to leave."""
        if self.ready and self.driver.running is not None:
            self.action_stop()
        else:
            leave = f"{self._shown(LEAVE)} ends kvmlab; Ctrl+C copies text that is selected"
            self.log_pane.say([line(Cell(leave, "muted"))])

    def action_copy_command(self) -> None:
        """Copy the command of the unit under the cursor, where there is none the last command."""
        units = {str(number): text for number, text in self.driver.now.units}
        last = self.driver.session.texts[-1:]
        text = units.get(self.here().values.get("unit", ""), *last or [""])
        if text:
            self.copy_to_clipboard(f"{text}\n")
        said = f"copied: {text}" if text else "there is no command to copy yet"
        self.log_pane.say([line(Cell(said, "muted"))])

    def action_copy_pane(self) -> None:
        """Copy the text of the pane."""
        shown = self.lines
        if shown is not None:
            self.copy_to_clipboard("\n".join(shown.texts) + "\n")
            self.log_pane.say([line(Cell(f"copied the pane {shown.id}", "muted"))])

    def action_prompt(self) -> None:
        """Leave the screen for the prompt on the same session, until that ends."""
        if self.repl is None or self.driver.occupied():
            return
        try:
            with self.suspend():
                # The prompt runs an event loop of its own, which this thread already has.
                thread = Thread(target=self.repl, args=(self.driver.session,))
                thread.start()
                thread.join()
        except SuspendNotSupported:
            self.log_pane.say([line(Cell("this terminal cannot be left for the prompt", "warning"))])
        self.show()
