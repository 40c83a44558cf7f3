"""What the driver of a run knows of its tasks, and tells them."""

from __future__ import annotations

import threading
import time
from typing import Any, Callable, Dict, Mapping, Optional, Set

from .. import _share
from ..errors import ConfigError, DataError, HopError, RunFailed, StateError
from ._meet import Broken, Line

_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, StateError)}


class Meeting:
    """What the driver knows of its workers. Their tasks come, say which rows they have, and are told what to do."""

    def __init__(self, schema: Dict[str, Any], workers: int) -> None:
        self._schema = schema
        self._workers = workers
        self._changed = threading.Condition()
        self._lines: Dict[int, Line] = {}
        self._ready: Dict[int, Line] = {}  # tasks whose files are written
        self._measured: Dict[int, _share.Parts] = {}
        self._written: Dict[int, _share.Parts] = {}
        self._digest: Optional[str] = None
        self._address: Optional[str] = None
        self._is_over = False
        self.joined: Set[int] = set()
        self.manifest: Optional[str] = None
        self.error: Optional[Exception] = None
        self.on_error: Callable[[], None] = lambda: None

    def serve(self, line: Line) -> None:
        """Talks to a task until it goes."""
        slot = int(line.receive()["slot"])
        with self._changed:
            before, self._lines[slot] = self._lines.get(slot), line
            self.joined.add(slot)
            self._changed.notify_all()
            is_over = self._is_over
        if before is not None:  # its executor is lost, or Spark started the task twice: the newer one stays
            _tell(before, {"over": True})
        if is_over:
            line.send({"over": True})
        try:
            while True:
                self._hear(slot, line, line.receive())
        finally:
            with self._changed:
                for known in (self._lines, self._ready):
                    if known.get(slot) is line:
                        del known[slot]

    def fail(self, error: Exception) -> None:
        with self._changed:
            if self.error is None and not self._is_over:
                self.error = error
            self._changed.notify_all()
        self.on_error()

    def await_manifest(self, timeout: float, missing: Callable[[int], str]) -> str:
        """Waits until all rows are written. Only the wait for task slots has an end: reading rows may take long."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while self.manifest is None and self.error is None:
                is_late = len(self.joined) < self._workers and time.monotonic() > deadline
                if is_late:
                    self.error = RunFailed(missing(len(self.joined)))
                else:
                    self._changed.wait(0.5)
            if self.error is not None:
                raise self.error
            assert self.manifest is not None
            return self.manifest

    def listens(self, address: str) -> None:
        """The coordinator is there: the workers may start."""
        with self._changed:
            self._address = address
            lines = list(self._ready.values())
        for line in lines:
            _tell(line, self._order())

    def end(self, patience: float) -> None:
        """The run is over: tasks whose workers do not go home by themselves are told so."""
        deadline = time.monotonic() + patience
        with self._changed:
            self._is_over = True
            while self._lines and time.monotonic() < deadline:
                self._changed.wait(0.1)
            lines = list(self._lines.values())
        for line in lines:
            _tell(line, {"over": True})

    def _order(self) -> Dict[str, Any]:
        return {"serve": {"address": self._address, "manifest": self.manifest}}

    def _hear(self, slot: int, line: Line, said: Dict[str, Any]) -> None:
        try:
            if "measured" in said:
                self._measure(slot, line, said["measured"])
            elif "written" in said:
                self._write(slot, line, said["written"])
            elif "failed" in said:
                kind, text = said["failed"]["kind"], said["failed"]["text"]
                self.fail(_KINDS.get(kind, RunFailed)(text))
        except HopError as error:
            self.fail(error)

    def _measure(self, slot: int, line: Line, parts: _share.Parts) -> None:
        with self._changed:
            known = self._measured.setdefault(slot, parts)
            if self._digest is None and len(self._measured) == self._workers:
                self._digest = _share.digest(self._schema, _joined(self._measured))
                told = list(self._lines.values())
            else:
                if self._digest is not None and known != parts:  # says which partition has other rows
                    _share.digest(self._schema, _joined(self._measured) + parts)
                told = [line] if self._digest is not None else []
        for each in told:
            _tell(each, {"write": self._digest})

    def _write(self, slot: int, line: Line, parts: _share.Parts) -> None:
        with self._changed:
            self._written.setdefault(slot, parts)
            self._ready[slot] = line
            if self.manifest is None and len(self._written) == self._workers:
                self.manifest = _share.manifest(self._schema, _joined(self._written))
            elif self.manifest is not None:
                _share.manifest(self._schema, _joined(self._written) + parts)
            self._changed.notify_all()
            is_awaited = self._address is not None
        if is_awaited:
            line.send(self._order())


def _joined(parts: Mapping[int, _share.Parts]) -> _share.Parts:
    return [part for slot in sorted(parts) for part in parts[slot]]


def _tell(line: Line, message: Dict[str, Any]) -> None:
    try:
        line.send(message)
    except Broken:  # its thread notices, too
        pass


__all__ = ["Meeting"]
