"""The web server: waitress in several processes that share one listening socket.

A thread is held only while our own code computes an answer. Requests are read and files are sent by each process's
event loop, so a client that sends or reads nothing costs a connection and no thread. docs/decisions/web-server.md.
"""
