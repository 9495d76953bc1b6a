"""The server example is killed, as by a crash, and goes on with its store."""

import json
import subprocess

from clients import HERE, MESSAGES, PATIENCE, Paho, Sub, check, payloads, pub, start
from features import text


def restart(serve, scratch):
    """`serve` starts a server with a store."""
    survivals(serve, scratch / "survivals")
    for qos in (1, 2):
        on_their_way(serve, scratch / f"on-their-way-{qos}", qos)
    mqtt_js(serve, scratch / "mqtt-js")


def survivals(serve, store):
    """What was acknowledged is there after a restart."""
    server = serve(store)
    port = server.port
    pub(port, "kept/retained", 1, None, "-m", "message retained", "-r")
    session = ("-c", "-i", "sleeper", "-x", 600)
    Sub(port, "kept/queue", 2, "-E", *session).messages()
    code, errors = pub(port, "kept/queue", 2, payloads())
    check("restart: mosquitto_pub, QoS 2", (0, ""), (code, errors))
    member = Paho(port, "absent-member", clean=False, expiry=600).connect()
    member.subscribe("$share/group/kept/shared", 1)
    member.drop()
    pub(port, "kept/shared", 1, payloads(10))
    identified = Paho(port, "kept-identifier", clean=False, expiry=600).connect()
    identified.subscribe("kept/identified", 1, identifier=99)
    dies = Paho(port, "dies-with-it", clean=False, expiry=600).will("kept/will", "the will", 0).connect()
    watcher = Paho(port, "waits-for-wills", clean=False, expiry=600).connect()
    watcher.subscribe("kept/will", 1)
    server.kill()
    for client in (identified, dies, watcher):
        client.drop()

    server = serve(store)
    port = member.port = identified.port = watcher.port = server.port
    stored = Sub(port, "kept/retained", 1, "-C", 1, "-F", "message %r %p").messages()
    check("restart: the retained message", ["message 1 message retained"], stored)
    queued = Sub(port, "kept/queue", 2, "-C", MESSAGES, *session).messages()
    check("restart: the messages for mosquitto_sub -c, in order", True, queued == payloads())
    member.connect()
    check("restart: the messages of the group, in order", payloads(10), text(member.take(10)))
    identified.connect()
    identified.publish("kept/identified", "it")
    found = [(m.payload, m.properties.SubscriptionIdentifier) for m in identified.take(1)]
    check("restart: the subscription and its identifier", [(b"it", [99])], found)
    watcher.connect()
    check("restart: the Will of a client that was connected", ["the will"], text(watcher.take(1)))
    for client in (member, identified, watcher):
        client.leave()
    server.kill()


def on_their_way(serve, store, qos):
    """A client that publishes and subscribes, while the server is killed again and again."""
    server = serve(store)
    one = Paho(server.port, f"survivor-{qos}", clean=False, expiry=600).connect()
    one.subscribe("way", qos)
    resumed = 0
    for number, line in enumerate(payloads()):
        one.client.publish("way", line, qos)
        if number % 60 == 30:
            server.kill()
            one.drop()
            server = serve(store)
            one.port = server.port
            resumed += one.connect().present == (True, 0)
    one.wait(lambda: len({m for _, _, m in one.received}) >= MESSAGES and one.settled >= MESSAGES)
    one.publish("way", "fence", qos)
    one.wait(lambda: one.received[-1][2] == b"fence")
    came = [m.decode() for _, _, m in one.received[:-1]]
    name = f"killed five times under paho-mqtt, QoS {qos}"
    check(f"{name}: the Session went on", 5, resumed)
    check(f"{name}: different messages, confirmed", (MESSAGES, MESSAGES + 1), (len(set(came)), one.settled))
    if qos == 2:
        check(f"{name}: doubled", 0, len(came) - len(set(came)))
    one.leave()
    server.kill()


def mqtt_js(serve, store):
    """The same with MQTT.js, which says after how many messages it wants to see a crash."""
    server = serve(store)
    script = start("node", HERE / "mqtt_js.js", "crashes", server.port, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for line in script.stdout:
        if line == "crash\n":
            server.kill()
            server = serve(store)
            print(server.port, file=script.stdin, flush=True)
        else:
            check(**json.loads(line))
    check("killed under MQTT.js: exit code", 0, script.wait(PATIENCE))
    server.kill()
