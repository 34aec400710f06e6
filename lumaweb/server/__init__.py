"""The web server: waitress in several processes that share one listening socket.

Each process's event loop reads requests and sends files, so a slow client holds a connection and no thread. Threads run
the application only. See docs/decisions/web-server.md.
"""
