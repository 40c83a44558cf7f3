"""A bar for a run: tqdm's where it is installed, in a terminal and in a notebook; a plain line otherwise."""

from __future__ import annotations

import sys
import time
from typing import Any, Dict, Optional, TextIO


class Progress:
    """Hears the events of a run (docs/events.md) and knows how it stands."""

    def __init__(self) -> None:
        self.objective = "valid_accuracy"
        self.done = 0
        self.total = 0
        self.left: Optional[float] = None
        self.best: Optional[int] = None
        self.stopping = False
        self._values: Dict[int, Any] = {}  # of each model, its latest

    def hear(self, event: Dict[str, Any]) -> None:
        kind = event["event"]
        if kind == "started":
            self.objective = event["objective"]
        elif kind == "epoch":
            self._values[event["model"]] = {**event["metrics"], **event}.get(self.objective)
        elif kind == "progress":
            self.done, self.total = event["units_done"], event["units_total"]
            self.left, self.best, self.stopping = event["seconds_left"], event["best"], event["stopping"]
            self.show()
        elif kind == "notice":
            self.tell(event["text"])

    def state(self) -> str:
        """The leading model, in words."""
        words = []
        if self.best is not None:
            value = self._values.get(self.best)
            words.append(f"best: model {self.best}" + (f", {self.objective} {value:.4g}" if value is not None else ""))
        if self.stopping:
            words.append("stopping after the units in flight")
        return "; ".join(words)

    def show(self) -> None:
        """How the run stands now."""

    def tell(self, line: str) -> None:
        """A line that stays."""

    def close(self) -> None:
        """The run is over."""


class Bar(Progress):
    """tqdm's bar over the units of the run."""

    def __init__(self, tqdm: Any) -> None:
        super().__init__()
        self._bar = tqdm(total=None, unit="unit", desc="hopscotch", dynamic_ncols=True)

    def show(self) -> None:
        self._bar.total = self.total
        self._bar.set_postfix_str(self.state(), refresh=False)
        self._bar.update(self.done - self._bar.n)
        self._bar.refresh()

    def tell(self, line: str) -> None:
        self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


class Lines(Progress):
    """One line that is painted over on a terminal; elsewhere a line every few seconds."""

    def __init__(self, stream: Optional[TextIO] = None, every: float = 5.0) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._repaints = bool(getattr(self._stream, "isatty", lambda: False)())
        self._every = 0.2 if self._repaints else every
        self._shown: Optional[float] = None
        self._is_painted = False

    def show(self) -> None:
        now = time.monotonic()
        if self._shown is not None and now - self._shown < self._every and self.done < self.total:
            return
        self._shown = now
        left = "" if self.left is None else f"  left {self.left:.0f} s"
        line = f"units {self.done}/{self.total}{left}  {self.state()}".rstrip()
        self._stream.write(f"\r\x1b[K{line}" if self._repaints else line + "\n")
        self._stream.flush()
        self._is_painted = self._repaints

    def tell(self, line: str) -> None:
        self._stream.write(f"\r\x1b[K{line}\n" if self._is_painted else line + "\n")
        self._stream.flush()
        self._is_painted = False

    def close(self) -> None:
        if self._is_painted:
            self._stream.write("\n")
            self._stream.flush()


def make(wanted: bool) -> Progress:
    """What shows the progress of a run here."""
    if not wanted:
        return Progress()
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return Lines()
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a notebook without widgets gets tqdm's plain bar
        return Bar(tqdm)
