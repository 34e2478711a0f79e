"""The BLAS that MLX gets, seen in processes of their own, as it is chosen before MLX is imported."""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import os
import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from lab.blas import _processor_flags, core_to_name

REPORT = """
import json, sys
{before}
from lab.models.runtime import backend_name, measure_gflops
import numpy
report = measure_gflops()
a = numpy.ones((300, 300)) @ numpy.ones((300, 300))
print(json.dumps({{"name": report.name, "path": report.path, "note": report.note, "correct": report.correct,
    "gflops": report.gflops, "bundled": report.bundled, "backend": backend_name(), "numpy": float(a.sum())}}))
"""
linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux wheels lack a BLAS")


def report(before: str = "", **environment: str) -> dict:
    kept = {key: value for key, value in os.environ.items() if key != "LANTERN_BLAS"}
    run = subprocess.run(
        [sys.executable, "-c", REPORT.format(before=before)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(run.stdout)


def openblas() -> bool:
    try:
        ctypes.CDLL("libopenblas.so.0")
    except OSError:
        return False
    return True


@linux_only
def test_bundled_keeps_the_wheels_own():
    seen = report(LANTERN_BLAS="bundled")
    assert (seen["bundled"], seen["backend"], seen["correct"]) == (True, "cpu bundled blas", True)
    assert seen["numpy"] == 300**3


@linux_only
@pytest.mark.skipif(not openblas(), reason="no system OpenBLAS here")
def test_a_system_openblas_is_found_used_and_right():
    bundled, found = report(LANTERN_BLAS="bundled"), report()
    assert found["name"].startswith("openblas ")
    assert found["backend"] == f"cpu {found['name']}"
    assert Path(found["path"]).is_file()
    assert (found["correct"], found["numpy"]) == (True, 300**3)
    assert found["gflops"] > 2 * bundled["gflops"]


@linux_only
def test_mlx_imported_too_early_is_said():
    seen = report(before="import mlx.core")
    assert seen["bundled"]
    assert "imported before" in seen["note"]


@linux_only
@pytest.mark.parametrize(
    ("library", "why"),
    [("/no/such/lib.so", "cannot open"), ("libm.so.6", "no cblas_sgemm")],
)
def test_a_library_that_is_no_blas_is_refused_and_named(library, why):
    seen = report(LANTERN_BLAS=library)
    assert seen["bundled"]
    assert library in seen["note"]
    assert why in seen["note"]
    assert seen["correct"]


@linux_only
@pytest.mark.skipif(not (Path(sysconfig.get_config_var("LIBDIR") or "/")).exists(), reason="no compiler")
def test_a_wrong_blas_is_refused(tmp_path):
    compiler = next((c for c in ("cc", "gcc", "clang") if _which(c)), None)
    if compiler is None:
        pytest.skip("no C compiler here")
    source = tmp_path / "wrong.c"
    source.write_text("void cblas_sgemm(void) {}")
    library = tmp_path / "libwrong.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    seen = report(LANTERN_BLAS=str(library))
    assert seen["bundled"]
    assert "came out wrong" in seen["note"]


def _which(name: str) -> str | None:
    import shutil

    return shutil.which(name)


@linux_only
@pytest.mark.skipif(not openblas(), reason="no system OpenBLAS here")
def test_one_thread_is_for_as_long_as_anybody_asks():
    code = """
import ctypes
from lab.blas import preload, single_threaded, usual_threads
preload()
from pathlib import Path
import numpy
(own,) = (Path(numpy.__file__).parent.parent / "numpy.libs").glob("libscipy_openblas64_*")
numpys = ctypes.CDLL(str(own)).scipy_openblas_get_num_threads64_
mlxs = ctypes.CDLL("libopenblas.so.0").openblas_get_num_threads
threads = lambda: (mlxs(), numpys())
before = threads()
assert 1 not in before, before
first, second = single_threaded(), single_threaded()
first.__enter__(); second.__enter__(); first.__exit__(None, None, None)
assert threads() == (1, 1)
with usual_threads():
    assert threads() == before
assert threads() == (1, 1)
second.__exit__(None, None, None)
assert threads() == before, (threads(), before)
"""
    environment = {key: value for key, value in os.environ.items() if key != "LANTERN_BLAS"}
    subprocess.run(
        [sys.executable, "-c", code], env={**environment, "OPENBLAS_NUM_THREADS": "3"}, check=True, timeout=60
    )


def test_kernels_for_small_matrices_go_by_the_core_that_openblas_names(monkeypatch):
    from lab import blas

    for core, expected in (("skylakex", True), ("cooperlake", True), ("haswell", False), ("", False)):
        monkeypatch.setattr(blas, "_numpys", lambda: [None])
        monkeypatch.setattr(blas, "_core", lambda _, core=core: core)
        assert blas.reads_small_matrices_in_place.__wrapped__() is expected


@linux_only
def test_numpys_openblas_names_its_core():
    from lab import blas

    assert [blas._core(library) for library in blas._numpys()] != [""]


AVX512 = ("avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", "avx2", "fma")


@pytest.mark.parametrize(
    ("chosen", "flags", "named"),
    [
        ("prescott", AVX512, "SkylakeX"),
        ("prescott", ("sse2", "avx2", "fma"), "Haswell"),
        ("nehalem", AVX512[1:], "Haswell"),
        ("prescott", ("sse2", "avx"), None),
        ("haswell", AVX512, None),
        ("zen", AVX512, None),
        ("neoversen1", (), None),
        ("", AVX512, None),
    ],
)
def test_a_core_is_named_only_to_an_openblas_that_does_not_know_the_processor(chosen, flags, named):
    assert core_to_name(chosen, flags) == named


@linux_only
@pytest.mark.skipif(platform.machine() != "x86_64" or not openblas(), reason="no OpenBLAS for x86 here")
def test_an_openblas_runs_the_kernels_this_processor_can_unless_told():
    core = "from lab import blas; print(blas._core(blas._process()[1]), os.environ.get('OPENBLAS_CORETYPE'))"

    def said(before: str) -> list[str]:
        command = [sys.executable, "-c", f"import os; {before}; {core}"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()

    chosen, left = said("os.environ.pop('OPENBLAS_CORETYPE', None)")
    assert core_to_name(chosen, _processor_flags()) is None
    assert left == "None"
    assert said("os.environ['OPENBLAS_CORETYPE'] = 'Prescott'") == ["prescott", "Prescott"]
