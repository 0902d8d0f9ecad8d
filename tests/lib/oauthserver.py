"""A provider of OAuth 2.0 tokens in the test's own process, over TLS, which does what it should until a test tells it
otherwise.

    with OAuthServer() as server:
        server.url("/token"), server.ca_file, server.refresh_tokens, server.asked

`asked` holds each request as (path, {parameter: value}), `heads` the heads beside them. A handler in `on` ("/token" and the like) replaces an answer: it
gets the parameters and returns (status, object or octets[, {header: value}]), or None for the usual; a list of handlers
is used up one by one."""

import base64
import hashlib
import http.server
import json
import os
import shutil
import ssl
import tempfile
import threading
import time
import urllib.parse

import certificates

CLIENT = "popgate-client"
SECRET = "client-secret-9d2f"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.owner.strange.append(self.path)
        self.send_error(404)

    def do_POST(self):
        owner = self.server.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        form = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True))
        with owner.lock:
            owner.asked.append((self.path, form))
            owner.heads.append(dict(self.headers))
            owner.under_way += 1
            owner.most_under_way = max(owner.most_under_way, owner.under_way)
        try:
            answer = owner.answer(self.path, form, self.headers)
            status, content, headers = (*answer, {})[:3]
            octets = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(octets)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(octets)
        except OSError:
            pass
        finally:
            self.close_connection = True
            with owner.lock:
                owner.under_way -= 1


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


class OAuthServer:
    def __init__(self, *, tls=True, rotate=True, lifetime=3600, basic=None, older=False):
        """rotate: a refresh token is good once. lifetime: of access tokens, in seconds. basic: (identifier, secret) that
        an application must have in the header of its requests, and not in the form. older: whether a mail server takes
        access tokens before the last one too."""
        self.folder = tempfile.mkdtemp(prefix="popgate-oauth-", dir="/tmp")
        os.chmod(self.folder, 0o755)
        self.lock = threading.Lock()
        self.rotate, self.lifetime, self.tls, self.basic, self.older = rotate, lifetime, tls, basic, older
        self.asked, self.heads, self.strange, self.on = [], [], [], {}
        self.under_way = self.most_under_way = 0
        self.refresh_tokens, self.access_tokens = set(), []
        self.accepts = os.path.join(self.folder, "accepts")  # where the tokens are that a mail server takes
        os.mkdir(self.accepts)
        self.devices, self.codes = {}, {}
        self.number = 0
        self.accept()
        self.httpd = _Server(("127.0.0.1", 0), _Handler)
        self.httpd.owner = self
        if tls:
            self.authority = certificates.Authority(os.path.join(self.folder, "tls"))
            self.ca_file = self.authority.file
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.authority.issue("provider"))
            self.httpd.socket = context.wrap_socket(self.httpd.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.httpd.server_address[1]
        self.thread = threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()

    def close(self):
        self.httpd.shutdown()
        self.httpd.server_close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def url(self, path):
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}{path}"

    def provider(self, **settings):
        """A section of the list `oauth`."""
        section = {"name": "test", "client_id": CLIENT, "token_endpoint": self.url("/token"),
                   "device_endpoint": self.url("/device"), "authorization_endpoint": self.url("/authorize"),
                   "scope": "mail offline"}
        if self.tls:
            section["ca_file"] = self.ca_file
        return {**section, **settings}

    # ---- tokens -------------------------------------------------------------

    def accept(self, *tokens):
        """The mail server takes these, and no others."""
        path = os.path.join(self.accepts, "tokens")
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write("".join(token + "\n" for token in tokens))
        os.chmod(path + ".new", 0o644)
        os.rename(path + ".new", path)

    def new_tokens(self, refresh=True):
        """What a good answer holds; the access token is taken by the mail server from now on, and older ones
        where `older` says so."""
        with self.lock:
            self.number += 1
            access, renewal = f"access-{self.number}-{os.urandom(4).hex()}", f"refresh-{self.number}-{os.urandom(8).hex()}"
            self.access_tokens.append(access)
            answer = {"access_token": access, "token_type": "Bearer", "expires_in": self.lifetime}
            if refresh:
                self.refresh_tokens.add(renewal)
                answer["refresh_token"] = renewal
            self.accept(*(self.access_tokens if self.older else (access,)))
            return answer

    # ---- answers ---------------------------------------------------------------

    def answer(self, path, form, head):
        handler = self.on.get(path)
        if isinstance(handler, list):
            handler = handler.pop(0) if handler else None
        if handler is not None:
            answer = handler(form)
            if answer is not None:
                return answer
        return self.usual(path, form, head)

    def is_client(self, form, head):
        if self.basic is None:
            return form.get("client_id") == CLIENT and "Authorization" not in head
        kind, _, pair = head.get("Authorization", "").partition(" ")
        shown = base64.b64decode(pair, validate=True).decode("ascii").split(":")  # RFC 6749, 2.3.1
        return kind == "Basic" and tuple(map(urllib.parse.unquote_plus, shown)) == self.basic and \
            not {"client_id", "client_secret"} & set(form)

    def usual(self, path, form, head):
        if not self.is_client(form, head):
            return 401, {"error": "invalid_client"}
        if path == "/device":
            return self._begin_device()
        if path == "/token":
            return getattr(self, "_by_" + form["grant_type"].rpartition(":")[2])(form)
        return 404, {"error": "not_found"}

    def _by_refresh_token(self, form):
        with self.lock:
            if form["refresh_token"] not in self.refresh_tokens:
                return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
            if self.rotate:
                self.refresh_tokens.discard(form["refresh_token"])
        return 200, self.new_tokens(refresh=self.rotate)

    def _by_client_credentials(self, form):
        if self.basic is None and form.get("client_secret") != SECRET and "client_assertion" not in form:
            return 401, {"error": "invalid_client"}
        return 200, self.new_tokens(refresh=False)

    def _by_device_code(self, form):
        state = self.devices.get(form["device_code"])
        if state is None:
            return 400, {"error": "invalid_grant"}
        if isinstance(state, list):  # a script of answers
            state = state.pop(0) if state else "ok"
        if state != "ok":
            return 400, {"error": state}
        del self.devices[form["device_code"]]
        return 200, self.new_tokens()

    def _begin_device(self):
        code = os.urandom(8).hex()
        self.devices[code] = getattr(self, "device_script", "ok")
        return 200, {"device_code": code, "user_code": "WDJB-MJHT", "verification_uri": "https://provider.example/device",
                     "expires_in": getattr(self, "device_lifetime", 600), "interval": 1}

    def allow(self, query):
        """What a browser is sent back with once the person agrees. query: of the authorization's address."""
        code = os.urandom(8).hex()
        self.codes[code] = query
        return urllib.parse.urlencode({"code": code, "state": query["state"]})

    def _by_authorization_code(self, form):
        query = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if query is None or query["redirect_uri"] != form["redirect_uri"] or \
                query["code_challenge"] != base64.urlsafe_b64encode(digest).decode().rstrip("="):
            return 400, {"error": "invalid_grant"}
        return 200, self.new_tokens()


def stall(seconds):
    """A handler that takes its time, and then does as usual."""
    def handler(_):
        time.sleep(seconds)
    return handler


def always(*answer):
    """A handler with one answer."""
    return lambda _: answer
