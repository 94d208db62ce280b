# SPDX-License-Identifier: Apache-2.0
"""A server and a client in one process, of which one resets the connection:  python3 resets.py server|client PORT."""

import socket
import struct
import sys
import threading


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


who, port = sys.argv[1], int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", port))


def serve():
    connection, _ = listener.accept()
    connection.recv(1000)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\nok")  # its body ends with the connection
    heard.wait(10)
    if who == "server":
        reset(connection)
    else:
        connection.recv(1000)


heard = threading.Event()
thread = threading.Thread(target=serve)
thread.start()
client = socket.create_connection(("127.0.0.1", port))
client.sendall(b"GET /cut HTTP/1.1\r\nHost: a\r\n\r\n")
text = b""
while not text.endswith(b"ok"):
    text += client.recv(1000)
heard.set()
if who == "client":
    reset(client)
thread.join()
