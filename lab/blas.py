"""A real BLAS for MLX on a Linux CPU.

The `mlx[cpu]` wheel bundles the reference BLAS (about 5 GFLOP/s). Its symbols are looked up globally first:
a real BLAS that is loaded with `RTLD_GLOBAL` *before* `mlx.core` is imported takes over every product. This
module looks for one (`LANTERN_BLAS`, a system OpenBLAS, MKL from PyPI), tries it on a small product, and
only then makes it global. Without one, or anywhere but on Linux, nothing changes. The OpenBLAS that NumPy
brings has prefixed symbols and is not touched.

`LANTERN_BLAS=bundled` keeps the wheel's own; any other value is the path or soname of a library to load.
"""

from __future__ import annotations

import _ctypes
import ctypes
import os
import re
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

BUNDLED = "bundled"
OPENBLAS = ("libopenblas.so.0", "libopenblasp.so.0", "libopenblaso.so.0", "libopenblas.so")
MKL = ("libmkl_rt.so.2", "libmkl_rt.so.3", "libmkl_rt.so")

CORE_VARIABLE = "OPENBLAS_CORETYPE"
CORES_WITH_AVX2 = ("haswell", "zen", "excavator", "skylakex", "cooperlake", "sapphirerapids")
"""As OpenBLAS calls the processors that it has kernels for."""

CORES_WITH_SMALL_KERNELS = ("skylakex", "cooperlake", "sapphirerapids")

_MARKS = (("", ""), ("scipy_", "64_"), ("scipy_", ""))
"""What is put before and behind an OpenBLAS's names: nothing, or what NumPy's wheel marks its own with."""

_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE = 101, 111, 112


@dataclass(frozen=True, slots=True)
class BlasReport:
    """Which BLAS MLX uses and why; `gflops` and `correct` are None until measured."""

    name: str
    path: str | None
    note: str
    gflops: float | None = None
    correct: bool | None = None

    @property
    def bundled(self) -> bool:
        """Whether MLX is left with what it brings along."""
        return self.path is None


class _Threads:
    """The numbers of threads of some OpenBLAS libraries, lowered to one while somebody asks for that."""

    def __init__(self, libraries: Sequence[ctypes.CDLL]) -> None:
        self._knobs = [knob for library in libraries if (knob := _thread_knob(library)) is not None]
        self._askers = 0
        self._before: list[int] = []

    @contextmanager
    def one(self) -> Iterator[None]:
        if self._askers == 0:
            self._before = [get() for get, _ in self._knobs]
            self._set([1] * len(self._knobs))
        self._askers += 1
        try:
            yield
        finally:
            self._askers -= 1
            if self._askers == 0:
                self._set(self._before)

    @contextmanager
    def usual(self) -> Iterator[None]:
        if self._askers == 0:
            yield
            return
        self._set(self._before)
        try:
            yield
        finally:
            self._set([1] * len(self._knobs))

    def _set(self, numbers: Sequence[int]) -> None:
        for (_, put), threads in zip(self._knobs, numbers, strict=True):
            put(threads)


def _thread_knob(library: ctypes.CDLL) -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """How to ask and set an OpenBLAS's number of threads."""
    for prefix, suffix in _MARKS:
        try:
            return (
                library[f"{prefix}openblas_get_num_threads{suffix}"],
                library[f"{prefix}openblas_set_num_threads{suffix}"],
            )
        except AttributeError:
            continue
    return None


def _numpys() -> list[ctypes.CDLL]:
    """The OpenBLAS that NumPy's wheel brings along."""
    import numpy as np

    folder = Path(np.__file__).parent.parent / "numpy.libs"
    return [ctypes.CDLL(str(path)) for path in folder.glob("libscipy_openblas*")]


@cache
def _process() -> tuple[BlasReport, ctypes.CDLL | None]:
    """The choice, made once for the process."""
    return _choose()


@cache
def _threads() -> _Threads:
    library = _process()[1]
    return _Threads([*([] if library is None else [library]), *_numpys()])


def preload() -> BlasReport:
    """Give MLX a real BLAS if there is one; to be called before mlx is imported. Acts once a process."""
    return _process()[0]


def kernels() -> str | None:
    """The processor whose kernels the BLAS in use has chosen; None where it does not say."""
    library = _process()[1]
    return None if library is None else _core(library) or None


def single_threaded() -> AbstractContextManager[None]:
    """Products, NumPy's too, run on one thread inside, where the BLAS is an OpenBLAS. Uses may overlap.

    A product of some hundred microseconds gains nothing from a second thread, and loses much where another
    process keeps that core busy: every product then waits for its slower half.
    """
    return _threads().one()


def usual_threads() -> AbstractContextManager[None]:
    """Inside, products run on as many threads as if nobody had asked for one: to measure a peer with."""
    return _threads().usual()


@cache
def reads_small_matrices_in_place() -> bool:
    """Whether NumPy's OpenBLAS has kernels for small matrices that do not pack them first: with AVX-512."""
    return any(_core(library) in CORES_WITH_SMALL_KERNELS for library in _numpys())


def _core(library: ctypes.CDLL) -> str:
    """What an OpenBLAS calls the processor it has chosen its kernels for, in lower case; "" for others."""
    for prefix, suffix in _MARKS:
        try:
            name = library[f"{prefix}openblas_get_corename{suffix}"]
        except AttributeError:
            continue
        name.restype = ctypes.c_char_p
        return (name() or b"").decode("ascii", "replace").lower()
    return ""


def verify_and_measure(size: int = 512, repeats: int = 4) -> BlasReport:
    """The report with the speed of a `size`³ float32 product and whether one agrees with NumPy's float64."""
    report = preload()
    import mlx.core as mx
    import numpy as np

    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal((size, size), dtype=np.float32) for _ in range(2))
    left, right = mx.array(a), mx.array(b)
    product = left @ right
    mx.eval(product)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    correct = bool(np.abs(np.asarray(product) - expected).max() < 1e-6 * size)
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        mx.eval(left @ right)
        seconds.append(time.perf_counter() - began)
    return replace(report, gflops=2 * size**3 / min(seconds) / 1e9, correct=correct)


def _choose() -> tuple[BlasReport, ctypes.CDLL | None]:
    wanted = os.environ.get("LANTERN_BLAS", "").strip()
    if not sys.platform.startswith("linux"):
        return _bundled("MLX brings its own BLAS on this platform")
    if wanted == BUNDLED:
        return _bundled("LANTERN_BLAS=bundled")
    if "mlx.core" in sys.modules:
        return _bundled("mlx was imported before a BLAS could be loaded")
    refusals = []
    for candidate in [wanted] if wanted else _candidates():
        try:
            return _load(candidate)
        except (OSError, ValueError) as error:
            refusals.append(f"{candidate}: {error}")
    return _bundled("; ".join(refusals) if wanted else "no OpenBLAS or MKL was found")


def _bundled(note: str) -> tuple[BlasReport, None]:
    return BlasReport(BUNDLED, None, note), None


def _candidates() -> Iterator[str]:
    yield from OPENBLAS
    for name in MKL:
        # `pip install mkl` puts its libraries beside the interpreter's, where the linker does not look.
        for folder in (Path(sys.prefix) / "lib", Path.home() / ".local" / "lib"):
            if (folder / name).is_file():
                yield str(folder / name)
    yield from MKL


def _load(candidate: str) -> tuple[BlasReport, ctypes.CDLL]:
    """Make `candidate` global. Raises OSError or ValueError when it is not there or no 32-bit-index BLAS."""
    if "mkl" in Path(candidate).name:
        # The threading layer must be settled before MKL is first used; only this one needs nothing else.
        os.environ.setdefault("MKL_THREADING_LAYER", "GNU" if _has("libgomp.so.1") else "SEQUENTIAL")
    library = ctypes.CDLL(candidate, mode=os.RTLD_LOCAL | os.RTLD_NOW)
    note = ""
    if (core := core_to_name(_core(library), _processor_flags())) and CORE_VARIABLE not in os.environ:
        library = _with_kernels_of(core, library, candidate)
        note = f", with its kernels for {core}: it does not know this newer processor"
    _try_product(library)
    path = _path_of(candidate)
    ctypes.CDLL(candidate, mode=os.RTLD_GLOBAL | os.RTLD_NOW)
    return BlasReport(_name(library, candidate), path, f"loaded {path} before mlx{note}"), library


def core_to_name(chosen: str, flags: Collection[str]) -> str | None:
    """The core whose kernels an OpenBLAS should use instead of those of `chosen`; None where that is well.

    An OpenBLAS that is older than the processor takes the kernels of the Pentium 4, which have neither AVX
    nor FMA: Debian 12's does 15 GFLOP/s so where it could do 100.
    """
    if not chosen or chosen in CORES_WITH_AVX2:
        return None
    if {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"} <= set(flags):
        return "SkylakeX"
    return "Haswell" if {"avx2", "fma"} <= set(flags) else None


def _processor_flags() -> Collection[str]:
    """What the first processor can do, as Linux names it on an x86."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("flags"):
            return line.partition(":")[2].split()
    return ()


def _with_kernels_of(core: str, library: ctypes.CDLL, candidate: str) -> ctypes.CDLL:
    """Load an OpenBLAS once more: it chooses its kernels when it is loaded."""
    _ctypes.dlclose(library._handle)
    os.environ[CORE_VARIABLE] = core
    try:
        return ctypes.CDLL(candidate, mode=os.RTLD_LOCAL | os.RTLD_NOW)
    finally:
        # Others, such as NumPy's own, may know better.
        del os.environ[CORE_VARIABLE]


def _has(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _try_product(library: ctypes.CDLL) -> None:
    """Multiply `[[1, 2], [3, 4]]` by the transpose of `[[5, 6], [7, 8]]`, as MLX would."""
    if "USE64BITINT" in _openblas_config(library):
        raise ValueError("its indices have 64 bits; MLX needs 32")
    try:
        sgemm = library.cblas_sgemm
    except AttributeError:
        raise ValueError("it has no cblas_sgemm") from None
    floats = ctypes.c_float * 4
    a, b, c = floats(1, 2, 3, 4), floats(5, 6, 7, 8), floats()
    one, zero = ctypes.c_float(1), ctypes.c_float(0)
    sgemm(_ROW_MAJOR, _NO_TRANSPOSE, _TRANSPOSE, 2, 2, 2, one, a, 2, b, 2, zero, c, 2)
    if list(c) != [17.0, 23.0, 39.0, 53.0]:
        raise ValueError(f"a product came out wrong: {list(c)}")


def _openblas_config(library: ctypes.CDLL) -> str:
    try:
        get_config = library.openblas_get_config
    except AttributeError:
        return ""
    get_config.restype = ctypes.c_char_p
    return (get_config() or b"").decode("ascii", "replace")


def _name(library: ctypes.CDLL, candidate: str) -> str:
    if version := re.search(r"OpenBLAS (\S+)", _openblas_config(library)):
        return f"openblas {version[1]}"
    if "mkl" in Path(candidate).name:
        buffer = ctypes.create_string_buffer(200)
        library.mkl_get_version_string(buffer, len(buffer))
        told = re.search(r"Version (\S+)", buffer.value.decode("ascii", "replace"))
        return f"mkl {told[1]}" if told else "mkl"
    return Path(candidate).name


def _path_of(candidate: str) -> str:
    """Where the loader found it: /proc knows the file behind a soname."""
    name = Path(candidate).name.split(".so")[0]
    for line in Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines():
        path = line.split(maxsplit=5)[-1]
        if Path(path).name.startswith(name):
            return path
    return candidate
