"""A probe as a page for an editor, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import LabError
from lab.probes import edited, make
from lab.probes.page import as_page, from_page

WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)
PROMPTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=80).filter(str.strip)


@given(WORDS, st.lists(WORDS, max_size=4), PROMPTS)
def test_a_page_reads_back_as_the_probe_it_was(domain: str, subjects: list[str], prompt: str) -> None:
    probe = make(
        {"id": "P", "domain": domain, "subjects": subjects, "prompt": prompt}, battery="b", origin="user"
    )
    assert edited(probe, **from_page(as_page(probe))).sha256 == probe.sha256


def test_the_prompt_may_hold_what_looks_like_a_head() -> None:
    fields = from_page("domain: Travel\n\nsubjects: last train,  platform ,\n---\n---\ndomain: x\n")
    assert fields == {
        "domain": "Travel",
        "subjects": ["last train", "platform"],
        "prompt": "---\ndomain: x",
    }


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("domain: a\nprompt: b\n---\nc", "line 2: expected domain or subjects"),
        ("domain a\n---\nc", "line 1"),
        ("domain: a\n", "the line --- before the prompt is missing"),
    ],
)
def test_a_page_that_is_none_is_told_by_its_line(page: str, said: str) -> None:
    with pytest.raises(LabError, match=said):
        from_page(page)
