"""A model server in HTTP/1.1 that says what it was sent: plain.py PORT."""

import hashlib
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self):
        target = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(target.query).items()}
        if target.path == "/bytes":
            self.send_bytes(int(query["n"]))
        elif target.path == "/nothing":
            self.send_response(204)
            self.end_headers()
        elif target.path == "/trailers":
            self.send_trailers()
        elif target.path == "/hints":
            self.send_response_only(103)
            self.send_header("link", "</weights>; rel=preload")
            self.end_headers()
            self.say({"hinted": True})
        else:
            self.say({"headers": {name.lower(): value for name, value in self.headers.items()}})

    do_HEAD = do_GET

    def do_POST(self):
        digest, length, trailers = hashlib.sha256(), 0, {}
        if "chunked" in self.headers.get("transfer-encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                digest.update(self.rfile.read(size))
                length += size
                self.rfile.readline()
            while line := self.rfile.readline().strip():
                name, value = line.decode().split(":", 1)
                trailers[name.lower()] = value.strip()
        else:
            left = length = int(self.headers.get("content-length", 0))
            while left:
                piece = self.rfile.read(min(left, 1 << 20))
                digest.update(piece)
                left -= len(piece)
        seen = {name.lower(): value for name, value in self.headers.items()}
        self.say({"bytes": length, "sha256": digest.hexdigest(), "trailers": trailers, "headers": seen})

    def send_bytes(self, length):
        first, last = 0, length - 1
        wanted = self.headers.get("range")
        if wanted:
            first, last = (int(n) for n in wanted.removeprefix("bytes=").split("-"))
        self.send_response(206 if wanted else 200)
        self.send_header("content-type", "application/octet-stream")
        self.send_header("content-length", str(last + 1 - first))
        if wanted:
            self.send_header("content-range", f"bytes {first}-{last}/{length}")
        self.end_headers()
        if self.command == "HEAD":
            return
        while first <= last:
            piece = bytes(n % 251 for n in range(first, min(first + 251 * 256, last + 1)))
            self.wfile.write(piece)
            first += len(piece)

    def send_trailers(self):
        self.send_response(200)
        self.send_header("transfer-encoding", "chunked")
        self.send_header("trailer", "x-sum")
        self.end_headers()
        self.wfile.write(b"5\r\nhello\r\n0\r\nx-sum: 42\r\n\r\n")

    def say(self, what):
        text = json.dumps(what).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def log_message(self, *_):
        pass


ThreadingHTTPServer.request_queue_size = 128
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
