"""The web server's settings: gunicorn -c python:lumaweb.gunicorn lumaweb.wsgi"""

from lumaweb import settings

bind = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
# Threads, because a slow download must not hold up a page. Two processes, because one Python uses one core.
worker_class = "gthread"
workers = 2
threads = 4
# The application is imported once, before the workers part: half the work at the start, and less memory.
preload_app = True
# Less than the supervisor's patience: a download that goes on for longer is cut and can be resumed (Range).
graceful_timeout = 8
# Browsers keep a connection for the next poll or picture.
keepalive = 15
# No access log; errors go through the project's formatter, which takes secret paths out.
accesslog = None
logconfig_dict = settings.LOGGING
control_socket_disable = True
# It believes no header about who asks and how: by default it takes the scheme, the script's name and the path from
# whoever speaks to it on this machine. What a proxy may say is Django's to read, in lumaweb/settings.py.
forwarded_allow_ips = ""
secure_scheme_headers = {}
forwarder_headers = ""
