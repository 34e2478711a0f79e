"""The stylesheet of the lab: Textual's, with the looks of a widget's parts kept for every state it was in.

A widget that draws itself in parts (the rows of a list, the lines of a text box) asks for the style of each,
and Textual works all of them out anew whenever the focus comes or goes, which is most of what that costs.
"""

from __future__ import annotations

from collections.abc import Hashable
from weakref import WeakKeyDictionary

from textual.css.styles import RenderStyles
from textual.css.stylesheet import Stylesheet
from textual.dom import DOMNode

Looks = dict[str, RenderStyles]


class LabStylesheet(Stylesheet):
    """A state is the classes of the nodes above with hover, focus and disabled; the order of nodes is not."""

    def __init__(self, *, variables: dict[str, str] | None = None) -> None:
        super().__init__(variables=variables)
        self._looks: WeakKeyDictionary[DOMNode, dict[Hashable, Looks]] = WeakKeyDictionary()

    def parse(self) -> None:
        self._looks.clear()
        super().parse()

    def reparse(self) -> None:
        self._looks.clear()
        super().reparse()

    def _process_component_classes(self, node: DOMNode) -> None:
        if not node._get_component_classes():
            return
        known = self._looks.setdefault(node, {})
        state = tuple((above.classes, above._pseudo_classes_cache_key) for above in node.css_path_nodes)
        looks = known.get(state)
        if looks is None:
            super()._process_component_classes(node)
            known[state] = dict(node._component_styles)
        elif looks != node._component_styles:
            node._component_styles.clear()
            node._component_styles.update(looks)
            node.refresh()
