"""Clients that speak MQTT 3.1.1, among themselves and beside those of MQTT 5.0: mosquitto_pub, mosquitto_sub,
paho-mqtt, MQTT.js.
"""

import json
import subprocess
import threading

from clients import HERE, MESSAGES, PATIENCE, Paho, Sub, check, mqtt, payloads, pub

VERSIONS = (("311", "311"), ("5", "311"), ("311", "5"))


def older(port):
    messages(port)
    sessions(port)
    retained_and_wills(port)
    shared(port)
    paho(port)
    mqtt_js(port)


def messages(port):
    for sender, receiver in VERSIONS:
        for qos in range(3):
            name = f"mosquitto_pub -V {sender} -> mosquitto_sub -V {receiver}, QoS {qos}"
            topic = f"older/{sender}/{receiver}/{qos}"
            subscriber = Sub(port, f"{topic}/#", qos, "-C", MESSAGES, version=receiver).subscribed()
            published = pub(port, f"{topic}/x", qos, payloads(), version=sender)
            check(f"{name}: publisher", (0, ""), published)
            check(f"{name}: all in order", True, subscriber.messages() == payloads())


def sessions(port):
    for first, second in (("311", "311"), ("311", "5"), ("5", "311")):
        name = f"mosquitto_sub -V {first} away, back with -V {second}"
        topic = f"older-away/{first}/{second}"
        session = ["-c", "-i", f"sleeper-{first}-{second}"]
        forever = {"5": ["-x", 4294967295], "311": []}
        Sub(port, topic, 2, "-E", *session, *forever[first], version=first).messages()
        pub(port, topic, 2, payloads(), version="311")
        subscriber = Sub(port, topic, 2, "-C", MESSAGES, *session, *forever[second], version=second)
        check(f"{name}: all in order", True, subscriber.messages() == payloads())


def retained_and_wills(port):
    properties = ["-D", "publish", "content-type", "text", "-D", "publish", "user-property", "a", "b"]
    pub(port, "older-kept/5", 1, None, "-m", "message 5", "-r", *properties)
    pub(port, "older-kept/311", 1, None, "-m", "message 311", "-r", version="311")
    for version in ("5", "311"):
        found = Sub(port, "older-kept/+", 1, "-C", 2, "-F", "message %r %p", version=version).messages()
        expected = ["message 1 message 311", "message 1 message 5"]
        check(f"retained messages of both versions, mosquitto_sub -V {version}", expected, sorted(found))
    watcher = Sub(port, "older-wills", 1, "-C", 1, version="311").subscribed()
    will = ["--will-topic", "older-wills", "--will-payload", "message of the dead", "--will-qos", 1]
    dying = Sub(port, "nothing", 0, *will, version="311").subscribed()
    dying.process.kill()
    check("Will of an MQTT 3.1.1 client", ["message of the dead"], watcher.messages())


def shared(port):
    members = [Paho(port, f"older-member-{n}").connect() for n in range(2)]
    for member in members:
        member.subscribe("$share/older/older-shared", 1)
    also = Sub(port, "$share/older/older-shared", 1, version="311").subscribed()
    pub(port, "older-shared", 1, payloads(), version="311")

    def came():
        of_members = [payload.decode() for member in members for _, _, payload in member.received]
        return of_members + [line for line in also.lines if line.startswith("message")]

    waiting = threading.Event()
    for _ in range(int(PATIENCE / 0.05)):
        if len(came()) >= MESSAGES:
            break
        waiting.wait(0.05)
    check("shared subscription of both versions: each message once", sorted(payloads()), sorted(came()))
    also.process.kill()
    also.process.wait()
    for member in members:
        member.leave()


def paho(port):
    received, changed = [], threading.Condition()

    def came(_client, _data, message):
        with changed:
            received.append((message.qos, message.payload.decode()))
            changed.notify_all()

    granted = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="older-paho", protocol=mqtt.MQTTv311)
    client.on_message = came
    client.on_subscribe = lambda c, d, mid, codes, p: granted.extend(code.value for code in codes)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.subscribe([("older-paho/#", 2), ("older-paho/+", 0)])
    for qos in range(3):
        for line in payloads():
            client.publish(f"older-paho/{qos}", line, qos)
    with changed:
        changed.wait_for(lambda: len(received) >= 3 * MESSAGES, PATIENCE)
    check("paho-mqtt, MQTT 3.1.1: granted", [2, 0], granted)
    for qos in range(3):
        found = [payload for of_qos, payload in received if of_qos == qos]
        check(f"paho-mqtt, MQTT 3.1.1, QoS {qos}: all in order", True, found == payloads())
    client.disconnect()
    client.loop_stop()


def mqtt_js(port):
    command = ["node", str(HERE / "older.js"), str(port), str(MESSAGES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
    found = json.loads(done.stdout or "{}")
    expected = {"granted": [2], "received": MESSAGES, "inOrder": True, "sessionPresent": [False, True], "whileAway": 3}
    check("MQTT.js, MQTT 3.1.1", expected, found)
    if done.stderr:
        print(done.stderr)
