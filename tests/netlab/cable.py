"""A long cable: frames arrive late, and some do not arrive. A thread carries them between two tap devices, so no netem
is needed, which many kernels lack. It is good for about 20,000 frames per second."""
import ctypes
import fcntl
import heapq
import itertools
import os
import random
import select
import struct
import threading
import time

CLONE_NEWNET = 0x40000000  # linux/sched.h
TUNSETIFF = 0x400454CA     # linux/if_tun.h, like the next two
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
LONGEST_FRAME = 65536


class Cable:
    """Joins two ends, each a namespace and the name of the device that is made there. Each direction takes `delay`
    seconds and loses a share `loss` of the frames."""

    def __init__(self, *ends, delay=0.02, loss=0.01):
        self.ends, self.delay, self.loss = ends, delay, loss
        self.random = random.Random(7)
        self.taps, self.error = [], None
        self.lost = self.carried = 0
        self.is_open = threading.Event()
        self.closing, self._close = os.pipe()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        self.is_open.wait()
        if self.error:
            raise self.error

    def close(self):
        """The devices vanish."""
        os.close(self._close)
        self.thread.join()
        os.close(self.closing)

    def _run(self):
        try:
            for namespace, device in self.ends:
                self.taps.append(open_tap(namespace, device))
        except OSError as error:
            self.error = error
        self.is_open.set()
        if not self.error:
            self._carry()
        for tap in self.taps:
            os.close(tap)

    def _carry(self):
        on_the_way, numbers = [], itertools.count()  # (when it arrives, number, at which tap, frame)
        poll = select.poll()
        for file in (*self.taps, self.closing):
            poll.register(file, select.POLLIN | select.POLLHUP)
        while True:
            pause = max(0, on_the_way[0][0] - time.monotonic()) * 1000 + 1 if on_the_way else None
            ready = [file for file, _ in poll.poll(pause)]
            if self.closing in ready:
                return
            now = time.monotonic()
            for file in ready:
                other = self.taps[1 - self.taps.index(file)]
                for frame in frames_of(file):
                    if self.random.random() < self.loss:
                        self.lost += 1
                    else:
                        heapq.heappush(on_the_way, (now + self.delay, next(numbers), other, frame))
            while on_the_way and on_the_way[0][0] <= now:
                _, _, tap, frame = heapq.heappop(on_the_way)
                try:
                    os.write(tap, frame)
                    self.carried += 1
                except OSError:  # the device is down or its queue is full: lost
                    self.lost += 1


def open_tap(namespace, device):
    """A tap device in a namespace; it lives as long as its file is open. Only the calling thread changes its namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as file:
        if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")
    tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(tap)
        raise
    return tap


def frames_of(tap):
    while True:
        try:
            yield os.read(tap, LONGEST_FRAME)
        except OSError:  # no more, or the device is down
            return
