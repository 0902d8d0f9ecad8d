"""An IMAP server for thousands of idle connections, all in one process: each account's mailbox is empty."""

import multiprocessing
import selectors
import socket

_CAPS = b"CAPABILITY IMAP4rev1 SASL-IR LITERAL+ UIDPLUS AUTH=PLAIN"
_ANSWERS = {
    b"LOGIN": b"%s OK [" + _CAPS + b"] in\r\n",
    b"AUTHENTICATE": b"%s OK [" + _CAPS + b"] in\r\n",
    b"SELECT": b"* 0 EXISTS\r\n* OK [UIDVALIDITY 1] valid\r\n%s OK [READ-WRITE] selected\r\n",
}


def _answer(line):
    tag, name, *_ = line.split(b" ", 2)
    return _ANSWERS.get(name.upper(), b"%s OK done\r\n") % tag


def _serve(listener):
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.send(b"* OK [" + _CAPS + b"] ready\r\n")
                selector.register(connection, selectors.EVENT_READ)
                continue
            try:
                data = key.fileobj.recv(4096)
                if data:
                    key.fileobj.send(b"".join(_answer(line) for line in data.splitlines() if line))
            except OSError:
                data = b""
            if not data:
                selector.unregister(key.fileobj)
                key.fileobj.close()


class Crowd:
    def __init__(self):
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = listener.getsockname()[1]
        self.process = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,), daemon=True)
        self.process.start()
        listener.close()

    def stop(self):
        self.process.kill()
        self.process.join()
