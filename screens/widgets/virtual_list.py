"""A list of any length: only the rows in sight are fetched and drawn.

Rows come in pages from an asynchronous source; a page that is not there yet shows as dots and is drawn when
it arrives. Opening costs the same for ten rows and for a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.cache import LRUCache
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from lab.safetext import safe_line
from screens.actions import bindings
from screens.formats import clip

PAGE = 200
PAGES_KEPT = 24

_STYLE_NAMES = ("muted", "accent", "good", "warn", "bad", "strong", "cursor", "blurred", "mark")

Row = TypeVar("Row")
Fetch = Callable[[int, int], Awaitable[Sequence[Row]]]


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of a row: its text, its width (None: as long as it is), alignment and the name of its style."""

    text: str
    width: int | None = None
    right: bool = False
    style: str = ""


Draw = Callable[[Row, int], Sequence[Cell]]


class VirtualList(ScrollView, Generic[Row], can_focus=True):
    """Rows from `fetch(offset, limit)`, drawn by `draw(row, width)`, told apart by `key(row)`."""

    BINDINGS = bindings("list")
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"list--{name}" for name in _STYLE_NAMES}
    DEFAULT_CSS = """
    VirtualList {
        scrollbar-size-vertical: 1;
        scrollbar-gutter: stable;
        overflow-x: hidden;
        overflow-y: auto;
        .list--muted { color: $muted; }
        .list--accent { color: $secondary; }
        .list--good { color: $success; }
        .list--warn { color: $warning; }
        .list--bad { color: $error; }
        .list--strong { text-style: bold; }
        .list--mark { color: $primary; text-style: bold; }
        .list--cursor { background: $block-cursor-background; color: $block-cursor-foreground; }
        .list--blurred { background: $block-cursor-blurred-background; color: $foreground; }
    }
    """

    class Moved(Message):
        """The cursor is on another row; `row` is None while its page is on the way, or without rows."""

        def __init__(self, sender: VirtualList[Any], row: Any) -> None:
            super().__init__()
            self.list = sender
            self.row = row

        @property
        def control(self) -> VirtualList[Any]:
            return self.list

    class Opened(Message):
        """Enter (or a double click) on a row."""

        def __init__(self, sender: VirtualList[Any], row: Any) -> None:
            super().__init__()
            self.list = sender
            self.row = row

        @property
        def control(self) -> VirtualList[Any]:
            return self.list

    class SelectionChanged(Message):
        """Rows were selected or unselected."""

        def __init__(self, sender: VirtualList[Any]) -> None:
            super().__init__()
            self.list = sender

        @property
        def control(self) -> VirtualList[Any]:
            return self.list

    def __init__(
        self,
        draw: Draw[Row],
        key: Callable[[Row], Hashable],
        *,
        selectable: bool = False,
        openable: bool = True,
        empty: str = "Nothing here yet.",
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.total = 0
        self.cursor = 0
        self.selected: dict[Hashable, Row] = {}
        self.empty = empty
        self._draw = draw
        self._key = key
        self._selectable = selectable
        self._openable = openable
        self._fetch: Fetch[Row] | None = None
        self._generation = 0
        self._pages: LRUCache[int, Sequence[Row]] = LRUCache(PAGES_KEPT)
        self._stale: LRUCache[int, Sequence[Row]] = LRUCache(PAGES_KEPT)
        self._wanted: set[int] = set()
        self._palette: dict[str, Style] = {}

    # -- data ------------------------------------------------------------------------------------------------

    def show(self, total: int, fetch: Fetch[Row], *, keep_cursor: bool = False) -> None:
        """Show `total` rows of a source; the cursor goes to the first unless it is kept.

        With the cursor kept this is the same list read again: old rows stay in sight until the new ones come.
        """
        self._generation += 1
        self._fetch = fetch
        self._stale = self._pages if keep_cursor else LRUCache(PAGES_KEPT)
        self._pages = LRUCache(PAGES_KEPT)
        self._wanted.clear()
        self.total = total
        self.cursor = min(self.cursor, max(0, total - 1)) if keep_cursor else 0
        self.virtual_size = Size(self._width, max(1, total))
        if not keep_cursor:
            self.scroll_to(y=0, animate=False)
        self.refresh()
        self._announce()

    def show_rows(self, rows: Sequence[Row], *, keep_cursor: bool = False) -> None:
        """Show rows that are at hand."""
        kept = tuple(rows)

        async def fetch(offset: int, limit: int) -> Sequence[Row]:
            return kept[offset : offset + limit]

        self.show(len(kept), fetch, keep_cursor=keep_cursor)
        for page in range(min(PAGES_KEPT, -(-len(kept) // PAGE))):
            self._pages[page] = kept[page * PAGE : (page + 1) * PAGE]
        self._announce()

    def row_at(self, index: int) -> Row | None:
        """The row at `index` if its page is here; asks for the page if it is not."""
        if not 0 <= index < self.total:
            return None
        page, within = divmod(index, PAGE)
        rows = self._pages.get(page)
        if rows is None:
            self._want(page)
            rows = self._stale.get(page, ())
        return rows[within] if within < len(rows) else None

    @property
    def current(self) -> Row | None:
        return self.row_at(self.cursor)

    def _want(self, page: int) -> None:
        if page in self._wanted or self._fetch is None:
            return
        self._wanted.add(page)
        self.app.run_worker(
            self._load(page, self._fetch, self._generation), name="page of a list", exit_on_error=False
        )

    async def _load(self, page: int, fetch: Fetch[Row], generation: int) -> None:
        rows = await fetch(page * PAGE, PAGE)
        if generation != self._generation:
            return
        self._wanted.discard(page)
        self._pages[page] = rows
        self.refresh()
        if self.cursor // PAGE == page:
            self._announce()

    def _announce(self) -> None:
        self.post_message(self.Moved(self, self.current))

    # -- selection -------------------------------------------------------------------------------------------

    def select(self, rows: Sequence[Row]) -> None:
        self.selected.update((self._key(row), row) for row in rows)
        self._selection_changed()

    def unselect_all(self) -> None:
        self.selected.clear()
        self._selection_changed()

    def action_select(self) -> None:
        row = self.current
        if not self._selectable or row is None:
            return
        key = self._key(row)
        if self.selected.pop(key, None) is None:
            self.selected[key] = row
        self._selection_changed()
        self.move_to(self.cursor + 1)

    def _selection_changed(self) -> None:
        self.refresh()
        self.post_message(self.SelectionChanged(self))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What this list does not do is no key of it."""
        if action == "select":
            return self._selectable
        return self._openable if action == "open" else True

    # -- moving ----------------------------------------------------------------------------------------------

    def move_to(self, index: int) -> None:
        """Put the cursor on a row (clamped) and bring it into sight."""
        index = max(0, min(index, self.total - 1))
        if index == self.cursor:
            return
        for y in (self.cursor, index):
            self.refresh_lines(y)
        self.cursor = index
        self.scroll_to_region(Region(0, index, 1, 1), animate=False, force=True, x_axis=False)
        self._announce()

    def action_down(self) -> None:
        self.move_to(self.cursor + 1)

    def action_up(self) -> None:
        self.move_to(self.cursor - 1)

    def action_page_down(self) -> None:
        self.move_to(self.cursor + max(1, self.size.height - 1))

    def action_page_up(self) -> None:
        self.move_to(self.cursor - max(1, self.size.height - 1))

    def action_first(self) -> None:
        self.move_to(0)

    def action_last(self) -> None:
        self.move_to(self.total - 1)

    def action_open(self) -> None:
        if self.current is not None:
            self.post_message(self.Opened(self, self.current))

    def on_click(self, event: events.Click) -> None:
        offset = event.get_content_offset(self)
        if offset is None:
            return
        index = offset.y + self.scroll_offset.y
        if index >= self.total:
            return
        self.move_to(index)
        if self._selectable and offset.x < 2:
            self.action_select()
        elif event.chain == 2:
            self.action_open()

    # -- drawing ---------------------------------------------------------------------------------------------

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._palette.clear()

    def on_focus(self) -> None:
        self.refresh_lines(self.cursor)

    def on_blur(self) -> None:
        self.refresh_lines(self.cursor)

    def on_resize(self) -> None:
        self.virtual_size = Size(self._width, max(1, self.total))

    def render_line(self, y: int) -> Strip:
        index = y + self.scroll_offset.y
        width = self._width
        base = self.rich_style
        if index >= self.total:
            text = self.empty if not self.total and y == 0 else ""
            return Strip([Segment(clip(text, width), self._style("muted"))]).extend_cell_length(width, base)
        row = self.row_at(index)
        cells = (Cell("…", style="muted"),) if row is None else self._draw(row, width - 2)
        segments = [self._mark(row), *(self._segment(cell) for cell in cells)]
        strip = Strip(segments).crop_extend(0, width, base)
        if index == self.cursor:
            strip = Strip([Segment(strip.text, self._style("cursor" if self.has_focus else "blurred"))])
        return strip

    @property
    def _width(self) -> int:
        """The cells of a row: the scrollbar has a column of its own."""
        return max(1, self.scrollable_content_region.width)

    def _mark(self, row: Row | None) -> Segment:
        chosen = row is not None and self._key(row) in self.selected
        return Segment("● " if chosen else "  ", self._style("mark"))

    def _segment(self, cell: Cell) -> Segment:
        text = safe_line(cell.text)
        if cell.width is not None:
            text = _fit(clip(text, cell.width), cell.width, right=cell.right)
        return Segment(text, self._style(cell.style))

    def _style(self, name: str) -> Style:
        if name not in self._palette:
            self._palette[name] = self.get_component_rich_style(f"list--{name}") if name else self.rich_style
        return self._palette[name]


def _fit(text: str, width: int, right: bool) -> str:
    from rich.cells import cell_len

    blank = " " * (width - cell_len(text))
    return blank + text if right else text + blank
