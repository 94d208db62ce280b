#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What capture costs a server: nginx (one worker) in a cgroup under load, in alternating runs with and without podtap-sidecar.

Every row is the median over the rounds with the spread (lowest and highest) behind it; a ratio is taken per round, of two runs
that stand next to each other, because machines drift. The exchanges that podtap wrote to its unix socket are counted by a reader
that only counts lines; nginx's own stub_status says how many it served.
"""
import argparse
import os
import re
import signal
import socket
import statistics
import subprocess
import tempfile
import threading
import time

def cgroup2_mount():
    with open("/proc/self/mountinfo") as mounts:
        for line in mounts:
            fields = line.split()
            if fields[fields.index("-") + 1] == "cgroup2":
                return fields[4]
    raise SystemExit("bench: no cgroup2 file system is mounted")


class Reader:
    """Drains the sidecar's unix socket and counts lines (of text formats)."""

    def __init__(self, path, framed=False):
        self.lines = 0
        self.framed = framed  # records are not lines; the sidecar's own numbers say how many were written
        self.sink = "unix:" + path + ("?format=proto" if framed else "")
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        os.chmod(path, 0o777)
        self.server.listen(4)
        self.stopping = False
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.stopping:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.drain, args=(client,), daemon=True).start()

    def drain(self, client):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        buffer = bytearray(1 << 20)
        while True:
            size = client.recv_into(buffer)
            if size == 0:
                return
            if not self.framed:
                self.lines += buffer.count(b"\n", 0, size)

    def close(self):
        self.stopping = True
        self.server.close()


class Collector:
    """The least that an OTLP/HTTP collector can be: takes requests with a Content-Length, and answers 200."""
    framed = True

    def __init__(self):
        self.lines = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.sink = f"otlp:http://127.0.0.1:{self.server.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        buffer, head = bytearray(1 << 20), b""
        while size := client.recv_into(buffer):
            head += bytes(buffer[:size])
            end = head.find(b"\r\n\r\n")
            if end < 0:
                continue
            left = int(re.search(rb"(?i)content-length: *(\d+)", head[:end]).group(1)) - (len(head) - end - 4)
            while left > 0 and (size := client.recv_into(buffer, min(left, len(buffer)))):
                left -= size
            head = b""
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self.server.close()


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(word) for word in children.read().split()]


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_precise(pid):
    """Seconds on a CPU, in nanosecond steps, summed over threads."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        try:
            with open(f"/proc/{pid}/task/{task}/schedstat") as schedstat:
                total += int(schedstat.read().split()[0])
        except (OSError, IndexError, ValueError):
            pass
    return total / 1e9 if total else cpu_seconds(pid)


def pss_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup") as rollup:
        return sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))


class Sidecar:
    def __init__(self, binary, cgroup, sink, flags, log):
        self.log_path = log
        self.log = open(log, "w")
        start = time.monotonic()
        self.process = subprocess.Popen(
            [binary, f"--cgroup={cgroup}", f"--sink={sink}", "--admin_address=", "--stats_interval_s=0", *flags],
            stderr=self.log, stdout=subprocess.DEVNULL)
        while "Added pod to maps" not in open(log).read():
            if self.process.poll() is not None or time.monotonic() - start > 10:
                raise SystemExit("bench: the sidecar did not attach: " + open(log).read())
            time.sleep(0.005)
        self.attached_after = time.monotonic() - start
        while not children_of(self.process.pid):
            time.sleep(0.005)
        self.worker = children_of(self.process.pid)[0]

    def cpu(self):
        return cpu_precise(self.worker), cpu_precise(self.process.pid)

    def pss(self):
        return pss_kib(self.worker) + pss_kib(self.process.pid)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.log.close()
        text = open(self.log_path).read()
        stats = re.findall(r'stats \{.*?"EventLost":(\d+).*?"TotalRequestsSent":(\d+).*?'
                           r'"TotalEventsDroppedAtEventQueueLimit":(\d+)', text)
        lost, sent, dropped = stats[-1] if stats else ("0", "0", "0")
        return int(lost), int(sent), int(dropped)


class Bench:
    SIZES = {"150 B": "/small.json", "10 KiB": "/medium.bin", "1 MiB": "/large.bin"}

    def __init__(self, options):
        self.options = options
        self.binary = os.path.join(options.build, "bin", "podtap-sidecar")
        self.work = tempfile.mkdtemp(prefix="podtap-bench-")
        os.chmod(self.work, 0o755)
        self.root = os.path.join(cgroup2_mount(), f"podtap-bench-{os.getpid()}")
        self.pod = os.path.join(self.root, "pod")
        os.makedirs(self.pod)
        self.count = 0
        self.servers = []

    def start_nginx(self):
        www = os.path.join(self.work, "www")
        os.makedirs(www)
        with open(www + "/small.json", "w") as file:
            file.write('{"id":1,"name":"small","values":[' + ",".join(["12345"] * 18) + "]}")
        for name, size in (("medium.bin", 10 << 10), ("large.bin", 1 << 20)):
            with open(f"{www}/{name}", "wb") as file:
                file.write(os.urandom(size))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = os.path.join(self.work, "nginx.conf")
        with open(config, "w") as file:
            file.write(f"""daemon off; worker_processes 1; pid {self.work}/pid; error_log {self.work}/error.log;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; types {{ application/json json; }}
  client_body_temp_path {self.work}/b; proxy_temp_path {self.work}/p; fastcgi_temp_path {self.work}/f;
  uwsgi_temp_path {self.work}/u; scgi_temp_path {self.work}/s;
  server {{ listen 127.0.0.1:{self.port}; root {www}; location /status {{ stub_status; }} }} }}""")
        self.nginx = subprocess.Popen(["sh", "-c", f"echo $$ > {self.pod}/cgroup.procs; exec nginx -c {config} -p {self.work}"])
        for _ in range(200):
            try:
                self.served()
                return
            except OSError:
                time.sleep(0.05)
        raise SystemExit("bench: nginx did not start")

    def served(self):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            answer = b""
            while part := connection.recv(4096):
                answer += part
        return int(re.search(rb"\n (\d+) (\d+) (\d+)", answer).group(3))

    def wrk(self, path, connections=16):
        out = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{self.options.seconds}s", "--latency",
                              f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, check=True).stdout
        def milliseconds(text):
            number, unit = re.match(r"([\d.]+)(us|ms|s|m)", text).groups()
            return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]
        return {"rate": float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1)),
                "p50": milliseconds(re.search(r"\n\s+50%\s+(\S+)", out).group(1)),
                "p99": milliseconds(re.search(r"\n\s+99%\s+(\S+)", out).group(1))}

    def paced(self, rate):
        clients = 10
        out = subprocess.run(["h2load", "--h1", f"-c{clients}", f"--rps={rate // clients}", f"-D{self.options.seconds}",
                              f"http://127.0.0.1:{self.port}/small.json"], capture_output=True, text=True, check=True).stdout
        mean = re.search(r"time for request:\s+(\S+)\s+(\S+)\s+(\S+)", out).group(3)
        number, unit = re.match(r"([\d.]+)(us|ms|s)", mean).groups()
        return {"mean_us": float(number) * {"us": 1, "ms": 1000, "s": 1e6}[unit],
                "rate": float(re.search(r"([\d.]+) req/s", out).group(1))}

    def sidecar(self, flags=(), cgroup=None, make_reader=Reader):
        self.count += 1
        reader = Collector() if make_reader is Collector else make_reader(f"{self.work}/sink{self.count}")
        return Sidecar(self.binary, cgroup or self.pod, reader.sink, list(flags), f"{self.work}/log{self.count}"), reader

    def with_capture(self, load, flags=(), make_reader=Reader):
        sidecar, reader = self.sidecar(flags, make_reader=make_reader)
        served = self.served()
        cpu = sidecar.cpu()
        result = load()
        result["pss_kib"] = sidecar.pss()
        time.sleep(0.3)
        cpu = [after - before for before, after in zip(cpu, sidecar.cpu())]
        if "served" not in result:
            result["served"] = self.served() - served  # this call to /status and the one before make one more exchange
        result["lost"], sent, result["dropped"] = sidecar.stop()
        deadline = time.monotonic() + 3
        while not reader.framed and reader.lines < result["served"] and time.monotonic() < deadline:
            time.sleep(0.05)
        reader.close()
        result["events"] = sent if reader.framed else reader.lines
        result["worker_us"] = cpu[0] * 1e6 / max(1, result["served"])
        result["attacher_us"] = cpu[1] * 1e6 / max(1, result["served"])
        result["attach_ms"] = sidecar.attached_after * 1000
        return result

    def alternate(self, name, load, flags=(), make_reader=Reader, against=None):
        """`against`: flags of a sidecar that the other runs have, instead of none."""
        other = load if against is None else lambda: self.with_capture(load, against)
        pairs = []
        for round_number in range(self.options.rounds):
            if round_number % 2 == 0:
                without, captured = other(), self.with_capture(load, flags, make_reader)
            else:
                captured, without = self.with_capture(load, flags, make_reader), other()
            pairs.append((without, captured))
        def median(values):
            values = list(values)
            return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"
        print(f"\n{name}")
        print("  throughput ratio        ", median(c["rate"] / w["rate"] for w, c in pairs))
        print("  requests/s without, with", f"{statistics.median(w['rate'] for w, _ in pairs):.0f},",
              f"{statistics.median(c['rate'] for _, c in pairs):.0f}")
        if "p50" in pairs[0][0]:
            print("  added latency p50, ms   ", median(c["p50"] - w["p50"] for w, c in pairs))
            print("  added latency p99, ms   ", median(c["p99"] - w["p99"] for w, c in pairs))
        elif "mean_us" in pairs[0][0]:
            print("  added mean latency, us  ", median(c["mean_us"] - w["mean_us"] for w, c in pairs))
        print("  served / emitted / lost records / dropped at the sink",
              "; ".join(f"{c['served']}/{c['events']}/{c['lost']}/{c['dropped']}" for _, c in pairs))
        print("  worker CPU, us/exchange ", median(c["worker_us"] for _, c in pairs))
        print("  attacher CPU, us/exch.  ", median(c["attacher_us"] for _, c in pairs))
        print("  memory, sum of Pss, MiB ", median(c["pss_kib"] / 1024 for _, c in pairs))
        print("  start to attached, ms   ", median(c["attach_ms"] for _, c in pairs), flush=True)

    def start_inside(self, command, port, family="tcp"):
        """A server in the pod's cgroup, once it listens."""
        process = subprocess.Popen(["sh", "-c", f"echo $$ > {self.pod}/cgroup.procs; exec \"$@\"", "sh", *command],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.servers.append(process)
        for _ in range(400):
            with open(f"/proc/net/{family}") as table:
                if any(f":{port:04X} " in line.split(None, 2)[1] + " " and " 0A " in line for line in table):
                    return
            time.sleep(0.05)
        raise SystemExit(f"bench: {command[0]} did not start")

    @staticmethod
    def free_port():
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def http2(self, path):
        """h2load against nghttpd: a fixed number of requests over 10 connections of 100 streams each."""
        count = (300000 if path == self.SIZES["150 B"] else 30000) * self.options.seconds
        out = subprocess.run(["h2load", "-n", str(count), "-c10", "-m100", f"http://127.0.0.1:{self.http2_port}{path}"],
                             capture_output=True, text=True, check=True).stdout
        if f"{count} succeeded, 0 failed" not in out:
            raise SystemExit("bench: h2load: " + out)
        return {"rate": float(re.search(r"([\d.]+) req/s", out).group(1)), "served": count}

    def grpc(self, count):
        start = time.monotonic()
        out = subprocess.run([*self.grpc_pair, "load", str(self.grpc_port), str(count)], capture_output=True, text=True,
                             check=True).stdout
        if int(out) != count:
            raise SystemExit(f"bench: {out.strip()} of {count} calls succeeded")
        return {"rate": count / (time.monotonic() - start), "served": count}

    def streams(self):
        self.http2_port, self.grpc_port = self.free_port(), self.free_port()
        self.start_inside(["nghttpd", "--no-tls", "-a", "127.0.0.1", "-d", f"{self.work}/www", str(self.http2_port)],
                          self.http2_port)
        for size in ("150 B", "10 KiB"):
            self.alternate(f"HTTP/2, nghttpd under h2load, 10 connections of 100 streams, {size}",
                           lambda path=self.SIZES[size]: self.http2(path))
        pair = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../support/grpc_pair.py")
        for python in ("/usr/bin/python3", "python3"):
            if subprocess.run([python, "-c", "import grpc"], capture_output=True, check=False).returncode == 0:
                break
        else:
            print("\ngRPC: skipped, no python3-grpcio")
            return
        self.grpc_pair = [python, pair]
        self.start_inside([*self.grpc_pair, "server", str(self.grpc_port)], self.grpc_port, "tcp6")
        self.alternate("gRPC, unary calls, Python client and server", lambda: self.grpc(2000 * self.options.seconds))

    def neighbours(self, number=20):
        """The same load, with and without `number` sidecars that follow other cgroups."""
        ratios = []
        for _ in range(self.options.rounds):
            alone = self.wrk("/small.json")
            others = []
            for i in range(number):
                cgroup = os.path.join(self.root, f"other{i}")
                os.makedirs(cgroup, exist_ok=True)
                others.append(self.sidecar(cgroup=cgroup))
            ratios.append(self.wrk("/small.json")["rate"] / alone["rate"])
            for sidecar, reader in others:
                sidecar.stop()
                reader.close()
        print(f"\n{number} sidecars on other cgroups, none on this one\n  throughput ratio        ",
              f"{statistics.median(ratios):.3g} ({min(ratios):.3g} to {max(ratios):.3g})", flush=True)

    def idle(self, seconds=20):
        sidecar, reader = self.sidecar()
        time.sleep(3)
        before = sum(sidecar.cpu())
        time.sleep(seconds)
        share = (sum(sidecar.cpu()) - before) / seconds
        print(f"\nidle\n  CPU {share * 100:.3f} %, memory, sum of Pss {sidecar.pss() / 1024:.1f} MiB", flush=True)
        sidecar.stop()
        reader.close()

    def formats_and_rules(self):
        load = lambda: self.wrk(self.SIZES["150 B"])
        self.alternate("nginx, 150 B, eve to a unix socket", load)
        self.alternate("nginx, 150 B, proto to a unix socket", load, make_reader=lambda path: Reader(path, framed=True))
        self.alternate("nginx, 150 B, OTLP to a minimal collector, gzip off", load, make_reader=Collector)
        self.alternate("redaction of headers (default), against none", load, against=["--redact_headers="])
        self.alternate("redaction of JSON fields and query, against none", load,
                       ["--redact_json_fields=password,token,name", "--redact_query=token,key"], against=[])

    def run(self):
        self.start_nginx()
        if self.options.only_http2:
            return self.streams()
        if self.options.only_formats:
            return self.formats_and_rules()
        self.idle(5 if self.options.quick else 20)
        for size, path in self.SIZES.items():
            self.alternate(f"nginx, {size}, default body limit", lambda path=path: self.wrk(path))
            self.alternate(f"nginx, {size}, --max_body_bytes=0", lambda path=path: self.wrk(path), ["--max_body_bytes=0"])
        self.alternate("nginx, 150 B, paced at 10,000/s", lambda: self.paced(10000))
        self.formats_and_rules()
        self.streams()
        self.neighbours()

    def close(self):
        for process in self.servers:
            process.kill()
            process.wait(10)
        if hasattr(self, "nginx"):
            self.nginx.terminate()
            self.nginx.wait(10)
        time.sleep(0.2)
        for folder, _, _ in os.walk(self.root, topdown=False):
            try:
                os.rmdir(folder)
            except OSError as error:
                print("bench: cannot remove", folder, error)
        subprocess.run(["rm", "-rf", self.work], check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only-http2", action="store_true", help="only the rows of HTTP/2 and gRPC")
    parser.add_argument("--only-formats", action="store_true", help="only the rows of formats, OTLP and redaction")
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    options.rounds = 2 if options.quick else 6
    options.seconds = 2 if options.quick else 3
    bench = Bench(options)
    try:
        bench.run()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
