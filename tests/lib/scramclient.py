"""The client's side of SCRAM (RFC 5802, RFC 7677), written from the RFCs for the tests: each part of what it sends can be
made wrong."""

import base64
import hashlib
import hmac
import os


def hi(digest, password, salt, iterations):
    return hashlib.pbkdf2_hmac(digest, password, salt, iterations)


def keys_text(digest, password, salt=b"0123456789abcdef", iterations=4096):
    """What an account keeps: ITERATIONS:SALT$STORED:SERVER."""
    salted = hi(digest, password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", digest)
    parts = (salt, hashlib.new(digest, client).digest(), hmac.digest(salted, b"Server Key", digest))
    salt, stored, server = (base64.b64encode(part).decode() for part in parts)
    return f"{iterations}:{salt}${stored}:{server}"


def attributes(message):
    """The parts `x=...` of a message, in a dictionary."""
    return dict((part[:1].decode(), part[2:]) for part in message.split(b","))


class Scram:
    """One exchange. binding: octets to bind to, kind: their name; flag: what stands in the header instead."""

    def __init__(self, mechanism, name, password, *, binding=None, kind="tls-unique", flag=None, authzid="", nonce=None):
        self.digest = "sha1" if "SHA-1" in mechanism else "sha256"
        self.password = password.encode()
        self.nonce = nonce or base64.b64encode(os.urandom(18))
        if flag is None:
            flag = f"p={kind}" if binding is not None else "n"
        self.header = f"{flag},{'a=' + authzid if authzid else ''},".encode()
        self.binding = binding or b""
        name = name.replace("=", "=3D").replace(",", "=2C")
        self.bare = b"n=" + name.encode() + b",r=" + self.nonce
        self.signature = None

    def first(self):
        return self.header + self.bare

    def final(self, server_first):
        """The answer to the server's first message."""
        parts = attributes(server_first)
        self.server_nonce, self.salt, self.iterations = parts["r"], base64.b64decode(parts["s"]), int(parts["i"])
        if not self.server_nonce.startswith(self.nonce) or self.server_nonce == self.nonce:
            raise ValueError("the server's nonce does not begin with ours, or adds nothing")
        return self.sign(server_first, b"c=" + base64.b64encode(self.header + self.binding) + b",r=" + self.server_nonce)

    def sign(self, server_first, without_proof):
        salted = hi(self.digest, self.password, self.salt, self.iterations)
        key = hmac.digest(salted, b"Client Key", self.digest)
        said = self.bare + b"," + server_first + b"," + without_proof
        signed = hmac.digest(hashlib.new(self.digest, key).digest(), said, self.digest)
        self.signature = hmac.digest(hmac.digest(salted, b"Server Key", self.digest), said, self.digest)
        return without_proof + b",p=" + base64.b64encode(bytes(a ^ b for a, b in zip(key, signed)))

    def knows(self, server_final):
        """Whether the server has proved that it has the keys."""
        return server_final == b"v=" + base64.b64encode(self.signature)


def encode(octets):
    return base64.b64encode(octets).decode() or "="


def decode(reply):
    """The octets of a challenge; anything else raises ValueError with it."""
    if not reply.startswith(b"+ "):
        raise ValueError(reply)
    return base64.b64decode(reply[2:], validate=True)


def login(client, mechanism, exchange):
    """The reply to the whole exchange, whose last word of the server's is checked; client: a pop3client."""
    reply = client.command(f"AUTH {mechanism} {encode(exchange.first())}")
    if not reply.startswith(b"+ "):
        return reply
    reply = client.command(encode(exchange.final(decode(reply))))
    if not reply.startswith(b"+ "):
        return reply
    if not exchange.knows(decode(reply)):
        raise ValueError("the server does not know the keys")
    return client.command("")
