"""All at once: each peer, with each version over each transport, and our own programs subscribe to everything, and publish.

Each has to get the messages of each other one, in order, and those with QoS 1 and 2 once.
"""

import subprocess
import threading
import time

from clients import PROGRAMS, check, pub, start
from peers_agents import LIBRARIES, Agent

# Messages of each peer at each QoS.
COUNT = 10
# Seconds until everything has to be there.
LIMIT = 60.0


class OfLibrary:
    def __init__(self, library, url, version, group):
        self.agent = Agent(library, url, version)
        self.name, self.group, self.client = self.agent.tag, group, None

    def subscribe(self):
        self.client = self.agent.client(f"everybody-{self.group}")
        self.client.subscribe(f"{self.group}/+/+", 2)

    def publish(self):
        for qos in range(3):
            self.client.publish(f"{self.group}/{self.name}/{qos}", "n", qos, count=COUNT)

    def came(self):
        return [(it["topic"], it["payload"]) for it in list(self.client.messages)]

    def stop(self):
        self.agent.stop()


class OfProgram:
    """Two programs, one of which subscribes."""

    def __init__(self, name, group, subscriber):
        self.name, self.group, self.subscriber = name, group, [str(part) for part in subscriber]
        self.process, self.lines = None, []

    def subscribe(self):
        self.process = start(*self.subscriber, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        threading.Thread(target=self.read, daemon=True).start()
        until = time.monotonic() + 10
        while not any("ubscribed" in line for line in self.lines) and time.monotonic() < until:
            time.sleep(0.01)

    def read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))

    def came(self):
        return [tuple(line.split()[1:]) for line in list(self.lines) if line.startswith("it ")]

    def stop(self):
        self.process.kill()
        self.process.wait()


class OfMosquitto(OfProgram):
    def __init__(self, port, authority, version, group):
        tls = ["--cafile", authority, "-h", "127.0.0.1"] if authority else []
        command = ["stdbuf", "-oL", "mosquitto_sub", "-V", version, "-p", port, "-q", 2, "-t", f"{group}/+/+", "-d", "-F", "it %t %p", *tls]
        super().__init__(f"mosquitto-{version}-{'mqtts' if tls else 'mqtt'}", group, command)
        self.port, self.version, self.tls = port, version, tls

    def publish(self):
        for qos in range(3):
            topic, lines = f"{self.group}/{self.name}/{qos}", [f"n{number}" for number in range(COUNT)]
            found = pub(self.port, topic, qos, lines, *self.tls, version=self.version)
            if found != (0, ""):
                check(f"{self.name}: mosquitto_pub, QoS {qos}", (0, ""), found)


class OfOurs(OfProgram):
    def __init__(self, url, authority, version, group):
        self.options = ["-s", url, "--ca", authority, "--version", version]
        command = [PROGRAMS / "subscribe", f"{group}/+/+", "-q", 2, "--format", "it %t %p", "-v", *self.options]
        super().__init__(f"ours-{version}-{url.partition(':')[0]}", group, command)

    def publish(self):
        for qos in range(3):
            command = [PROGRAMS / "publish", f"{self.group}/{self.name}/{qos}", "--lines", "-q", str(qos), *map(str, self.options)]
            lines = "".join(f"n{number}\n" for number in range(COUNT))
            done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=30, check=False)
            if done.returncode:
                check(f"{self.name}: publish, QoS {qos}", 0, f"{done.returncode}: {done.stderr}")


def peers(broker, keys, group):
    for library in LIBRARIES:
        if "packets that come together" in library.lacks:
            continue
        for version in ("5", "311"):
            for scheme in library.schemes:
                yield OfLibrary(library, broker.urls[scheme], version, group)
    for version in ("5", "311"):
        yield OfMosquitto(broker.port, None, version, group)
        yield OfMosquitto(broker.port_of("mqtts"), keys.authority, version, group)
    for version in ("5", "3.1.1"):
        for url in broker.urls.values():
            yield OfOurs(url, keys.authority, version, group)


def together(all_of_them, what):
    threads = [threading.Thread(target=getattr(it, what)) for it in all_of_them]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def exchange(broker, keys, group):
    everybody = list(peers(broker, keys, group))
    together(everybody, "subscribe")
    began = time.monotonic()
    together(everybody, "publish")
    expected = {f"{group}/{it.name}/{qos}": [f"n{number}" for number in range(COUNT)] for it in everybody for qos in range(3)}
    total = len(expected) * COUNT
    while any(len(it.came()) < total for it in everybody) and time.monotonic() < began + LIMIT:
        time.sleep(0.1)
    for it in everybody:
        found = {}
        for topic, payload in it.came():
            found.setdefault(topic, []).append(payload)
        wrong = sorted(topic for topic in expected | found if found.get(topic) != expected.get(topic))
        what = f"{group}: {it.name} gets {total} messages of {len(everybody)} peers, in order"
        check(what, [], wrong[:5] + ([f"and {len(wrong) - 5} more"] if len(wrong) > 5 else []))
        it.stop()
    seconds = time.monotonic() - began
    print(f"{'':<8}{len(everybody)} peers, {total * len(everybody)} deliveries in {seconds:.1f} s")
