"""Sockets, the state of each path, control and statistics."""

import asyncio
import collections
import json
import os
import signal
import socket
import stat
import traceback

from .answers import Reply, good, size_of
from .registry import SCENARIOS
from .wire import Connection, Gone, Request, content

MAX_LOGGED = 20000
TLS_HELLO = 0x16  # the first byte of a client that speaks TLS
TLS_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"  # fatal, handshake_failure


class Server:
    def __init__(self, default_size):
        self.default_size = default_size
        self.open = 0
        self.under_way = collections.Counter()  # requests, by path
        self.reset()

    def reset(self):
        self.reset_accepts = self.accepted = self.logged = 0
        self.switched, self.tls = ("ok", {}), "stall"
        self.log = collections.defaultdict(list)
        self.counts = collections.Counter()

    def misbehaves(self, request):
        """Counts this request and tells whether it is one that its scenario spoils."""
        if request.text("count", "all") == "get" and request.method != "GET":
            return False
        if "at" in request.parameters:
            span = request.range(size_of(request)) or (0, 1 << 62)
            if not span[0] <= request.number("at", 0) < span[1]:
                return False
        index = self.counts[request.path] - request.number("after", 0)
        self.counts[request.path] += 1
        every, spare = request.number("every", 1), request.number("spare", 0)
        # Of every=2 the second, fourth, … misbehave, so that the first contact works.
        return (index >= 0 and index % every == every - 1
                and not (spare and index % spare == spare - 1)
                and index // every < request.number("times", 1 << 62))

    async def control(self, c, request):
        answer = {}
        if request.path == "/stats":
            log = self.log
            if wanted := request.parameters.get("path"):
                log = {wanted: log.get(wanted, [])}
            answer = {"accepted": self.accepted, "open": self.open,
                      "not_logged": max(0, self.logged - MAX_LOGGED), "requests": log}
        elif request.path == "/reset":
            self.reset()
        else:
            self.reset_accepts = request.number("reset_accepts", self.reset_accepts)
            self.tls = request.text("tls", self.tls)
            if name := request.text("switch", None):
                self.switched = (SCENARIOS[name].name, request.parameters)
                for path in [p for p in self.counts if p.startswith("/switch/")]:
                    del self.counts[path]
        body = json.dumps(answer).encode()
        await Reply(200, {"Content-Type": "application/json"}, body=body).send(c)

    def remember(self, c, request):
        self.logged += 1
        if self.logged > MAX_LOGGED:
            return
        h = request.headers
        self.log[request.path].append({
            "method": request.method, "target": request.target, "connection": c.number,
            "range": h.get("range"), "if_match": h.get("if-match"), "headers": h})

    async def spoil_tls(self, c):
        """What speaks TLS to us gets no answer in it: stall, close, reset, garbage or an alert."""
        if self.tls == "reset":
            c.reset()
        if self.tls == "stall":
            await asyncio.sleep(3600)
        if self.tls in ("garbage", "alert"):
            await c.send(TLS_ALERT if self.tls == "alert" else bytes(content(7, 1024)))
        raise Gone

    def prepare(self, request):
        """(the function that answers, the honest answer)"""
        if request.scenario == "switch":
            request.scenario, more = self.switched
            request.parameters = more | request.parameters
        scenario = SCENARIOS[request.scenario]
        request.presets, request.default_size = scenario.presets, self.default_size
        reply = good(request)
        spoil = self.misbehaves(request)
        if request.text("count", "all") == "get" and (
                request.method != "GET" or reply.status not in (200, 206)):
            spoil = False  # there is no body to spoil
        return (scenario if spoil else SCENARIOS["ok"]).function, reply

    async def answer(self, c):
        if not c.buffer:
            await c.fill()
        if c.buffer[0] == TLS_HELLO:
            await self.spoil_tls(c)
        try:
            request = Request(await c.line_block())
        except (ValueError, IndexError):
            await Reply(400, {"Connection": "close"}).send(c)
        c.requests += 1
        c.head = False
        try:
            if request.path in ("/stats", "/reset", "/control"):
                return await self.control(c, request)
            self.remember(c, request)
            await c.skip(int(request.headers.get("content-length", 0)))
            function, reply = self.prepare(request)
        except (KeyError, ValueError) as error:  # the test's own mistake: say it loudly
            body = f"no such scenario or bad parameter: {request.target}: {error}\n".encode()
            return await Reply(400, body=body).send(c)
        c.head = request.method == "HEAD"
        self.under_way[request.path] += 1
        try:
            await function(c, request, reply)
        finally:
            self.under_way[request.path] -= 1

    async def serve(self, c):
        self.open += 1
        try:
            if self.reset_accepts > 0:
                self.reset_accepts -= 1
                c.reset()
            while True:
                await self.answer(c)
        except (Gone, OSError):
            pass
        except Exception:
            traceback.print_exc()
        finally:
            self.open -= 1
            c.sock.close()

    async def run(self, port):
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", port), backlog=1024)
        listener.setblocking(False)
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        self.watch_stdin(loop, stop)
        content(0, 1)
        print("listening", listener.getsockname()[1], flush=True)
        accepting = asyncio.create_task(self.accept(loop, listener))
        await stop.wait()
        accepting.cancel()

    def watch_stdin(self, loop, stop):
        mode = os.fstat(0).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
            return  # a terminal or /dev/null: started by hand

        def readable():
            if not os.read(0, 4096):
                loop.remove_reader(0)
                stop.set()
        loop.add_reader(0, readable)

    async def accept(self, loop, listener):
        tasks = set()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
            except OSError:  # out of descriptors: the clients will close some
                await asyncio.sleep(0.05)
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            task = asyncio.create_task(self.serve(Connection(loop, sock, self.accepted, self)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
