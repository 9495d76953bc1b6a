"""What a broker does between its clients, with mosquitto_pub, mosquitto_sub, paho-mqtt and MQTT.js.

That nothing comes is shown by what comes later: a message that was published afterwards.
"""

import json
import subprocess
import time

from clients import HERE, MESSAGES, PATIENCE, Paho, Sub, check, payloads, pub, start


def features(port):
    retained(port)
    retain_handling(port)
    identifiers(port)
    shared(port)
    wills(port)
    expiry(port)
    aliases(port)
    mqtt_js(port)


def text(messages):
    return [message.payload.decode() for message in messages]


def retained(port):
    publisher = Paho(port, "retainer").connect()
    live = Paho(port, "live").connect()
    live.subscribe("retained/#", 1)
    kept = Paho(port, "keeps-the-flag").connect()
    kept.subscribe("retained/#", 1, retainAsPublished=True)
    for name in "abc":
        code, errors = pub(port, f"retained/{name}", 1, None, "-m", f"message {name}", "-r")
        check(f"retained: mosquitto_pub -r, {name}", (0, ""), (code, errors))
    publisher.publish("retained/d", "message d", retain=True)
    flags = [message.retain for message in live.take(4)]
    check("retained: a live copy has RETAIN 0", [False] * 4, flags)
    check("retained: with Retain As Published, RETAIN 1", [True] * 4, [m.retain for m in kept.take(4)])

    stored = Sub(port, "retained/+", 1, "-C", 4, "-F", "message %r %t: %p").messages()
    expected = [f"message 1 retained/{name}: message {name}" for name in "abcd"]
    check("retained: mosquitto_sub gets all, with RETAIN 1", expected, sorted(stored))

    publisher.publish("retained/a", "newer", retain=True)
    pub(port, "retained/b", 1, None, "-n", "-r")
    late = Paho(port, "late").connect()
    late.subscribe("retained/#", 1)
    found = sorted((m.topic, m.payload.decode(), m.retain) for m in late.take(3))
    expected = [("retained/a", "newer", True), ("retained/c", "message c", True), ("retained/d", "message d", True)]
    check("retained: one is replaced, one is cleared", expected, found)
    for client in (publisher, live, kept, late):
        client.leave()


def retain_handling(port):
    pub(port, "handling/x", 1, None, "-m", "old", "-r")
    for handling, expected in ((0, ["old", "old"]), (1, ["old"]), (2, [])):
        one = Paho(port, f"handling-{handling}").connect()
        one.subscribe("handling/+", 1, retainHandling=handling)
        one.subscribe("handling/+", 1, retainHandling=handling)
        one.publish("handling/y", "fence")
        check(f"Retain Handling {handling}, twice: retained messages", [*expected, "fence"], text(one.take(len(expected) + 1)))
        one.leave()


def identifiers(port):
    one = Paho(port, "identified").connect()
    one.subscribe("ids/#", 1, identifier=11)
    one.subscribe("ids/+", 2, identifier=268_435_455)
    one.subscribe("ids/x/none", 1)
    for topic in ("ids/x", "ids/x/y", "ids/x/none"):
        one.publish(topic, topic, 2)
    found = [(m.topic, m.qos, sorted(getattr(m.properties, "SubscriptionIdentifier", []))) for m in one.take(3)]
    expected = [("ids/x", 2, [11, 268_435_455]), ("ids/x/y", 1, [11]), ("ids/x/none", 1, [11])]
    check("Subscription Identifiers: all that match, in one copy", expected, found)
    one.subscribe("ids/#", 1, identifier=12)
    one.publish("ids/x/y", "", 1)
    found = [getattr(m.properties, "SubscriptionIdentifier", []) for m in one.take(1)]
    check("Subscription Identifiers: another SUBSCRIBE replaces it", [[12]], found)
    one.leave()

    options = ["-D", "subscribe", "subscription-identifier", 7, "-F", "message %S %p", "-C", 1]
    subscriber = Sub(port, "ids/mosquitto", 1, *options).subscribed()
    pub(port, "ids/mosquitto", 1, None, "-m", "it")
    check("Subscription Identifiers: mosquitto_sub", ["message 7 it"], subscriber.messages())


def shared(port):
    for qos in (1, 2):
        members = [Paho(port, f"member-{qos}-{n}", expiry=600).connect() for n in range(3)]
        filters = f"$share/group/shared/{qos}/#"
        for member in members:
            member.subscribe(filters, qos)
        also = Sub(port, filters, qos).subscribed()
        everything = Paho(port, f"everything-{qos}").connect()
        everything.subscribe(f"shared/{qos}/#", qos)

        def came():
            of_members = [payload.decode() for member in members for _, _, payload in member.received]
            return of_members, [line for line in also.lines if line.startswith("message")]

        pub(port, f"shared/{qos}/x", qos, payloads())
        until = time.monotonic() + PATIENCE
        while sum(map(len, came())) < MESSAGES and time.monotonic() < until:
            time.sleep(0.05)
        everything.take(MESSAGES)
        of_members, of_mosquitto = came()
        name = f"shared subscription, QoS {qos}"
        check(f"{name}: each message once", sorted(payloads()), sorted(of_members + of_mosquitto))
        check(f"{name}: each member has some", True, all(m.received for m in members) and bool(of_mosquitto))
        check(f"{name}: the subscription beside it has all", MESSAGES, len(everything.received))
        also.process.kill()
        also.process.wait()

        # Two members are away, and keep their Sessions.
        for member in members[:2]:
            member.drop()
        before = len(members[2].received)
        pub(port, f"shared/{qos}/x", qos, payloads())
        members[2].wait(lambda: len(members[2].received) >= before + MESSAGES)
        found = [payload.decode() for _, _, payload in members[2].received[before:]]
        check(f"{name}: the one that is there gets what is new", True, set(payloads()) <= set(found))
        for client in (members[2], everything):
            client.leave()


def wills(port):
    watcher = Paho(port, "watches-wills").connect()
    watcher.subscribe("delayed/#", 1)
    dies, returns = (
        Paho(port, name, clean=False, expiry=60).will(f"delayed/{name}", f"will of {name}", 1).connect() for name in ("dies", "returns")
    )
    returns.drop()
    returns.connect()
    # So the other one would have been due before.
    dies.drop()
    check("Will Delay Interval: who returns in time has none", ["will of dies"], text(watcher.take(1)))
    returns.leave()
    leaves = Paho(port, "leaves", expiry=60).will("delayed/leaves", "will of leaves", 0).connect()
    leaves.leave()
    watcher.publish("delayed/fence", "fence")
    check("Will: who says goodbye has none", ["fence"], text(watcher.take(1)))
    watcher.leave()


def expiry(port):
    away = Paho(port, "expires", clean=False, expiry=600).connect()
    away.subscribe("expiring/#", 1)
    away.drop()
    publisher = Paho(port, "publishes").connect()
    publisher.publish("expiring/x", "short", MessageExpiryInterval=1)
    publisher.publish("expiring/x", "long", MessageExpiryInterval=1000)
    publisher.publish("expiring/x", "for ever")
    pub(port, "expiring/retained/short", 1, None, "-m", "short", "-r", "-D", "publish", "message-expiry-interval", 1)
    pub(port, "expiring/retained/long", 1, None, "-m", "long", "-r", "-D", "publish", "message-expiry-interval", 1000)
    time.sleep(2.1)
    away.connect()
    found = [(m.payload.decode(), getattr(m.properties, "MessageExpiryInterval", None)) for m in away.take(3)]
    check("Message Expiry Interval: what is late does not come", ["long", "for ever", "long"], [what for what, _ in found])
    check("Message Expiry Interval: what is left of it", True, 900 < found[0][1] <= 998 and found[1][1] is None)
    late = Paho(port, "expires-late").connect()
    late.subscribe("expiring/retained/#", 1)
    late.publish("expiring/retained/fence", "fence")
    check("Message Expiry Interval: retained", ["long", "fence"], text(late.take(2)))
    for client in (away, publisher, late):
        client.leave()


def aliases(port):
    # It knows nothing of aliases itself: they are looked at as they came.
    one = Paho(port, "aliased", TopicAliasMaximum=3).connect()
    one.subscribe("alias/#", 1)
    code, errors = pub(port, "alias/in", 1, payloads(5), "-D", "publish", "topic-alias", 4)
    check("Topic Alias of mosquitto_pub: accepted", (0, ""), (code, errors))
    found = [(m.topic, getattr(m.properties, "TopicAlias", None)) for m in one.take(5)]
    check("Topic Alias: one of the server's own, set once", [("alias/in", 1)] + [("", 1)] * 4, found)
    one.leave()
    plain = Paho(port, "not-aliased").connect()
    plain.subscribe("alias/#", 1)
    pub(port, "alias/in", 1, payloads(2), "-D", "publish", "topic-alias", 4)
    found = [(m.topic, getattr(m.properties, "TopicAlias", None)) for m in plain.take(2)]
    check("Topic Alias: none for who allows none", [("alias/in", None)] * 2, found)
    plain.leave()


def mqtt_js(port):
    """Runs mqtt_js.js, whose lines are rows of the table."""
    script = start("node", HERE / "mqtt_js.js", "features", port, stdout=subprocess.PIPE)
    for line in script.stdout:
        check(**json.loads(line))
    check("MQTT.js: exit code", 0, script.wait(PATIENCE))
