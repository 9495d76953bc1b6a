"""Programs that talk MQTT 5.0 and 3.1.1, and the table of what was found.

The server example, mosquitto_pub, mosquitto_sub and paho-mqtt. paho-mqtt is put into a virtual
environment below the target directory if it is missing.
"""

import contextlib
import gc
import os
import pathlib
import re
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
# 2.1.0 does not read the Reason Code of a DISCONNECT without properties.
PAHO = "paho-mqtt==2.2.0"
# What peers.py wants besides.
MORE = ("aiomqtt==2.5.1", "gmqtt==0.8.0")
MESSAGES = 300
# Seconds until something that does not come is missing. Nothing else is judged by the clock.
PATIENCE = 60.0
# The folder of our programs, if they are built already.
PROGRAMS = pathlib.Path(os.environ.get("MQTT5_PROGRAMS", ROOT / TARGET / "debug")).resolve()

try:
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties
    from paho.mqtt.subscribeoptions import SubscribeOptions
except ImportError:
    if os.environ.get("INTEROP_VENV"):
        raise
    venv = ROOT / TARGET / "interop-venv"
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PAHO, *MORE], check=True)
    os.execve(python, [python, *sys.argv], os.environ | {"INTEROP_VENV": "1"})

running = []
failures = []
checked = 0


def build_programs():
    """Builds our programs, unless MQTT5_PROGRAMS says where they are."""
    if "MQTT5_PROGRAMS" not in os.environ:
        subprocess.run(["cargo", "build", "--quiet", "-p", "mqtt5-examples", "--bins"], cwd=ROOT, check=True)


def check(what, expected, found):
    """A row of the table."""
    global checked
    checked += 1
    good = expected == found
    if not good:
        failures.append(what)
    shown = str(found) if good else f"{found}, not {expected}"
    if good and len(shown) > 60:
        shown = f"{shown[:57]}..."
    print(f"{'ok' if good else 'FAILED':<8}{what:<78}{shown}", flush=True)


def start(*command, **options):
    process = subprocess.Popen([str(part) for part in command], text=True, **options)
    running.append(process)
    return process


def forget_ended():
    """Closes what belonged to programs that have ended: paho cannot wait for a socket whose number is above 1,023."""
    for process in running[:]:
        if process.poll() is not None:
            for pipe in filter(None, (process.stdin, process.stdout, process.stderr)):
                with contextlib.suppress(OSError):
                    pipe.close()
            running.remove(process)
    # Clients of paho refer to themselves.
    gc.collect()


def stop_all(*_):
    for process in running:
        if process.poll() is None:
            process.kill()
            process.wait()


class Server:
    """The server example, on a port that the system chooses."""

    def __init__(self, program, store=None):
        arguments = ["--store", store] if store else []
        self.process = start(program, "127.0.0.1:0", *arguments, stdout=subprocess.PIPE)
        for line in self.process.stdout:
            if found := re.match(r"The server listens at .*:(\d+)\.", line):
                self.port = int(found[1])
                return
        sys.exit("the server does not start")

    def kill(self):
        """As a crash does: without a warning."""
        self.process.kill()
        self.process.wait()


def payloads(count=MESSAGES):
    return [f"message {number}" for number in range(count)]


def pub(port, topic, qos, lines=None, *more, version="5"):
    command = ["mosquitto_pub", "-V", version, "-p", port, "-t", topic, "-q", qos, *more]
    command += ["-l"] if lines else []
    publisher = start(*command, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    _, errors = publisher.communicate("".join(f"{line}\n" for line in lines or []), timeout=PATIENCE)
    return publisher.returncode, errors.strip()


class Sub:
    """A mosquitto_sub whose output is collected."""

    def __init__(self, port, topic, qos, *more, version="5"):
        # What -d prints is not flushed otherwise.
        command = ["stdbuf", "-oL", "mosquitto_sub", "-V", version, "-p", port, "-t", topic, "-q", qos, "-d", "-W", int(PATIENCE), *more]
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


class Paho:
    """A paho client that keeps count."""

    def __init__(self, port, name, clean=True, expiry=0, keepalive=60, **properties):
        self.port, self.clean, self.keepalive = port, clean, keepalive
        self.properties = {"SessionExpiryInterval": expiry, **properties}
        self.changed = threading.Condition()
        self.received, self.messages, self.settled, self.ended, self.present, self.granted = [], [], 0, [], None, None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, protocol=mqtt.MQTTv5)
        self.client.max_inflight_messages_set(50)
        self.client.on_connect = lambda c, u, flags, code, p: self.note("present", (flags.session_present, code.value))
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.note("granted", [code.value for code in codes])
        # 0x92: the PUBREL had come before the cut, and the PUBCOMP was lost.
        self.client.on_publish = lambda c, u, mid, code, p: self.note("settled", self.settled + (code.value < 0x80 or code.value == 0x92))
        self.client.on_message = lambda c, u, m: self.came(m)
        self.client.on_disconnect = lambda c, u, flags, code, p: self.note("ended", [*self.ended, code.value])

    def note(self, name, value):
        with self.changed:
            setattr(self, name, value)
            self.changed.notify_all()

    def came(self, message):
        with self.changed:
            self.messages.append(message)
            self.received.append((message.topic, message.qos, message.payload))
            self.changed.notify_all()

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE)

    def take(self, count):
        """Waits for this many messages in all; returns them, those that came last, too."""
        self.wait(lambda: len(self.messages) >= count)
        with self.changed:
            taken, self.messages = self.messages, []
            return taken

    def will(self, topic, payload, delay):
        """Before it connects."""
        self.client.will_set(topic, payload, 1, properties=properties_of(PacketTypes.WILLMESSAGE, WillDelayInterval=delay))
        return self

    def connect(self, clean=None):
        properties = properties_of(PacketTypes.CONNECT, **self.properties)
        self.present = None
        clean = self.clean if clean is None else clean
        self.client.connect("127.0.0.1", self.port, self.keepalive, clean_start=clean, properties=properties)
        self.client.loop_start()
        self.wait(lambda: self.present is not None)
        return self

    def subscribe(self, topic, qos, identifier=None, **options):
        self.granted = None
        known = {} if identifier is None else {"SubscriptionIdentifier": identifier}
        properties = properties_of(PacketTypes.SUBSCRIBE, **known)
        self.client.subscribe(topic, options=SubscribeOptions(qos, **options), properties=properties)
        self.wait(lambda: self.granted is not None)
        return self.granted

    def publish(self, topic, payload, qos=1, retain=False, **properties):
        """Returns when the message is confirmed."""
        properties = properties_of(PacketTypes.PUBLISH, **properties)
        self.client.publish(topic, payload, qos, retain, properties).wait_for_publish(PATIENCE)

    def drop(self):
        """Cuts the connection without a DISCONNECT, whatever is on its way."""
        ended = len(self.ended)
        self.client.loop_stop()
        self.client._sock_close()
        self.client._reset_sockets()
        return ended

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def properties_of(packet_type, **values):
    properties = Properties(packet_type)
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
