"""
A far link: frames between two network devices, each way late by half a round trip, with SYNs lost on purpose.
Run by rehearsal/far-link.ts, as root, because this machine's kernel may have no netem.

Usage: far-link.py END END. An END is `tap:NAME`, a device that is made here, or `bridged:DEVICE`, a port of a bridge that
is taken out of it, and put back at the end, or `tap:NAME@BRIDGE`, one that is made and becomes a port of a bridge.

Standard input brings one JSON object a line, each replacing what was set before:
  {"roundTripMs": 300, "loseSynEvery": 20, "loseNextSyns": 0, "silentAddresses": ["192.0.2.1"], "cut": false}
After each, a line `ok`. When standard input ends, everything made here goes.
"""

import ctypes
import fcntl
import ipaddress
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import deque

# linux/if_tun.h, linux/if_packet.h, linux/if_ether.h
TUNSETIFF, TUNSETOFFLOAD = 0x400454CA, 0x400454D0
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000
TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6 = 1, 2, 4
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
SO_RCVBUFFORCE = 33

# Before each frame: what a network card would still do to it (checksums, segments). It is passed on as it came.
VNET_HEADER = 10
LARGEST = VNET_HEADER + 14 + 65536
# On their way, one direction; what comes beyond waits in the kernel's own short queue, and is lost there.
LIMIT = 16 * 1024 * 1024


def ip(*args):
    subprocess.run(["ip", *args], check=True)


class Tap:
    def __init__(self, name, bridge):
        self.fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        request = struct.pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
        fcntl.ioctl(self.fd, TUNSETIFF, request.ljust(40, b"\0"))
        fcntl.ioctl(self.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6)
        if bridge:
            ip("link", "set", name, "master", bridge, "up")

    def receive(self):
        return os.read(self.fd, LARGEST)

    def send(self, frame):
        os.write(self.fd, frame)

    def close(self):
        os.close(self.fd)


class Bridged:
    """A bridge's port: the other end of a container's device."""

    def __init__(self, device):
        self.device = device
        self.bridge = os.path.basename(os.readlink(f"/sys/class/net/{device}/master"))
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.socket.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, LIMIT)
        self.socket.setblocking(False)
        self.fd = self.socket.fileno()
        # Outside the bridge this machine would answer questions for its own addresses.
        ip("link", "set", device, "nomaster", "arp", "off")
        self.socket.bind((device, ETH_P_ALL))

    def receive(self):
        return self.socket.recv(LARGEST)

    def send(self, frame):
        self.socket.send(frame)

    def close(self):
        self.socket.close()
        # The device is gone when its container is.
        if os.path.exists(f"/sys/class/net/{self.device}"):
            ip("link", "set", self.device, "master", self.bridge, "arp", "on")


class Link:
    """What the link does to frames."""

    def __init__(self):
        self.syns = 0
        self.set({})

    def set(self, settings):
        self.delay = settings.get("roundTripMs", 0) / 2000
        self.lose_every = settings.get("loseSynEvery", 0)
        self.lose_next = settings.get("loseNextSyns", 0)
        self.silent = {ipaddress.ip_address(text).packed for text in settings.get("silentAddresses", [])}
        self.cut = settings.get("cut", False)

    def loses(self, frame):
        if self.cut:
            return True
        ethertype = int.from_bytes(frame[VNET_HEADER + 12 : VNET_HEADER + 14], "big")
        at = VNET_HEADER + 14
        if ethertype == ETH_P_IP:
            source, target = frame[at + 12 : at + 16], frame[at + 16 : at + 20]
            tcp = at + (frame[at] & 15) * 4 if frame[at + 9] == socket.IPPROTO_TCP else None
        elif ethertype == ETH_P_IPV6:
            source, target = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
            tcp = at + 40 if frame[at + 6] == socket.IPPROTO_TCP else None
        else:
            return False
        if self.silent and (source in self.silent or target in self.silent):
            return True
        # SYN without ACK, RFC 9293 section 3.1.
        if tcp is None or len(frame) < tcp + 14 or frame[tcp + 13] & 0x12 != 0x02:
            return False
        if self.lose_next > 0:
            self.lose_next -= 1
            return True
        self.syns += 1
        return self.lose_every > 0 and self.syns % self.lose_every == 0


class Way:
    """One direction."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.frames = deque()
        self.bytes = 0

    def take(self, link):
        for _ in range(64):
            if self.bytes >= LIMIT:
                return
            try:
                frame = self.source.receive()
            except BlockingIOError:
                return
            except OSError:
                # The device is down.
                return
            if not link.loses(frame):
                self.frames.append((time.monotonic() + link.delay, frame))
                self.bytes += len(frame)

    def deliver(self):
        now = time.monotonic()
        while self.frames and self.frames[0][0] <= now:
            _, frame = self.frames.popleft()
            self.bytes -= len(frame)
            try:
                self.target.send(frame)
            except OSError:
                # The device is down, or its queue full: lost, as on a real link.
                pass


def end_of(text):
    kind, _, rest = text.partition(":")
    name, _, bridge = rest.partition("@")
    return Bridged(name) if kind == "bridged" else Tap(name, bridge)


def carry(ends):
    link = Link()
    ways = [Way(ends[0], ends[1]), Way(ends[1], ends[0])]
    commands = b""
    while True:
        due = [way.frames[0][0] for way in ways if way.frames]
        wait = max(0, min(due) - time.monotonic()) if due else None
        sources = [way.source.fd for way in ways if way.bytes < LIMIT]
        readable, _, _ = select.select([0, *sources], [], [], wait)
        if 0 in readable:
            got = os.read(0, 65536)
            if not got:
                return
            *lines, commands = (commands + got).split(b"\n")
            for line in lines:
                link.set(json.loads(line))
                print("ok", flush=True)
        for way in ways:
            if way.source.fd in readable:
                way.take(link)
            way.deliver()


def main():
    # So that what was made goes, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ends = []
    try:
        for text in sys.argv[1:3]:
            ends.append(end_of(text))
        print("ready", flush=True)
        carry(ends)
    finally:
        for end in ends:
            end.close()


main()
