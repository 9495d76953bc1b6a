"""paho-mqtt as a beginner's course uses it: MQTT 3.1.1, callbacks, `clean_session=False`, `loop_start`.

Publishers count their on_publish; a subscriber is away for a while, and throws away what comes twice.
"""

import threading

from clients import check, mqtt

COUNT = 200
LIMIT = 20.0


class Counted:
    """A client, and what its callbacks saw."""

    def __init__(self, port, name):
        self.changed, self.published, self.payloads, self.doubled, self.connected = threading.Condition(), 0, {}, 0, None
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self.client.on_connect = self.on_connect
        self.client.on_publish = self.on_publish
        self.client.on_message = self.on_message
        self.port, self.granted = port, None
        self.client.on_subscribe = lambda c, u, mid, codes, p: self.note("granted", [it.value for it in codes])

    def note(self, name, value):
        with self.changed:
            setattr(self, name, value)
            self.changed.notify_all()

    def on_connect(self, _client, _data, flags, code, _properties):
        self.note("connected", (code.value, flags.session_present))

    def on_publish(self, _client, _data, _mid, _code, _properties):
        self.note("published", self.published + 1)

    def on_message(self, _client, _data, message):
        with self.changed:
            seen = self.payloads.setdefault(message.topic, [])
            if message.payload in seen:
                self.doubled += 1
            else:
                seen.append(message.payload)
            self.changed.notify_all()

    def connect(self):
        self.connected = None
        self.client.connect("127.0.0.1", self.port, 60)
        self.client.loop_start()
        self.wait(lambda: self.connected is not None)
        return self.connected

    def wait(self, condition):
        with self.changed:
            return self.changed.wait_for(condition, LIMIT)

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


def course(port):
    subscriber = Counted(port, "course-subscriber")
    check("course: the subscriber connects", (0, False), subscriber.connect())
    subscriber.client.subscribe([(f"course/{qos}", qos) for qos in range(3)])
    subscriber.wait(lambda: subscriber.granted is not None)
    check("course: granted", [0, 1, 2], subscriber.granted)
    publishers = [Counted(port, f"course-publisher-{qos}") for qos in range(3)]
    for qos, publisher in enumerate(publishers):
        publisher.connect()
    numbers = [str(number).encode() for number in range(2 * COUNT)]
    for half in (numbers[:COUNT], numbers[COUNT:]):
        for qos, publisher in enumerate(publishers):
            for number in half:
                publisher.client.publish(f"course/{qos}", number, qos)
        for qos, publisher in enumerate(publishers):
            publisher.wait(lambda publisher=publisher, half=half: publisher.published >= int(half[-1]) + 1)
            check(f"course: QoS {qos}, on_publish was called", int(half[-1]) + 1, publisher.published)
        if half[0] == b"0":
            subscriber.wait(lambda: all(len(subscriber.payloads.get(f"course/{qos}", [])) >= COUNT for qos in range(3)))
            # Without a DISCONNECT, as with a cable that is pulled out.
            subscriber.client.loop_stop()
            subscriber.client._sock_close()
    check("course: the subscriber is back, its Session was kept", (0, True), subscriber.connect())
    subscriber.wait(lambda: all(len(subscriber.payloads.get(f"course/{qos}", [])) >= 2 * COUNT for qos in (1, 2)))
    for qos in (1, 2):
        check(f"course: QoS {qos}, all in order", True, subscriber.payloads.get(f"course/{qos}") == numbers)
    check("course: QoS 0, what came while it was there", True, subscriber.payloads.get("course/0", [])[:COUNT] == numbers[:COUNT])
    for it in (subscriber, *publishers):
        it.leave()
