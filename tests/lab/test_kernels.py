"""Kernels are raw text: hashed by their bytes, never parsed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lab.errors import LabError
from lab.kernels import Kernel, load, shipped
from lab.seeds import SEEDS


def test_shipped_kernels_are_their_files_byte_for_byte() -> None:
    assert {kernel.name for kernel in shipped()} >= {"lantern.txt", "lantern.json"}
    for kernel in shipped():
        data = (SEEDS / "kernels" / kernel.name).read_bytes()
        assert kernel.text.encode() == data
        assert kernel.sha256 == hashlib.sha256(data).hexdigest()


def test_short_names_mean_the_prose_kernel() -> None:
    assert load("lantern") == load("lantern.txt")
    assert load("lantern.json").text.startswith("{")


def test_a_file_is_kept_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    data = b'\xef\xbb\xbf{"axiom": 1,\r\n "axiom": 2}\r\n'
    path.write_bytes(data)
    kernel = load(path)
    assert kernel.name == "published.json"
    assert kernel.text.encode() == data
    assert kernel.sha256 == hashlib.sha256(data).hexdigest()


def test_a_path_with_a_folder_wins_over_a_shipped_name(tmp_path: Path) -> None:
    (tmp_path / "lantern.txt").write_text("mine")
    assert load(tmp_path / "lantern.txt").text == "mine"


def test_a_kernel_of_text_in_hand_has_the_hash_of_its_utf8() -> None:
    assert Kernel.of("k", "Grüß").sha256 == hashlib.sha256("Grüß".encode()).hexdigest()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b" \n", "the kernel is empty"),
        (b"ok \xff", "not UTF-8 at byte 3"),
        (b"x" * (2**20 + 1), "larger than 1 MiB"),
    ],
)
def test_unusable_files_are_refused(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "k.txt").write_bytes(data)
    with pytest.raises(LabError, match=said):
        load(tmp_path / "k.txt")


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LabError, match=r"no kernel 'lanterm'.*lantern\.txt"):
        load("lanterm")
