"""The server's side of SCRAM over a scripted IMAP conversation, true unless told to lie.

    Server(on={"AUTHENTICATE": ScramServer(iterations=1)}, capability="IMAP4rev1 SASL-IR AUTH=SCRAM-SHA-256")

`binding`: what the TLS channel gives, by a function of the conversation, or None where any will do. `first` and `last` may be functions that make other messages of the true ones; with `last` None there is none."""

import base64
import hashlib
import hmac

HASHES = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-1": "sha1"}


def encode(text):
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


class ScramServer:
    def __init__(self, password="secret", *, iterations=4096, binding=lambda talk: b"", first=lambda text: text, last=lambda text: text,
                 then="OK in"):
        self.password, self.iterations, self.binding = password.encode(), iterations, binding
        self.first, self.last, self.then = first, last, then
        self.seen = []  # the client's messages, decoded

    def read(self, talk):
        line = talk.file.readline().decode()
        if not line:
            raise OSError("the client has hung up")
        line = line.strip()
        talk.server.received.append(line)
        self.seen.append(base64.b64decode(line).decode())
        return self.seen[-1]

    def __call__(self, talk, tag, rest):
        mechanism, _, initial = rest.partition(" ")
        kind = HASHES[mechanism.removesuffix("-PLUS")]
        if initial:
            self.seen.append(base64.b64decode(initial).decode())
        else:
            talk.line("+ ")
            self.read(talk)
        start = self.seen[-1].split(",", 2)
        bare = start[2]
        nonce = bare.partition(",r=")[2]
        true_first = f"r={nonce}Zz9,s={encode(b'salt of ours')},i={self.iterations}"
        talk.line("+ " + encode(self.first(true_first)))
        final = self.read(talk)
        without, _, proof = final.rpartition(",p=")
        key = hashlib.pbkdf2_hmac(kind, self.password, b"salt of ours", self.iterations)
        mac = lambda secret, text: hmac.new(secret, text.encode(), kind).digest()
        client_key = mac(key, "Client Key")
        message = f"{bare},{true_first},{without}"
        signature = mac(hashlib.new(kind, client_key).digest(), message)
        expected = bytes(a ^ b for a, b in zip(client_key, signature))
        shown = base64.b64decode(without.partition(",")[0][2:])
        self.bound = shown.partition(b",,")[2]
        bound = self.binding is None or shown == f"{start[0]},{start[1]},".encode() + self.binding(talk)
        if base64.b64decode(proof) != expected or not bound:
            talk.line(f"{tag} NO [AUTHENTICATIONFAILED] no")
            return
        if self.last is not None:
            talk.line("+ " + encode(self.last("v=" + encode(mac(mac(key, "Server Key"), message)))))
            talk.server.received.append(talk.file.readline().decode().strip())
        talk.line(f"{tag} {self.then}")
