"""A WSGI application for gunicorn that answers with the text and the worker's process id.

CROWD_ATTACH=import attaches when the module is imported, which is before the fork with --preload; otherwise each worker
attaches at its first request.
"""
import os
import threading

import sharedmem

segment = sharedmem.Segment() if os.environ.get("CROWD_ATTACH") == "import" else None
lock = threading.Lock()


def application(environ, start_response):
    global segment
    with lock:
        segment = segment or sharedmem.Segment()
    text, number = segment.get()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text))),
                              ("X-Process", str(os.getpid())), ("X-Number", str(number))])
    return [text]
