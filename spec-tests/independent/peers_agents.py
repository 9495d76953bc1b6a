"""The client libraries of others, each behind its agent (see peers/protocol.md)."""

import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field

from clients import HERE, start
from peers_setup import CARGO, SCHEMES

PEERS = HERE / "peers"
# Seconds until something that does not come is missing.
LIMIT = 8.0
MANY = ("identifier", "user_property")


@dataclass
class Library:
    name: str
    command: list
    schemes: tuple = SCHEMES
    # What the library does not have or does not show; peers_scenarios.py says what the words mean.
    lacks: set = field(default_factory=set)
    # One process for each client.
    single: bool = False


LIBRARIES = [
    Library("paho", [sys.executable, PEERS / "agent_paho.py"], lacks={"aliases resolved", "pubrec refusals"}),
    Library("aiomqtt", [sys.executable, PEERS / "agent_aiomqtt.py"], lacks={"aliases of the server", "puback code"}),
    Library("gmqtt", [sys.executable, PEERS / "agent_gmqtt.py"], schemes=("mqtt", "mqtts"), lacks={"puback code"}),
    Library("mqtt.js", ["node", PEERS / "agent_mqtt_js.js"]),
    Library("paho-c", [CARGO / "agent_paho_c"], schemes=("mqtt", "mqtts"), lacks={"aliases resolved"}, single=True),
    # 1.3.12 reads one MQTT packet of those that came together in a WebSocket, and the next when more comes.
    Library("paho-c", [CARGO / "agent_paho_c"], schemes=("ws", "wss"), lacks={"packets that come together"}, single=True),
    Library("rumqttc", [CARGO / "rumqttc-peer" / "debug" / "rumqttc-peer"], lacks={"aliases resolved", "short Keep Alive", "short DISCONNECT"}),
]


class Client:
    """A client in an agent, and what it has said."""

    def __init__(self, agent, name):
        self.agent, self.name = agent, name
        self.events, self.messages, self.changed = {}, [], threading.Condition()

    def heard(self, what, fields):
        with self.changed:
            if what == "message":
                self.messages.append(fields)
            else:
                self.events.setdefault(what, []).append(fields)
            self.changed.notify_all()

    def wait(self, condition, limit=LIMIT):
        with self.changed:
            return self.changed.wait_for(condition, limit)

    def next(self, what, count=1):
        """The next events of this kind."""
        self.wait(lambda: len(self.events.get(what, [])) >= count)
        with self.changed:
            return self.events.pop(what, [])

    def tell(self, command, **fields):
        self.agent.tell(self.name, command, fields)

    def connect(self, **fields):
        """Returns the code and whether there was a Session."""
        known = {"url": self.agent.url, "version": self.agent.version, "id": f"{self.agent.tag}-{self.name}"}
        self.tell("connect", **(known | fields))
        found = self.next("connected")
        self.assigned = found[0].get("assigned") if found else None
        return (int(found[0]["code"]), int(found[0]["present"])) if found else "no answer"

    def subscribe(self, topic_filter, qos=1, **fields):
        self.tell("subscribe", filter=topic_filter, qos=qos, **fields)
        found = self.next("granted")
        return found[0]["codes"] if found else "no answer"

    def publish(self, topic, payload, qos=1, **fields):
        """Returns the codes, when all are settled."""
        count = fields.get("count", 1)
        self.tell("publish", topic=topic, payload=payload, qos=qos, **fields)
        found = [int(it["code"]) for it in self.next("published", count)] if qos else []
        # Nobody had subscribed; some libraries do not tell this from success.
        return [0 if code == 0x10 else code for code in found]

    def take(self, count):
        """Waits for this many messages; returns all that came."""
        self.wait(lambda: len(self.messages) >= count)
        with self.changed:
            taken, self.messages = self.messages, []
            return taken

    def drop(self):
        if self.agent.library.single:
            process = self.agent.processes.pop(self.name)
            process.kill()
            process.wait()
        else:
            self.tell("drop")

    def disconnect(self):
        self.tell("disconnect")


class Agent:
    """A library that talks to a broker with one version over one transport."""

    def __init__(self, library, url, version, tag=""):
        self.library, self.url, self.version = library, url, version
        self.scheme = url.partition(":")[0]
        self.tag = tag or f"{library.name}-{version}-{self.scheme}"
        self.clients, self.processes, self.lock = {}, {}, threading.Lock()

    def client(self, name, **fields):
        """A client that is connected."""
        client = self.clients[name] = Client(self, name)
        code = client.connect(**fields)
        if code[0] != 0:
            raise RuntimeError(f"{self.tag}: {name} is not connected: {code}")
        return client

    def stranger(self, name):
        """A client that is not connected yet."""
        client = self.clients[name] = Client(self, name)
        return client

    def process(self, name):
        key = name if self.library.single else ""
        if key not in self.processes:
            process = start(*self.library.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.processes[key] = process
            threading.Thread(target=self.read, args=[process], daemon=True).start()
        return self.processes[key]

    def tell(self, name, command, fields):
        pairs = []
        for key, value in fields.items():
            pairs += [f"{key}={one}" for one in (value if isinstance(value, list) else [value])]
        with self.lock:
            process = self.process(name)
            process.stdin.write("\t".join([command, name, *pairs]) + "\n")
            process.stdin.flush()

    def read(self, process):
        for line in process.stdout:
            what, name, *parts = line.rstrip("\n").split("\t")
            fields = {}
            for part in parts:
                key, _, value = part.partition("=")
                if key in MANY:
                    fields.setdefault(key, []).append(value)
                else:
                    fields[key] = value
            if what == "error":
                print(f"{self.tag}: {line}", end="", flush=True)
            if client := self.clients.get(name):
                client.heard(what, fields)

    def stop(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def settle(seconds):
    """Waits for something that says nothing when it is done."""
    time.sleep(seconds)
