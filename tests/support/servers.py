# SPDX-License-Identifier: Apache-2.0
"""Starts the real servers of the system tests inside a pod (or outside of it)."""

import json
import os
import subprocess
import sys

from support import machine
from support.case import Failure

HERE = os.path.dirname(os.path.abspath(__file__))
PORT = 8080

NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  keepalive_timeout 600s;
  client_max_body_size 0;
  sendfile on;
  tcp_nopush on;
  server {{
    {listen}
    root {folder}/www;
    location / {{ return 200 "hello $request_uri\\n"; }}
    location /static/ {{ }}
    location /gzip/ {{ gzip on; gzip_types *; gzip_min_length 1; }}
    location /put/ {{ dav_methods PUT DELETE; client_body_buffer_size 16k; }}
    location = /gone {{ return 410; }}
    location = /moved {{ return 302 /elsewhere; }}
  }}
}}
"""


def nginx(pod, port=PORT, address="127.0.0.1", options="", where="app"):
    """nginx with one worker. Returns the process; its files are served from <folder>/www."""
    folder = os.path.join(pod.folder, f"nginx-{port}")
    for name in ("www/static", "www/gzip", "www/put"):
        os.makedirs(os.path.join(folder, name), exist_ok=True)
    host = f"[{address}]" if ":" in address else address
    with open(os.path.join(folder, "nginx.conf"), "w", encoding="utf-8") as file:
        file.write(NGINX.format(folder=folder, listen=f"listen {host}:{port} backlog=512 {options};"))
    process = pod.start([machine.tool("nginx"), "-p", folder, "-c", os.path.join(folder, "nginx.conf")], where)
    process.www = os.path.join(folder, "www")
    pod.wait_port(port, address, process)
    return process


def python(pod, port=PORT, address="127.0.0.1", where="app", arguments=()):
    process = pod.start([sys.executable, os.path.join(HERE, "http_server.py"), address, str(port), *arguments], where)
    pod.wait_port(port, address, process)
    return process


def node(pod, port=PORT, address="127.0.0.1", where="app"):
    process = pod.start([machine.tool("node"), os.path.join(HERE, "node_server.js"), address, str(port)], where)
    pod.wait_port(port, address, process)
    return process


ALL = {"nginx": nginx, "python": python, "node": node}


class LineClient:
    """A client process with one connection, see line_client.py."""

    def __init__(self, pod, port=PORT, address="127.0.0.1", where="app"):
        self.process = pod.start([sys.executable, os.path.join(HERE, "line_client.py"), address, str(port)], where,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "connected\n":
            raise Failure("the client could not connect")
        self.asked = []

    def get(self, url):
        self.process.stdin.write(url + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.asked.append(answer)
        return answer

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)


def start(kind, pod, **options):
    return ALL[kind](pod, **options)
