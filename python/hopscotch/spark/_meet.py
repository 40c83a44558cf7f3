"""The talk of a run's tasks with its driver: which rows there are, and where the run listens.

One connection per task, to the driver. Messages are JSON; each is signed with a key that both make of the run's key and
of two random numbers, so that neither a stranger nor an old connection is heard. They hold counts, digests and moments
of columns, never a row.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import socket
import struct
import threading
from typing import Any, Dict, Optional

_SIGN = 32
_MOST = 1 << 30  # bytes of a message: moments of a million columns
_PATIENCE = 30.0  # seconds for the first words of a connection


class Broken(Exception):
    """The other side is gone, or is not who it should be."""


class Line:
    """One end of a connection."""

    def __init__(self, connection: socket.socket, key: bytes, is_driver: bool) -> None:
        """Both sides prove that they have the key. Raises Broken."""
        self._socket = connection
        self._sent = self._heard = 0
        self._lock = threading.Lock()
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.settimeout(_PATIENCE)
            mine = secrets.token_bytes(_SIGN)
            connection.sendall(mine)
            theirs = self._take(_SIGN)
            both = mine + theirs if is_driver else theirs + mine
            self._key = hmac.digest(key, b"hopscotch.spark" + both, hashlib.sha256)
            self._own, self._other = (b"driver", b"task") if is_driver else (b"task", b"driver")
            self.send({})
            self.receive()
            connection.settimeout(None)
        except (OSError, Broken) as error:
            connection.close()
            raise Broken(str(error)) from error

    def send(self, message: Dict[str, Any]) -> None:
        """Raises Broken."""
        text = json.dumps(message).encode()
        with self._lock:
            signed = self._sign(self._own, self._sent, text)
            self._sent += 1
            try:
                self._socket.sendall(struct.pack("<I", len(text)) + signed + text)
            except OSError as error:
                raise Broken(str(error)) from error

    def receive(self) -> Dict[str, Any]:
        """Waits for the next message. Raises Broken."""
        try:
            (size,) = struct.unpack("<I", self._take(4))
            if size > _MOST:
                raise Broken(f"a message of {size} bytes")
            signed = self._take(_SIGN)
            text = self._take(size)
        except OSError as error:
            raise Broken(str(error)) from error
        if not hmac.compare_digest(signed, self._sign(self._other, self._heard, text)):
            raise Broken("a message of somebody who does not have the run's key")
        self._heard += 1
        return json.loads(text)

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _sign(self, who: bytes, number: int, text: bytes) -> bytes:
        return hmac.digest(self._key, who + struct.pack("<Q", number) + text, hashlib.sha256)

    def _take(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            more = self._socket.recv(min(size - len(got), 1 << 20))
            if not more:
                raise Broken("the connection was closed")
            got += more
        return bytes(got)


def dial(host: str, port: int, key: bytes) -> Line:
    """A task calls its driver. Raises Broken."""
    try:
        return Line(socket.create_connection((host, port), timeout=_PATIENCE), key, is_driver=False)
    except OSError as error:
        raise Broken(f"cannot reach the driver at {host}:{port}: {error}") from error


class Door:
    """The driver's end: accepts tasks, each in a thread of its own."""

    def __init__(self, host: str, port: int, key: bytes, serve: Any) -> None:
        """``serve(line)`` is called for each connection whose other side has the key."""
        self._listener = socket.create_server((host, port), backlog=128)
        self._key = key
        self._serve = serve
        self._thread: Optional[threading.Thread] = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def close(self) -> None:
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept()
        except OSError:
            pass
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._greet, args=(connection,), daemon=True).start()

    def _greet(self, connection: socket.socket) -> None:
        try:
            line = Line(connection, self._key, is_driver=True)
        except Broken:
            return
        try:
            self._serve(line)
        except Broken:
            pass
        finally:
            line.close()
