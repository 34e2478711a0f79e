"""The gauges of a run: progress, the controller, entropy, preference, hardware. Pure drawing."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from textual.content import Content

from lab.preference.settings import read_words
from lab.safetext import safe_line
from screens.formats import MISSING, clip, clock, compact_number, join_fitting, rate, share, size
from screens.training.book import RunBook
from screens.training.charts import loss_unit, percent, watched_share
from screens.training.hardware import Usage
from screens.training.losses import loss_in_words, loss_name, reward_kind
from screens.training.probe_gauges import against, probe_gauges, probe_words
from screens.training.rows import state_of
from screens.training.source import RunLine
from screens.widgets.bars import bar_content
from screens.widgets.gauge import heading

REASON_LINES = 3
STRIP_LINES = 5
ALARM_LINES = 4
FULL_RATIO_NATS = 10.0
STATE_STYLES = {
    "tracking": "bold $success",
    "deadband hold": "bold $success",
    "measured": "bold $secondary",
    "pinned low": "bold $warning",
    "pinned high": "bold $warning",
    "no authority": "bold $error",
    "held (non-finite)": "bold $error",
}


def gauges(run: RunLine, book: RunBook, usage: Usage, width: int, *, dense: bool = False) -> Content:
    """All gauges for which the run has data, one below the other, a blank line between them.

    `dense` leaves out what is least missed, for terminals of few lines.
    """
    blocks = [_progress(run, book, width)]
    for block in (
        _preference(book, width),
        _controller(book, width, dense),
        probe_gauges(book, width, dense),
        _held_out(book, width),
        _hardware(run, book, usage, width),
    ):
        if block:
            blocks.append(block)
    return Content("\n\n").join(Content("\n").join(block) for block in blocks)


def strip(run: RunLine, book: RunBook, usage: Usage, width: int) -> Content:
    """The same in five lines, for narrow terminals."""
    lines = _progress(run, book, width)[1:]
    controller = _controller_words(book)
    if controller is not None:
        state, _ = controller
        parts = [f"S {_S(book)} of {_target(book)}", f"λ {compact_number(book.last('scu', 'lambda'))}", state]
        lines.append(Content.styled(join_fitting(parts, width), STATE_STYLES.get(state, "")))
    elif book.has("train", "rewards/accuracies"):
        alarm = next(_alarm(book, width, 1), None)
        words = alarm or join_fitting(_preference_words(book), width)
        lines.append(Content.styled(words, "bold $error" if alarm else "$foreground 85%"))
    else:
        lines.append(Content.styled(join_fitting(_held_out_words(book), width), "$foreground 85%"))
    if asked := probe_words(book):
        lines.append(Content(join_fitting(asked, width)))
    lines.append(Content.styled(join_fitting(hardware_words(run, book, usage), width), "$muted"))
    return Content("\n").join(lines[:STRIP_LINES])


def _progress(run: RunLine, book: RunBook, width: int) -> list[Content]:
    planned = book.planned_steps or run.planned_steps
    step = max(book.step, run.step)
    done = f"{100 * step / planned:.0f} %" if planned else ""
    state = state_of(run)
    words = [f"step {step:,}/{planned:,}" if planned else f"step {step:,}"]
    if run.presence == "running":
        words.append(f"ETA {clock(book.eta_s)}")
        words.append(rate(book.last("train", "tokens_per_second")))
    style = "$success" if run.presence == "running" else "$warning" if run.is_live else "$muted"
    lines = [
        heading("Progress", done, width),
        bar_content(step, planned or 1, width, "$primary"),
        Content(join_fitting(words, width)),
    ]
    said = f"{state}: {run.words}" if run.words and not run.words.startswith(state) else run.words or state
    lines += [Content.styled(line, style) for line in _wrapped(said, width, 2)]
    return lines


def _controller_words(book: RunBook) -> tuple[str, str] | None:
    """The controller's state and its reason; None where the run has none."""
    words = book.words.get("scu", {})
    if not words and not book.has("scu", "s"):
        return None
    return safe_line(words.get("state", MISSING)), safe_line(words.get("reason", ""))


def _S(book: RunBook) -> str:  # noqa: N802 - the quantity's own name
    value = book.last("scu", watched_share(book))
    return MISSING if value is None else percent(value)


def _target(book: RunBook) -> str:
    target = book.last("scu", "target")
    return MISSING if target is None else percent(target)


def _controller(book: RunBook, width: int, dense: bool) -> list[Content]:
    said = _controller_words(book)
    if said is None:
        return []
    state, reason = said
    value, target = book.last("scu", watched_share(book)), book.last("scu", "target")
    floor = book.last("scu", "floor")
    lines = [heading("S against target", f"{_S(book)} of {_target(book)}", width)]
    if value is not None and target:
        style = "$success" if abs(value / target - 1) <= 0.05 else "$warning"
        lines.append(against(value, target, width, style))
    if floor and watched_share(book) == "s" and not dense:
        lines.append(Content.styled(f"floor at the start {percent(floor)}", "$muted"))
    if not dense:
        lines.append(Content(""))
    lines.append(heading("λ", compact_number(book.last("scu", "lambda")), width))
    lines.append(Content.styled(clip(state, width), STATE_STYLES.get(state, "bold")))
    lines += [
        Content.styled(line, "$muted") for line in _wrapped(reason, width, 2 if dense else REASON_LINES)
    ]
    return lines


def _preference(book: RunBook, width: int) -> list[Content]:
    if not book.has("train", "rewards/accuracies"):
        return []
    room = width - len("Preference ")
    loss = [loss_name(book), *(f"{key} {value}" for key, value in read_words(loss_in_words(book)).items())]
    lines = [heading("Preference", join_fitting(loss, room), width)]
    lines += [Content.styled(line, "bold $error") for line in _alarm(book, width, ALARM_LINES)]
    margin, accuracy = book.last("train", f"{reward_kind(book)}/margins"), _share(book, "train")
    lines.append(Content(join_fitting([f"preferred {accuracy}", f"margin {compact_number(margin)}"], width)))
    if book.has("valid", "rewards/accuracies"):
        held_out = book.last("valid", f"{reward_kind(book)}/margins")
        words = [f"held-out {_share(book, 'valid')}", f"margin {compact_number(held_out)}"]
        lines.append(Content(join_fitting(words, width)))
    if (chosen := book.last("train", "log_ratio/chosen")) is not None:
        rejected = compact_number(book.last("train", "log_ratio/rejected"))
        below = share(book.last("train", "chosen_below_reference"))
        lines.append(heading("Chosen against reference", f"{compact_number(chosen)} nats", width))
        lines.append(_around_zero(chosen, width))
        lines.append(Content.styled(clip(f"{below} of pairs below · rejected {rejected}", width), "$muted"))
    return lines


def _share(book: RunBook, source: str) -> str:
    return share(book.last(source, "rewards/accuracies"))


def _around_zero(nats: float, width: int) -> Content:
    """A bar to the left (red) or right of the middle; full at ten nats."""
    middle = width // 2
    cells = round(min(1.0, abs(nats) / FULL_RATIO_NATS) * middle)
    bar = ("━" * cells, "$error" if nats < 0 else "$success")
    rest = ("─" * (middle - cells), "$foreground 15%")
    side = ("─" * (width - middle - 1), "$foreground 15%")
    zero = ("┃", "bold $foreground")
    if nats < 0:
        return Content.assemble(rest, bar, zero, side)
    return Content.assemble(("─" * middle, "$foreground 15%"), zero, bar, rest)


def _alarm(book: RunBook, width: int, most: int) -> Iterator[str]:
    """The alarm; where there is only a line for it, what to do comes first."""
    alarm = book.words.get("train", {}).get("alarm", "")
    if most == 1:
        message, _, remedy = alarm.partition("; ")
        alarm = f"{remedy}: {message}" if remedy else message
    if alarm:
        yield from _wrapped(f"▲ {alarm}", width, most)


def _preference_words(book: RunBook) -> list[str]:
    margin = compact_number(book.last("train", f"{reward_kind(book)}/margins"))
    words = [loss_name(book), f"preferred {_share(book, 'train')}", f"margin {margin}"]
    if (chosen := book.last("train", "log_ratio/chosen")) is not None:
        words.append(f"chosen {compact_number(chosen)} nats")
    return words


def _held_out_words(book: RunBook) -> list[str]:
    last = book.last("valid", "loss_nats")
    if last is None:
        return ["no held-out loss yet"]
    words = [f"held-out {compact_number(last)}"]
    if book.best is not None:
        words.append(f"best {compact_number(book.best[1])} at step {book.best[0]:,}")
    if (perplexity := book.last("valid", "perplexity")) is not None:
        words.append(f"perplexity {compact_number(perplexity)}")
    return words


def _held_out(book: RunBook, width: int) -> list[Content]:
    last = book.last("valid", "loss_nats")
    if last is None:
        return []
    lines = [heading("Held-out", f"{compact_number(last)} {loss_unit(book)}", width)]
    perplexity = book.last("valid", "perplexity")
    rest = [] if perplexity is None else [f"perplexity {compact_number(perplexity)}"]
    if book.best is not None:
        rest.append(f"best {compact_number(book.best[1])} at {book.best[0]:,}")
    lines.append(Content(join_fitting(rest, width)))
    return lines


def hardware_words(run: RunLine, book: RunBook, usage: Usage) -> list[str]:
    """CPU and memory of the run's process; what the model took at most, as the run reports it.

    Where this platform does not show other processes, the CPU share is the run's own word.
    """
    words = []
    cpu = usage.cpu_share if usage.cpu_share is not None else book.last("train", "cpu_share")
    if run.is_live and cpu is not None:
        words.append(f"CPU {100 * cpu:.0f} %")
    if run.is_live and usage.load is not None:
        words.append(f"load {usage.load:.1f} of {usage.cores}")
    if run.is_live and usage.memory_bytes is not None:
        words.append(f"mem {size(usage.memory_bytes)}")
    if (peak := book.last("train", "peak_memory_bytes")) is not None:
        words.append(f"MLX peak {size(int(peak))}")
    if (gpu := book.last("train", "gpu_memory_bytes")) is not None:
        limit = book.last("train", "gpu_memory_limit_bytes")
        words.append(f"GPU {size(int(gpu))}" + (f" of {size(int(limit))}" if limit else ""))
    return words


def _hardware(run: RunLine, book: RunBook, usage: Usage, width: int) -> list[Content]:
    words = hardware_words(run, book, usage)
    return [heading("Hardware", "", width), *_rows_of(words, width)] if words else []


def _rows_of(words: list[str], width: int) -> list[Content]:
    """Words beside each other, in as many lines as they need."""
    lines = [""]
    for word in words:
        joined = f"{lines[-1]} · {word}" if lines[-1] else word
        if len(joined) <= width:
            lines[-1] = joined
        else:
            lines.append(word)
    return [Content(clip(line, width)) for line in lines]


def _wrapped(text: str, width: int, most: int) -> Iterator[str]:
    """`text` in at most `most` lines, the last one cut where there is more."""
    lines = textwrap.wrap(safe_line(text), max(8, width))
    for number, line in enumerate(lines[:most], start=1):
        yield f"{clip(line, width - 2)} …" if number == most < len(lines) else line
