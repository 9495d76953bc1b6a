#!/usr/bin/env python3
"""Lets the examples of session-fsm talk to other people's MQTT 5.0 programs.

The client example runs at mosquitto, over connections that it cuts; the server
example serves mosquitto_pub, mosquitto_sub and paho-mqtt, at QoS 0, 1 and 2,
with Sessions that are resumed. What arrives is counted. Prints a table; exits
with 1 if a count is wrong.

Needs mosquitto and its clients (Debian: mosquitto, mosquitto-clients), and puts
paho-mqtt into a virtual environment below the target directory if it is missing.
Everything listens on the loopback interface only, on ports that are free.
"""

import os
import pathlib
import shutil
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
os.environ["PATH"] += ":/usr/sbin"
# 2.1.0 does not read the Reason Code of a DISCONNECT without properties.
PAHO = "paho-mqtt==2.2.0"
MESSAGES = 300
PATIENCE = 15.0

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
except ImportError:
    if os.environ.get("INTEROP_VENV"):
        raise
    venv = ROOT / TARGET / "interop-venv"
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PAHO], check=True)
    os.execve(python, [python, __file__], os.environ | {"INTEROP_VENV": "1"})

running = []
failures = 0


def check(what, expected, found):
    """A row of the table."""
    global failures
    good = expected == found
    failures += not good
    print(f"{'ok' if good else 'FAILED':<8}{what:<70}{found if good else f'{found}, not {expected}'}", flush=True)


def start(*command, **options):
    process = subprocess.Popen([str(part) for part in command], text=True, **options)
    running.append(process)
    return process


def stop_all(*_):
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def wait_for_port(port):
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}")


def summary(text):
    """What the sentences of an example say: lost and repeated messages, by QoS."""
    counts = {}
    for line in text.splitlines():
        if found := re.match(r"(QoS [012]): \d+ messages to \d+ clients, ", line):
            lost = re.search(r"; (\d+) (?:were lost|WERE LOST)", line)
            again = re.search(r"; (\d+) (?:of them again|CAME AGAIN)", line)
            counts[found[1]] = tuple(int(number[1]) if number else 0 for number in (lost, again))
    return counts


def example(what, *command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    except subprocess.TimeoutExpired:
        return check(what, "an end", "none")
    lost_and_repeated = summary(done.stdout)
    check(f"{what}: exit code", 0, done.returncode)
    if done.returncode != 0:
        print(done.stdout, done.stderr, sep="")
    check(f"{what}: a sentence for each QoS", ["QoS 0", "QoS 1", "QoS 2"], list(lost_and_repeated))
    if len(lost_and_repeated) == 3:
        check(f"{what}: lost at QoS 1", 0, lost_and_repeated["QoS 1"][0])
        check(f"{what}: lost, repeated at QoS 2", (0, 0), lost_and_repeated["QoS 2"])


# mosquitto_pub and mosquitto_sub


def payloads(count=MESSAGES):
    return [f"message {number}" for number in range(count)]


def pub(port, topic, qos, lines=None, *more):
    command = ["mosquitto_pub", "-V", "5", "-p", port, "-t", topic, "-q", qos, *more]
    command += ["-l"] if lines else []
    publisher = start(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = publisher.communicate("".join(f"{line}\n" for line in lines or []), timeout=PATIENCE)
    return publisher.returncode, errors.strip()


class Sub:
    """A mosquitto_sub whose output is collected."""

    def __init__(self, port, topic, qos, *more):
        # What -d prints is not flushed otherwise.
        command = ["stdbuf", "-oL", "mosquitto_sub", "-V", "5", "-p", port, "-t", topic, "-q", qos, "-d", "-W", int(PATIENCE), *more]
        self.process = start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.lines, self.changed = [], threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def subscribed(self):
        """Waits for the SUBACK."""
        with self.changed:
            if self.changed.wait_for(lambda: any(line.startswith("Subscribed") for line in self.lines), PATIENCE):
                return self
        sys.exit("\n".join(["mosquitto_sub does not subscribe:", *self.lines]))

    def messages(self):
        """Waits for its end; without the debugging output."""
        self.process.wait(2 * PATIENCE)
        self.reader.join()
        return [line for line in self.lines if line.startswith("message")]


def mosquitto_clients(port):
    for qos in range(3):
        name = f"mosquitto_pub -> mosquitto_sub, QoS {qos}"
        subscriber = Sub(port, f"online/{qos}/#", qos, "-C", MESSAGES).subscribed()
        code, errors = pub(port, f"online/{qos}/x", qos, payloads())
        check(f"{name}: publisher", (0, ""), (code, errors))
        check(f"{name}: all in order", True, subscriber.messages() == payloads())

    for qos in (1, 2):
        name = f"mosquitto_sub -c away and back, QoS {qos}"
        session = ("-c", "-i", f"sleeper-{qos}", "-x", 600)
        Sub(port, f"away/{qos}", qos, "-E", *session).messages()
        pub(port, f"away/{qos}", qos, payloads())
        subscriber = Sub(port, f"away/{qos}", qos, "-C", MESSAGES, *session)
        check(f"{name}: all in order", True, subscriber.messages() == payloads())

    # Wills.
    for delay, name in ((0, "Will"), (1, "Will Delay Interval 1 s")):
        watcher = Sub(port, f"wills/{delay}", 1, "-C", 1).subscribed()
        will = ["--will-topic", f"wills/{delay}", "--will-payload", "message of the dead", "--will-qos", 1, "-x", 60]
        will += ["-D", "will", "will-delay-interval", delay]
        dying = Sub(port, "nothing", 0, *will).subscribed()
        began = time.monotonic()
        dying.process.kill()
        found = watcher.messages()
        check(f"{name}: published, in time", (["message of the dead"], True), (found, delay <= time.monotonic() - began < delay + 1))

    check("an MQTT 3.1.1 client is refused", True, pub(port, "x", 0, None, "-m", "x", "-V", "311")[0] != 0)


# paho-mqtt


class Paho:
    """A paho client that keeps count."""

    def __init__(self, port, name, clean=True, expiry=0, keepalive=60):
        self.port, self.clean, self.expiry, self.keepalive = port, clean, expiry, keepalive
        self.changed = threading.Condition()
        self.received, self.settled, self.ended, self.present, self.granted = [], 0, [], None, None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        self.client.max_inflight_messages_set(50)
        self.client.on_connect = lambda c, u, flags, code, p: self.note("present", (flags.session_present, code.value))
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.note("granted", [code.value for code in codes])
        self.client.on_publish = lambda c, u, mid, code, p: self.note("settled", self.settled + (code.value < 128))
        self.client.on_message = lambda c, u, m: self.note("received", [*self.received, (m.topic, m.qos, m.payload)])
        self.client.on_disconnect = lambda c, u, flags, code, p: self.note("ended", [*self.ended, code.value])

    def note(self, name, value):
        with self.changed:
            setattr(self, name, value)
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE)

    def connect(self, clean=None):
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self.expiry
        self.present = None
        clean = self.clean if clean is None else clean
        self.client.connect("127.0.0.1", self.port, self.keepalive, clean_start=clean, properties=properties)
        self.client.loop_start()
        self.wait(lambda: self.present is not None)
        return self

    def subscribe(self, topic, qos):
        self.granted = None
        self.client.subscribe(topic, qos)
        self.wait(lambda: self.granted is not None)
        return self.granted

    def drop(self):
        """Cuts the connection without a DISCONNECT, whatever is on its way."""
        ended = len(self.ended)
        self.client.loop_stop()
        self.client._sock_close()
        self.client._reset_sockets()
        return ended


def paho(port):
    for qos in range(3):
        one = Paho(port, f"paho-{qos}").connect()
        check(f"paho-mqtt, QoS {qos}: granted", [qos], one.subscribe(f"paho/{qos}", qos))
        for line in payloads():
            one.client.publish(f"paho/{qos}", line, qos)
        one.wait(lambda: len(one.received) >= MESSAGES and one.settled >= MESSAGES)
        expected = [(f"paho/{qos}", qos, line.encode()) for line in payloads()]
        check(f"paho-mqtt, QoS {qos}: all in order, confirmed", (True, MESSAGES), (one.received == expected, one.settled))
        one.client.disconnect()
        one.client.loop_stop()

    # Publishes and subscribes over connections that are dropped with messages in flight.
    for qos in (1, 2):
        one = Paho(port, f"dropper-{qos}", clean=False, expiry=600).connect()
        one.subscribe(f"dropped/{qos}", qos)
        resumed = 0
        for number, line in enumerate(payloads()):
            one.client.publish(f"dropped/{qos}", line, qos)
            if number % 60 == 30:
                one.drop()
                resumed += one.connect().present == (True, 0)
        one.wait(lambda: len({m for _, _, m in one.received}) >= MESSAGES and one.settled >= MESSAGES)
        time.sleep(0.3)
        different = len({m for _, _, m in one.received})
        name = f"paho-mqtt dropped and resumed, QoS {qos}"
        check(f"{name}: resumed", 5, resumed)
        check(f"{name}: different messages, confirmed", (MESSAGES, MESSAGES), (different, one.settled))
        if qos == 2:
            check(f"{name}: doubled", 0, len(one.received) - different)
        else:
            print(f"{'':<8}{name + ': doubled, as they may be':<70}{len(one.received) - different}")
        one.client.disconnect()
        one.client.loop_stop()

    first = Paho(port, "twin", expiry=60).connect()
    second = Paho(port, "twin", clean=False, expiry=60)
    second.connect()
    first.wait(lambda: first.ended)
    first.client.loop_stop()
    check("takeover: the old connection is told 0x8E", [0x8E], first.ended[:1])
    check("takeover: the Session goes on", (True, 0), second.present)
    second.client.disconnect()
    second.client.loop_stop()

    idle = Paho(port, "idle", keepalive=1).connect()
    time.sleep(2.5)
    check("Keep Alive 1 s: still there after 2.5 s without a message", True, idle.client.is_connected())
    idle.client.loop_stop()  # sends no PINGREQ any more
    idle.client.socket().setblocking(True)
    idle.client.socket().settimeout(PATIENCE)
    began, last = time.monotonic(), b""
    while more := idle.client.socket().recv(100):
        last = more
    took = time.monotonic() - began
    check("Keep Alive 1 s: DISCONNECT 0x8D 1.5 s after the last packet", (0x8D, True), (last[2] if len(last) > 2 else last, took < 2))

    nameless = Paho(port, "").connect()
    check("empty ClientID: accepted", (False, 0), nameless.present)
    nameless.client.disconnect()
    nameless.client.loop_stop()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("FAILED: this takes too long"))
    for program in ("mosquitto", "mosquitto_pub", "mosquitto_sub"):
        if not shutil.which(program):
            sys.exit(f"{program} is missing")
    build = ["cargo", "build", "--quiet", "--release", "-p", "mqtt5-session-fsm", "--examples"]
    subprocess.run(build, cwd=ROOT, check=True)
    client, server = (ROOT / TARGET / "release" / "examples" / name for name in ("client", "server"))
    began = time.monotonic()
    signal.alarm(120)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            example("client example, own server", client)
            example("server example, own clients", server)
            port = free_port()
            configuration = pathlib.Path(scratch) / "mosquitto.conf"
            configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
            start("mosquitto", "-c", configuration, cwd=scratch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for_port(port)
            for run in range(1, 4):
                example(f"client example, mosquitto, run {run}", client, f"127.0.0.1:{port}")

            port = free_port()
            serving = start(server, f"127.0.0.1:{port}", stdout=subprocess.PIPE)
            wait_for_port(port)
            mosquitto_clients(port)
            paho(port)
            watcher = Paho(port, "watcher", expiry=60).connect()
            serving.send_signal(signal.SIGINT)
            watcher.wait(lambda: watcher.ended)
            watcher.client.loop_stop()
            check("Ctrl-C: Clients are told 0x8B", [0x8B], watcher.ended[:1])
            check("Ctrl-C: exit code", 0, serving.wait(PATIENCE))
        finally:
            stop_all()
    print(f"{'FAILED' if failures else 'all good'}: {failures} failures, {time.monotonic() - began:.1f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
