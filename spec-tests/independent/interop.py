#!/usr/bin/env python3
"""Lets the example programs talk to other people's MQTT 5.0 and 3.1.1 programs.

The client example runs at mosquitto, over connections that it cuts; the server
example serves mosquitto_pub, mosquitto_sub, paho-mqtt and MQTT.js, with
everything that a broker does between its clients, and is killed with messages
on their way. What arrives is counted. Prints a table; exits with 1 if a count
is wrong.

Needs mosquitto and its clients (Debian: mosquitto, mosquitto-clients), Node.js
and npm, and puts paho-mqtt into a virtual environment below the target
directory if it is missing. Everything listens on the loopback interface only,
on ports that are free.
"""

import functools
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from clients import HERE, MESSAGES, PATIENCE, PROGRAMS, Paho, Server, Sub, build_programs, check, failures, payloads, pub, start, stop_all
from features import features
from older import older
from restart import restart

os.environ["PATH"] += ":/usr/sbin"


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
        check(f"{name}: published, not early", (["message of the dead"], True), (found, delay <= time.monotonic() - began))

    check("an MQTT 3.1 client is refused", True, pub(port, "x", 0, None, "-m", "x", version="31")[0] != 0)


def paho(port):
    for qos in range(3):
        one = Paho(port, f"paho-{qos}").connect()
        check(f"paho-mqtt, QoS {qos}: granted", [qos], one.subscribe(f"paho/{qos}", qos))
        for line in payloads():
            one.client.publish(f"paho/{qos}", line, qos)
        one.wait(lambda: len(one.received) >= MESSAGES and one.settled >= MESSAGES)
        expected = [(f"paho/{qos}", qos, line.encode()) for line in payloads()]
        check(f"paho-mqtt, QoS {qos}: all in order, confirmed", (True, MESSAGES), (one.received == expected, one.settled))
        one.leave()

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
            print(f"{'':<8}{name + ': doubled, as they may be':<78}{len(one.received) - different}")
        one.leave()

    first = Paho(port, "twin", expiry=60).connect()
    second = Paho(port, "twin", clean=False, expiry=60)
    second.connect()
    first.wait(lambda: first.ended)
    first.client.loop_stop()
    check("takeover: the old connection is told 0x8E", [0x8E], first.ended[:1])
    check("takeover: the Session goes on", (True, 0), second.present)
    second.leave()

    idle = Paho(port, "idle", keepalive=1).connect()
    time.sleep(2.5)
    check("Keep Alive 1 s: still there after 2.5 s without a message", True, idle.client.is_connected())
    idle.client.loop_stop()  # sends no PINGREQ any more
    idle.client.socket().setblocking(True)
    idle.client.socket().settimeout(PATIENCE)
    last = b""
    while more := idle.client.socket().recv(100):
        last = more
    check("Keep Alive 1 s: DISCONNECT 0x8D after the last packet", 0x8D, last[2] if len(last) > 2 else last)

    nameless = Paho(port, "").connect()
    check("empty ClientID: accepted", (False, 0), nameless.present)
    nameless.leave()


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("FAILED: this takes too long"))
    for program in ("mosquitto", "mosquitto_pub", "mosquitto_sub", "node", "npm"):
        if not shutil.which(program):
            sys.exit(f"{program} is missing")
    if not (HERE / "node_modules" / "mqtt").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=HERE, check=True)
    build_programs()
    client, server = (PROGRAMS / name for name in ("client", "server"))
    began = time.monotonic()
    signal.alarm(900)
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

            serving = Server(server)
            mosquitto_clients(serving.port)
            paho(serving.port)
            features(serving.port)
            older(serving.port)
            watcher = Paho(serving.port, "watcher", expiry=60).connect()
            serving.process.send_signal(signal.SIGINT)
            watcher.wait(lambda: watcher.ended)
            watcher.client.loop_stop()
            check("Ctrl-C: Clients are told 0x8B", [0x8B], watcher.ended[:1])
            check("Ctrl-C: exit code", 0, serving.process.wait(PATIENCE))
            restart(functools.partial(Server, server), pathlib.Path(scratch))
        finally:
            stop_all()
    print(f"{'FAILED' if failures else 'all good'}: {len(failures)} failures, {time.monotonic() - began:.1f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
