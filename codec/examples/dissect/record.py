"""The clients whose session with a broker record.sh records.

    record.py free-port     prints a port that is free on both loopback addresses
    record.py talk PORT     holds the conversation with the broker on that port

Six connections: a dashboard that subscribes, a thermometer that publishes, a
door sensor that dies and leaves a will, a client with a wrong password, a
client that sends a malformed packet, and the dashboard again, resuming its
session.
"""

import multiprocessing
import os
import signal
import socket
import sys
import threading
import time

PATIENCE = 10.0


def free_port():
    for port in [1883, *range(21883, 21983)]:
        try:
            for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                socket.create_server((address, port), family=family).close()
        except OSError:
            continue
        return port
    sys.exit("record.py: no free port")


def properties(packet, **values):
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    result = Properties(getattr(PacketTypes, packet))
    for name, value in values.items():
        setattr(result, name, value)
    return result


class Talker:
    """A paho client whose every step waits for the broker's answer."""

    def __init__(self, client_id, user, password):
        import paho.mqtt.client as mqtt

        self.answered = threading.Condition()
        self.answers = []
        self.messages = []
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=client_id, protocol=mqtt.MQTTv5)
        self.client.username_pw_set(user, password)
        self.client.on_connect = lambda *a: self.note("connect", a[3])
        self.client.on_publish = lambda *a: self.note("publish", a[3])
        self.client.on_subscribe = lambda *a: self.note("subscribe", a[3])
        self.client.on_unsubscribe = lambda *a: self.note("unsubscribe", a[3])
        self.client.on_disconnect = lambda *a: self.note("disconnect", a[3])
        self.client.on_message = self.keep

    def note(self, event, outcome):
        with self.answered:
            self.answers.append((event, outcome))
            self.answered.notify_all()

    def keep(self, _client, _userdata, message):
        with self.answered:
            self.messages.append(message.topic)
            self.answered.notify_all()

    def wait(self, what, ready):
        with self.answered:
            if not self.answered.wait_for(ready, PATIENCE):
                sys.exit(f"record.py: waited in vain for {what}: {self.answers} {self.messages}")

    def answer(self, event):
        self.wait(event, lambda: any(seen == event for seen, _ in self.answers))
        with self.answered:
            outcomes = [outcome for seen, outcome in self.answers if seen == event]
            self.answers = [answer for answer in self.answers if answer[0] != event]
        return outcomes[-1]

    def connect(self, address, port, **options):
        self.client.connect(address, port, **options)
        self.client.loop_start()
        return self.answer("connect")

    def publish(self, topic, payload, qos=0, retain=False, **values):
        self.client.publish(topic, payload, qos, retain, properties("PUBLISH", **values))
        return self.answer("publish")

    def subscribe(self, filters, **values):
        self.client.subscribe(filters, properties=properties("SUBSCRIBE", **values))
        return self.answer("subscribe")

    def unsubscribe(self, filters, **values):
        self.client.unsubscribe(filters, properties=properties("UNSUBSCRIBE", **values))
        return self.answer("unsubscribe")

    def received(self, *topics):
        self.wait(f"messages {topics}", lambda: all(self.messages.count(t) >= topics.count(t) for t in topics))
        with self.answered:
            for topic in topics:
                self.messages.remove(topic)

    def disconnect(self, **values):
        # A QoS 2 delivery ends with the client's PUBCOMP, after the callback.
        time.sleep(0.3)
        self.client.disconnect(properties=properties("DISCONNECT", **values))
        self.answer("disconnect")
        self.client.loop_stop()


def dashboard():
    return Talker("dashboard", "dashboard", "all the lights")


def thermometer(port, screen):
    """Publishes at each quality of service, with every property there is."""
    sensor = Talker("", "thermometer", "warm and dry")
    sensor.client.will_set(
        "status/thermometer",
        b'{"online":false}',
        qos=1,
        retain=True,
        properties=properties(
            "WILLMESSAGE",
            WillDelayInterval=5,
            PayloadFormatIndicator=1,
            MessageExpiryInterval=3600,
            ContentType="application/json",
            ResponseTopic="house/replies",
            CorrelationData=b"\x00\x01will",
            UserProperty=("site", "attic"),
        ),
    )
    sensor.connect(
        "127.0.0.1",
        port,
        keepalive=60,
        clean_start=True,
        properties=properties(
            "CONNECT",
            SessionExpiryInterval=120,
            ReceiveMaximum=10,
            MaximumPacketSize=4096,
            TopicAliasMaximum=4,
            RequestResponseInformation=1,
            RequestProblemInformation=1,
            UserProperty=[("maker", "Æther & Söhne"), ("maker", "second of the same name")],
        ),
    )
    sensor.publish("house/attic/temperature", b"21.5")
    screen.received("house/attic/temperature")
    sensor.publish(
        "house/attic/temperature",
        "21.6 °C".encode(),
        qos=1,
        PayloadFormatIndicator=1,
        MessageExpiryInterval=600,
        TopicAlias=1,
        ResponseTopic="house/replies",
        CorrelationData=bytes(range(8)),
        UserProperty=[("unit", "°C"), ("sensor", "DS18B20"), ("unit", "again")],
        ContentType="text/plain; charset=utf-8",
    )
    screen.received("house/attic/temperature")
    # The alias stands in for the topic from here on.
    sensor.publish("", b"21.7", qos=1, TopicAlias=1)
    screen.received("house/attic/temperature")
    sensor.publish("house/attic/alarm", b"smoke", qos=2, UserProperty=("level", "3"))
    screen.received("house/attic/alarm")
    sensor.publish("house/cellar/pump", b"", qos=1)
    screen.received("house/cellar/pump")
    # Forbidden by the broker's access list: PUBACK and PUBREC with 0x87. The
    # client answers that PUBREC with a PUBREL all the same, which it should not.
    sensor.publish("forbidden/topic", b"let me in", qos=1)
    sensor.publish("forbidden/topic", b"let me in", qos=2)
    sensor.publish("house/attic/humidity", b"48", qos=1, retain=True, MessageExpiryInterval=86400)
    screen.received("house/attic/humidity")
    sensor.disconnect(SessionExpiryInterval=0, ReasonString="battery low", UserProperty=("volts", "2.9"))


def doomed_door_sensor(port, connected):
    door = Talker("door", "thermometer", "warm and dry")
    door.client.will_set(
        "house/door/status",
        b"gone",
        qos=2,
        properties=properties("WILLMESSAGE", ContentType="text/plain", UserProperty=("cause", "unknown")),
    )
    door.connect("::1", port, keepalive=20)
    door.publish("house/door/status", b"open", qos=2)
    connected.set()
    time.sleep(PATIENCE)


def door_sensor_dies(port, screen):
    connected = multiprocessing.Event()
    process = multiprocessing.Process(target=doomed_door_sensor, args=(port, connected))
    process.start()
    if not connected.wait(PATIENCE):
        sys.exit("record.py: the door sensor did not connect")
    screen.received("house/door/status")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    screen.received("house/door/status")


def wrong_password(port):
    intruder = Talker("intruder", "dashboard", "guessed")
    intruder.client.connect("127.0.0.1", port)
    # By hand, because the client's own thread would try again for ever.
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and not any(event == "disconnect" for event, _ in intruder.answers):
        intruder.client.loop(0.1)
    outcome = intruder.answer("connect")
    if not outcome.is_failure:
        sys.exit("record.py: the broker accepted a wrong password")


def malformed_packet(port):
    """A client written by hand: packets cut and joined at odd places, then nonsense."""

    def text(string):
        encoded = string.encode()
        return len(encoded).to_bytes(2, "big") + encoded

    body = text("MQTT") + bytes([5, 0xC2, 0, 20, 0]) + text("clumsy") + text("dashboard") + text("all the lights")
    connect = bytes([0x10, len(body)]) + body
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for start, end in ((0, 1), (1, 9), (9, None)):
            stream.sendall(connect[start:end])
            time.sleep(0.05)
        stream.recv(1024)
        subscribe = text("house/attic/#") + b"\x01"
        whole = bytes([0x82, len(subscribe) + 3, 0, 1, 0]) + subscribe
        # The fixed header's reserved flags of the second SUBSCRIBE are 0, not 2.
        stream.sendall(whole + b"\xc0\x00" + bytes([0x80]) + whole[1:])
        while stream.recv(1024):
            pass


def talk(port):
    from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
    from paho.mqtt.subscribeoptions import SubscribeOptions

    screen = dashboard()
    screen.connect(
        "127.0.0.1",
        port,
        keepalive=2,
        clean_start=MQTT_CLEAN_START_FIRST_ONLY,
        properties=properties("CONNECT", SessionExpiryInterval=300, ReceiveMaximum=5, TopicAliasMaximum=3),
    )
    screen.subscribe(
        [
            ("house/+/temperature", SubscribeOptions(qos=1, retainAsPublished=True)),
            ("house/attic/alarm", SubscribeOptions(qos=2, noLocal=True)),
            ("house/door/#", SubscribeOptions(qos=2, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)),
            ("$share/screens/house/cellar/#", SubscribeOptions(qos=0)),
        ],
        SubscriptionIdentifier=268_435_455,
        UserProperty=("purpose", "overview"),
    )
    screen.subscribe([("house/attic/humidity", SubscribeOptions(qos=1))], SubscriptionIdentifier=7)
    thermometer(port, screen)
    door_sensor_dies(port, screen)
    wrong_password(port)
    malformed_packet(port)

    # Subscribing again with another identifier delivers the retained message.
    screen.subscribe([("house/attic/humidity", SubscribeOptions(qos=1))], SubscriptionIdentifier=300)
    screen.received("house/attic/humidity")
    screen.unsubscribe(["house/+/temperature", "house/never/subscribed"], UserProperty=("why", "enough"))
    # Long enough in silence for a PINGREQ.
    time.sleep(3)
    screen.disconnect(SessionExpiryInterval=60, ReasonString="back in a minute")

    again = dashboard()
    again.connect(
        "::1",
        port,
        keepalive=10,
        clean_start=False,
        properties=properties("CONNECT", SessionExpiryInterval=60),
    )
    again.publish("house/attic/humidity", b"47", qos=2, ContentType="text/plain")
    again.received("house/attic/humidity")
    again.publish("house/attic/humidity", b"", qos=1, retain=True)
    again.received("house/attic/humidity")
    again.disconnect(SessionExpiryInterval=0)


def main():
    match sys.argv[1:]:
        case ["free-port"]:
            print(free_port())
        case ["talk", port]:
            talk(int(port))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
