"""A port of 127.0.0.1 whose connections a thread takes."""

import socket
import threading


class Listener:
    """take(connection): called for each, in that thread."""

    def __init__(self, take):
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._take = take
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._take(connection)

    def close(self):
        """May be called again. The thread has ended before the descriptor is free: it would take connections of the
        next listener that gets its number."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
        self._thread.join()
        self._socket.close()
