"""Start small HTTP servers."""

import socketserver
import threading

POLL_SECONDS = 0.02  # shutdown() waits for the next poll; with Python's half a second hundreds of tests would


def serve(server: socketserver.BaseServer) -> threading.Thread:
    """Serve requests in a new thread until `server.shutdown()`; return the thread."""
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True)
    thread.start()
    return thread
