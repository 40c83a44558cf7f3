"""The talk of tasks and driver."""

import queue
import socket
import threading

import pytest

from hopscotch.spark._meet import Broken, Door, Line, dial

from .conftest import PATIENCE

KEY = bytes(range(32))


@pytest.fixture
def door():
    heard = queue.Queue()

    def serve(line):
        while True:
            message = line.receive()
            heard.put(message)
            line.send({"answer": message["number"] + 1})

    made = Door("127.0.0.1", 0, KEY, serve)
    made.heard = heard
    yield made
    made.close()


def test_both_sides_hear_each_other_in_order(door):
    line = dial("127.0.0.1", door.port, KEY)
    for number in (1, 2.5, 1e-300):
        line.send({"number": number, "text": "\u00fc" * 3000})
        assert line.receive() == {"answer": number + 1}
        assert door.heard.get(timeout=PATIENCE) == {"number": number, "text": "\u00fc" * 3000}
    line.close()


def test_a_stranger_is_not_heard_and_does_not_hold_up_others(door):
    silent = socket.create_connection(("127.0.0.1", door.port))
    with pytest.raises(Broken):
        dial("127.0.0.1", door.port, bytes(32))
    line = dial("127.0.0.1", door.port, KEY)
    line.send({"number": 1})
    assert line.receive() == {"answer": 2}
    assert door.heard.qsize() == 1
    silent.close()
    line.close()


def test_a_message_that_was_changed_or_sent_twice_ends_the_connection(door):
    for change in (lambda sent: sent[:-1] + b"x", lambda sent: sent + sent):
        line = dial("127.0.0.1", door.port, KEY)
        raw = line._socket
        taken = []

        class Tap:
            def sendall(self, sent):
                taken.append(sent)

        line._socket = Tap()
        line.send({"number": 7})
        line._socket = raw
        raw.sendall(change(taken[0]))
        with pytest.raises(Broken):
            line.receive()  # the answer to an untouched message, or the end
            line.receive()
        line.close()


def test_nobody_at_the_other_end_is_an_error_with_the_address():
    with socket.socket() as deaf:  # it has the port, and does not listen
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        with pytest.raises(Broken, match=f"127.0.0.1:{port}"):
            dial("127.0.0.1", port, KEY)


def test_two_tasks_do_not_talk_to_each_other():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        one = socket.create_connection(listener.getsockname())
        other, _ = listener.accept()
    failed = queue.Queue()

    def second():
        try:
            Line(other, KEY, is_driver=False)
        except Broken as error:
            failed.put(str(error))

    thread = threading.Thread(target=second)
    thread.start()
    with pytest.raises(Broken):
        Line(one, KEY, is_driver=False)
    thread.join(PATIENCE)
    assert failed.qsize() == 1
