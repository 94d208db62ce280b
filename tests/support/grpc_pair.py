# SPDX-License-Identifier: Apache-2.0
"""A gRPC server and a client on Debian's grpcio, with bytes as messages (no generated code).

    grpc_pair.py server PORT
    grpc_pair.py client PORT          one call of each kind; prints what each was answered as JSON, {"call": [status, details, replies]}
    grpc_pair.py load PORT COUNT      COUNT unary calls, 64 at a time; prints how many succeeded
"""

import json
import sys
import threading
import time

import grpc

SERVICE = "shop.v1.Cart"


def unary(request, context):
    if request == b"fail":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such item: 100% \u00e4")
    if request == b"slow":
        time.sleep(5)
    return b"re:" + request


def client_stream(requests, _):
    return b"%d" % sum(1 for _ in requests)


def server_stream(request, context):
    for i in range(int(request)):
        if not context.is_active():
            return
        yield b"item %d" % i
        if int(request) > 1000:
            time.sleep(0.005)


def both(requests, _):
    for request in requests:
        yield b"re:" + request


def serve(port):
    from concurrent import futures
    handlers = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "ClientStream": grpc.stream_unary_rpc_method_handler(client_stream),
        "ServerStream": grpc.unary_stream_rpc_method_handler(server_stream),
        "Both": grpc.stream_stream_rpc_method_handler(both),
    }
    server = grpc.server(futures.ThreadPoolExecutor(16))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    if server.add_insecure_port(f"127.0.0.1:{port}") == 0:
        sys.exit("cannot listen")
    server.start()
    server.wait_for_termination()


def outcome(work):
    try:
        replies = work()
        return [0, "", replies]
    except grpc.RpcError as error:
        return [error.code().value[0], error.details(), None]


def calls(port):
    said = {}
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        def method(kind, name):
            return getattr(channel, kind)(f"/{SERVICE}/{name}")
        said["unary"] = outcome(lambda: method("unary_unary", "Unary")(b"hello").decode())
        said["error"] = outcome(lambda: method("unary_unary", "Unary")(b"fail").decode())
        said["unknown"] = outcome(lambda: method("unary_unary", "Nothing")(b"x").decode())
        said["client stream"] = outcome(
            lambda: method("stream_unary", "ClientStream")(iter([b"x" * n for n in range(50)])).decode())
        said["server stream"] = outcome(lambda: len(list(method("unary_stream", "ServerStream")(b"70"))))
        said["both"] = outcome(lambda: len(list(method("stream_stream", "Both")(iter([b"y"] * 30)))))
        said["compressed"] = outcome(lambda: method("unary_unary", "Unary")(
            b"z" * 5000, compression=grpc.Compression.Gzip).decode())
        said["deadline"] = outcome(lambda: method("unary_unary", "Unary")(b"slow", timeout=0.3).decode())
        stream = method("unary_stream", "ServerStream")(b"100000")
        got = [next(stream) for _ in range(3)]
        stream.cancel()
        said["cancelled"] = [1, "", len(got)]
        time.sleep(0.3)
    print(json.dumps(said))


def load(port, count):
    done = [0]
    lock = threading.Lock()
    slots = threading.Semaphore(64)
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary(f"/{SERVICE}/Unary")

        def finished(future):
            with lock:
                done[0] += future.code() == grpc.StatusCode.OK
            slots.release()

        for i in range(count):
            slots.acquire()
            call.future(b"%d" % i).add_done_callback(finished)
        for _ in range(64):
            slots.acquire()
    print(done[0])


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(int(sys.argv[2]))
    elif sys.argv[1] == "client":
        calls(int(sys.argv[2]))
    else:
        load(int(sys.argv[2]), int(sys.argv[3]))
