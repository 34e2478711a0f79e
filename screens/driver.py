"""The terminal's input as Textual reads it, but with Escape answered at once.

A lone Escape is told from the first byte of a sequence by the silence after it. Textual listens for that in
steps of 100 ms, so that Escape takes 100 to 200 ms on every terminal without the kitty keyboard protocol.
"""

from __future__ import annotations

import os
from codecs import getincrementaldecoder
from selectors import EVENT_READ, SelectSelector

from textual import constants
from textual._xterm_parser import XTermParser
from textual.drivers.linux_driver import LinuxDriver

POLL_S = 0.1
MARGIN_S = 0.001


class LabDriver(LinuxDriver):
    """Textual's driver with an input loop that waits no longer for the rest of a sequence than it must."""

    def run_input_thread(self) -> None:
        """Read keys until the app leaves; after each read, listen for `ESCAPE_DELAY` and then settle it."""
        parser = XTermParser(self._debug)
        decode = getincrementaldecoder("utf-8")().decode
        settled = True
        with SelectSelector() as selector:
            selector.register(self.fileno, EVENT_READ)
            while not self.exit_event.is_set():
                readable = selector.select(POLL_S if settled else constants.ESCAPE_DELAY + MARGIN_S)
                if readable:
                    data = os.read(self.fileno, 4096)
                    if not data:
                        break
                    if text := decode(data):
                        for message in parser.feed(text):
                            self.process_message(message)
                for message in parser.tick():
                    self.process_message(message)
                settled = not readable
