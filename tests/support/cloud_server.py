#!/usr/bin/env python3
"""A cloud's services that hand out credentials, as far as tests need them, and a store that checks.

    python3 tests/support/cloud_server.py [--port 0]

prints `listening PORT` and serves on 127.0.0.1 until SIGTERM or until its stdin (a pipe) closes.
The first part of a path chooses the service, parts with a = are parameters, as in fault_server.py:

    /container/…          a container's credentials; wants Authorization if token= is given
    /imds/…/latest/…      instance metadata, version 2 only
    /sts/…                AssumeRole (signed) and AssumeRoleWithWebIdentity
    /sso/…                the SSO portal
    /s3/…                 an object for whoever has keys from above that have not expired
    /echo/…               what was asked, as JSON
    /stats                what was asked, one entry a request, as JSON

Parameters:
    lifetime=S    the keys' life in seconds (3600); 0: they never expire
    status=N      answer so, with reason=
    times=K       only the first K requests to this path; then well
    delay=MS      before each answer
    body=TEXT     instead of the answer
    role=NAME     imds: the machine's role (r3map); empty: none
    refuse=K      s3: the first K different keys are called expired, whatever their life
"""

import argparse
import collections
import datetime
import http.server
import json
import os
import signal
import socketserver
import stat
import sys
import threading
import time
import urllib.parse
import xml.sax.saxutils

IMDS_TOKEN = "imds-token"
SSO_TOKEN = "sso-token"
SERVICES = {"container", "imds", "sts", "sso", "s3", "echo", "stats"}


def iso(moment):
    text = datetime.datetime.fromtimestamp(moment, datetime.timezone.utc).isoformat("T", "milliseconds")
    return text.replace("+00:00", "Z")


class Keys:
    """All that were handed out, with their ends."""

    def __init__(self):
        self.lock, self.ends = threading.Lock(), {}

    def make(self, lifetime):
        with self.lock:
            number = len(self.ends) + 1
            end = time.time() + lifetime if lifetime else None
            self.ends[f"ASIA{number}"] = end
        return {"key": f"ASIA{number}", "secret": f"secret-{number}", "token": f"token-{number}",
                "end": end}


class State:
    def __init__(self):
        self.lock, self.keys = threading.Lock(), Keys()
        self.log, self.counts = [], collections.Counter()
        self.refused = collections.defaultdict(set)  # s3: keys called expired, by path


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state = State()

    def log_message(self, *_):
        pass

    def do_GET(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.text = self.rfile.read(length).decode() if length else ""
        url = urllib.parse.urlsplit(self.path)
        parts = [urllib.parse.unquote(part) for part in url.path.split("/")[1:]]
        self.parameters = dict(part.split("=", 1) for part in parts if "=" in part)
        self.rest = "/" + "/".join(part for part in parts[1:] if "=" not in part)
        self.query = dict(urllib.parse.parse_qsl(url.query))
        with self.state.lock:
            self.state.counts[url.path] += 1
            count = self.state.counts[url.path]
            if parts[0] != "stats":
                self.state.log.append({
                    "method": self.command, "path": url.path, "query": self.query,
                    "body": self.text, "headers": {k.lower(): v for k, v in self.headers.items()}})
        time.sleep(int(self.parameters.get("delay", 0)) / 1000)
        wrong = count <= int(self.parameters.get("times", 1 << 30))
        if "status" in self.parameters and wrong:
            return self.answer(int(self.parameters["status"]), self.parameters.get("reason", ""))
        if "body" in self.parameters and wrong:
            return self.answer(200, self.parameters["body"])
        if parts[0] not in SERVICES:
            return self.answer(404, "no such service")
        return getattr(self, parts[0])()

    do_PUT = do_POST = do_GET

    def answer(self, status, text, **headers):
        data = text if isinstance(text, bytes) else text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def make_keys(self):
        return self.state.keys.make(float(self.parameters.get("lifetime", 3600)))

    # ---- services

    def stats(self):
        with self.state.lock:
            self.answer(200, json.dumps(self.state.log))

    def echo(self):
        self.answer(200, json.dumps({"method": self.command, "body": self.text,
                                     "headers": {k.lower(): v for k, v in self.headers.items()}}))

    def metadata(self):
        keys = self.make_keys()
        answer = {"Code": "Success", "AccessKeyId": keys["key"],
                  "SecretAccessKey": keys["secret"], "Token": keys["token"]}
        if keys["end"]:
            answer["Expiration"] = iso(keys["end"])
        self.answer(200, json.dumps(answer))

    def container(self):
        if self.headers.get("Authorization") != self.parameters.get("token"):
            return self.answer(401, json.dumps({"code": "Unauthorized", "message": "wrong token"}))
        return self.metadata()

    def imds(self):
        role = self.parameters.get("role", "r3map")
        folder = "/latest/meta-data/iam/security-credentials/"
        if self.rest == "/latest/api/token":
            ttl = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
            if self.command != "PUT" or not ttl:
                return self.answer(400, "")
            return self.answer(200, IMDS_TOKEN)
        if self.headers.get("X-aws-ec2-metadata-token") != IMDS_TOKEN:
            return self.answer(401, "")
        if self.rest == folder and role:
            return self.answer(200, role)
        if self.rest == folder + role and role:
            return self.metadata()
        return self.answer(404, "")

    def sts(self):
        form = dict(urllib.parse.parse_qsl(self.text))
        action = form.get("Action", "")
        authorization = self.headers.get("Authorization", "")
        signed = authorization.startswith("AWS4-HMAC-SHA256 ") and "/sts/aws4_request" in authorization
        known = {"AssumeRole": signed,
                 "AssumeRoleWithWebIdentity": form.get("WebIdentityToken") == "web-token"}
        if self.command != "POST" or not known.get(action):
            return self.answer(403, self.sts_error("AccessDenied", f"not allowed: {action}"))
        keys = self.make_keys()
        end = f"<Expiration>{iso(keys['end'])}</Expiration>" if keys["end"] else ""
        return self.answer(200, f"""<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <{action}Result>
    <AssumedRoleUser><Arn>{xml.sax.saxutils.escape(form['RoleArn'])}</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>{keys['key']}</AccessKeyId>
      <SecretAccessKey>{keys['secret']}</SecretAccessKey>
      <SessionToken>{keys['token']}</SessionToken>{end}
    </Credentials>
  </{action}Result>
</{action}Response>""")

    @staticmethod
    def sts_error(code, message):
        return (f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code>"
                f"<Message>{message}</Message></Error></ErrorResponse>")

    def sso(self):
        if self.headers.get("x-amz-sso_bearer_token") != SSO_TOKEN:
            return self.answer(401, json.dumps({"message": "Session token not found or invalid"}))
        if self.query != {"account_id": "123456789012", "role_name": "reader"}:
            return self.answer(403, json.dumps({"message": "No access"}))
        keys = self.make_keys()
        answer = {"accessKeyId": keys["key"], "secretAccessKey": keys["secret"],
                  "sessionToken": keys["token"],
                  "expiration": int(keys["end"] * 1000) if keys["end"] else 4102444800000}
        return self.answer(200, json.dumps({"roleCredentials": answer}))

    def s3(self):
        credential = self.headers.get("Authorization", "").partition("Credential=")[2]
        key = credential.partition("/")[0]
        token = self.headers.get("x-amz-security-token", "")
        with self.state.lock:
            refused = self.state.refused[self.path]
            if len(refused) < int(self.parameters.get("refuse", 0)):
                refused.add(key)
        with self.state.keys.lock:
            known, end = key in self.state.keys.ends, self.state.keys.ends.get(key)
        if not known or token != key.replace("ASIA", "token-"):
            return self.s3_error(403, "InvalidAccessKeyId")
        if key in refused or end and end < time.time():
            return self.s3_error(400, "ExpiredToken")
        data = bytes(range(256)) * 4096
        first, _, last = self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")
        start, end = int(first), min(int(last or len(data)), len(data) - 1)
        return self.answer(206, data[start:end + 1], ETag='"r3map"',
                           Content_Range=f"bytes {start}-{end}/{len(data)}")

    def s3_error(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>no</Message></Error>")


class CloudServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0)
    server = CloudServer(("127.0.0.1", parser.parse_args().port), Handler)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    print("listening", server.server_port, flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        sys.stdin.read()
    else:
        threading.Event().wait()


if __name__ == "__main__":
    main()
