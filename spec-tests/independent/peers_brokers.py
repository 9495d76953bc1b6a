"""Our clients at the brokers of others: mosquitto, and ejabberd with its module mod_mqtt."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import threading

from clients import PROGRAMS, check, payloads, start
from interop import free_port, wait_for_port
from peers_setup import SCHEMES

# Seconds for a program of ours.
LIMIT = 60
EJABBERD = """hosts: [localhost]
listen:
  - {{port: {mqtt}, ip: 127.0.0.1, module: mod_mqtt, backlog: 100}}
  - {{port: {mqtts}, ip: 127.0.0.1, module: mod_mqtt, backlog: 100, tls: true}}
  - {{port: {ws}, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {{/mqtt: mod_mqtt}}}}
  - {{port: {wss}, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {{/mqtt: mod_mqtt}}, tls: true}}
certfiles: ["{certificates}"]
auth_method: [anonymous]
anonymous_protocol: both
allow_multiple_connections: true
shaper: {{}}
shaper_rules: {{}}
modules:
  mod_mqtt: {{max_queue: infinity}}
"""
LOGIN = ("-u", "somebody@localhost", "--password", "x")


def ours(name, *arguments, text=None):
    """Exit code and output of one of our programs."""
    command = [PROGRAMS / name, *map(str, arguments)]
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return "no end", "", ""
    return done.returncode, done.stdout, done.stderr


def messages(broker, url, version, options):
    options = ["-s", url, "--version", version, *options]
    for qos in range(3):
        topic = f"ours/{version}/{qos}"
        subscriber = start(PROGRAMS / "subscribe", topic, "-q", qos, "-c", 300, "-v", *options, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for_line(subscriber.stderr, "ubscribed")
        code, _, errors = ours("publish", topic, "--lines", "-q", qos, *options, text="".join(f"{line}\n" for line in payloads()))
        what = f"{broker}, {url.partition(':')[0]}, MQTT {version}, QoS {qos}"
        check(f"{what}: publish", (0, ""), (code, errors))
        lines = finish(subscriber)
        check(f"{what}: subscribe gets all in order", True, lines == payloads())


def wait_for_line(stream, part):
    for line in stream:
        if part in line:
            return


def finish(process):
    """The lines of a program that ends by itself."""
    timer = threading.Timer(LIMIT, process.kill)
    timer.start()
    lines = process.stdout.read().splitlines()
    process.wait()
    timer.cancel()
    return lines


def features(broker, url, options):
    for version in ("5", "3.1.1"):
        what, at = f"{broker}, MQTT {version}", ["-s", url, "--version", version, *options]
        kept = f"kept/{version}"
        check(f"{what}: publish --retain", 0, ours("publish", kept, "it", "--retain", *at)[0])
        found = ours("subscribe", kept, "-c", 1, "--format", "%r %p", *at)
        check(f"{what}: the retained message", (0, "1 it\n"), found[:2])
        ours("publish", kept, "", "--retain", *at)
        # Away and back, with a journal.
        with tempfile.TemporaryDirectory() as scratch:
            session = ["--id", f"sleeper-{version.replace('.', '')}", "--session-expiry", 600, "--journal", f"{scratch}/journal", *at]
            sleeper = start(PROGRAMS / "subscribe", f"away/{version}", "-q", 2, "-v", *session, stderr=subprocess.PIPE)
            wait_for_line(sleeper.stderr, "ubscribed")
            sleeper.kill()
            sleeper.wait()
            code = ours("publish", f"away/{version}", "--lines", "-q", 2, *at, text="".join(f"{line}\n" for line in payloads()))[0]
            check(f"{what}: publish for who is away", 0, code)
            found = ours("subscribe", f"away/{version}", "-q", 2, "-c", 300, *session)
            check(f"{what}: what was queued, in order", True, found[1].splitlines() == payloads())
        watcher = start(PROGRAMS / "subscribe", f"will/{version}", "-q", 1, "-c", 1, "-v", *at, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_for_line(watcher.stderr, "ubscribed")
        will = ["--will-topic", f"will/{version}", "--will-payload", "the will", "--will-qos", 1]
        dies = start(PROGRAMS / "subscribe", "nothing", "-v", *will, *at, stderr=subprocess.PIPE)
        wait_for_line(dies.stderr, "ubscribed")
        dies.kill()
        check(f"{what}: Will", ["the will"], finish(watcher))
    at = ["-s", url, *options]
    pairs = ["--user-property", "a=1", "--user-property", "b=2"]
    responder = start(PROGRAMS / "respond", "questions", "--echo", "-c", 1, "-v", *at, stderr=subprocess.PIPE)
    wait_for_line(responder.stderr, "ubscribed")
    found = ours("request", "questions", "six times seven", *at, *pairs)
    check(f"{broker}: request and respond", (0, "six times seven\n"), found[:2])
    responder.wait(LIMIT)


# The scenarios of the lab whose promises both brokers keep. mosquitto 2.0.11 exceeds the Receive Maximum (`flow`), and looks
# for Wills that are due once a second (`will`). ejabberd 23.01 loses messages with QoS 2 over cuts (`home`).
AT_BOTH = ("qos", "retained", "requests", "rules", "aliases", "announced", "versions")
AT_MOSQUITTO = ("cuts", "session", "crash", "breaker", "factory", "home")


def lab(broker, address, scratch, *scenarios):
    code, output, errors = ours("lab", "--broker", address, "--messages", 200, "--page", scratch / "lab.html", *scenarios)
    promises = re.search(r"All (\d+) promises were kept", output)
    check(f"{broker}: lab, promises kept", (0, True), (code, bool(promises)))
    if promises:
        print(f"{'':<8}{broker}: {promises[0]}")
    else:
        print(output, errors, *(line for line in output.splitlines() if "BROKEN" in line), sep="\n")


def brokers(keys, scratch):
    at_mosquitto(keys, scratch)
    at_ejabberd(keys, scratch)


def at_mosquitto(keys, scratch):
    ports = {scheme: free_port() for scheme in SCHEMES}
    lines = ["allow_anonymous true", "persistence false", "max_queued_messages 0"]
    for scheme, port in ports.items():
        lines.append(f"listener {port} 127.0.0.1")
        if scheme.startswith("ws"):
            lines.append("protocol websockets")
        if scheme in ("mqtts", "wss"):
            lines += [f"certfile {keys.certificate}", f"keyfile {keys.key}"]
    configuration = scratch / "mosquitto.conf"
    configuration.write_text("\n".join(lines) + "\n")
    # As root it becomes the user mosquitto, who must be able to read the files.
    os.chmod(scratch, 0o755)
    os.chmod(keys.key, 0o644)
    process = start("mosquitto", "-c", configuration, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for port in ports.values():
        wait_for_port(port)
    for scheme, port in ports.items():
        for version in ("5", "3.1.1"):
            messages("mosquitto", f"{scheme}://127.0.0.1:{port}", version, ["--ca", keys.authority])
    features("mosquitto", f"mqtt://127.0.0.1:{ports['mqtt']}", [])
    lab("mosquitto", f"127.0.0.1:{ports['mqtt']}", scratch, *AT_BOTH, *AT_MOSQUITTO)
    process.terminate()
    process.wait()


def at_ejabberd(keys, scratch):
    with Ejabberd(keys, scratch) as broker:
        for scheme, port in broker.ports.items():
            path = "/mqtt" if scheme.startswith("ws") else ""
            for version in ("5", "3.1.1"):
                messages("ejabberd", f"{scheme}://127.0.0.1:{port}{path}", version, ["--ca", keys.authority, *LOGIN])
        features("ejabberd", f"mqtt://127.0.0.1:{broker.ports['mqtt']}", LOGIN)
        with LoginProxy(broker.ports["mqtt"]) as proxy:
            lab("ejabberd", f"127.0.0.1:{proxy.port}", scratch, *AT_BOTH)


class Ejabberd:
    """Without its control script: alone, not a node of a cluster, so that it needs no port mapper and no user of its own."""

    def __init__(self, keys, scratch):
        self.ports, directory = {scheme: free_port() for scheme in SCHEMES}, scratch / "ejabberd"
        directory.mkdir()
        certificates = directory / "certificates.pem"
        certificates.write_text("".join(it.read_text() for it in (keys.certificate, keys.key, keys.authority)))
        configuration = directory / "ejabberd.yml"
        configuration.write_text(EJABBERD.format(certificates=certificates, **self.ports))
        environment = os.environ | {
            "ERL_LIBS": "/usr/lib/x86_64-linux-gnu",
            "EJABBERD_CONFIG_PATH": str(configuration),
            "EJABBERD_LOG_PATH": str(directory / "ejabberd.log"),
            "HOME": str(directory),
        }
        for libraries in pathlib.Path("/usr/lib").glob("*/ejabberd-*"):
            environment["ERL_LIBS"] = str(libraries.parent)
        command = ["erl", "-noinput", "-mnesia", "dir", f'"{directory}/spool"', "-s", "ejabberd"]
        # `erl` becomes the emulator.
        self.process = start(*command, env=environment, cwd=directory, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for port in self.ports.values():
            wait_for_port(port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class LoginProxy:
    """Adds a User Name and a Password to each CONNECT: ejabberd wants them, and the lab has none."""

    def __init__(self, port):
        self.target, self.listener = port, socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[client], daemon=True).start()

    def serve(self, client):
        try:
            connect = self.read_packet(client)
            server = socket.create_connection(("127.0.0.1", self.target))
            server.sendall(connect)
        except OSError:
            return client.close()
        threading.Thread(target=copy, args=[client, server], daemon=True).start()
        copy(server, client)

    def read_packet(self, client):
        first, length, shift = client.recv(1), 0, 0
        while True:
            (byte,) = client.recv(1) or b"\0"
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        body = bytearray()
        while len(body) < length and (more := client.recv(length - len(body))):
            body += more
        # The flags come after the name and the version of the protocol; the two are the last fields.
        body[7] |= 0xC0
        for text in (b"lab@localhost", b"x"):
            body += len(text).to_bytes(2, "big") + text
        size, digits = len(body), bytearray()
        while True:
            size, digit = divmod(size, 128)
            digits.append(digit | (0x80 if size else 0))
            if not size:
                return first + digits + body


def copy(source, target):
    try:
        while part := source.recv(65536):
            target.sendall(part)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
