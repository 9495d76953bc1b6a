"""What a client of MQTT does with a broker, once for each library, version and transport.

That nothing comes is shown by what comes later. `lacks` of a library has:

- "aliases resolved": the application sees the Topic Aliases of the server, and empty topics
- "aliases of the server": aiomqtt 2.5.1 fails at a message with an empty topic, so it must not allow aliases
- "packets that come together": libpaho-mqtt 1.3.12 with a WebSocket; what has one packet at a time is left
- "short Keep Alive": rumqttc 0.25.1 wants at least 5 s with MQTT 5
- "short DISCONNECT": rumqttc 0.25.1 calls a DISCONNECT without properties malformed (3.14.2.2.1 allows it)
- "puback code": the library does not say the Reason Code of a PUBACK
- "pubrec refusals": paho-mqtt 2.2.0 answers a PUBREC of 0x87 with a PUBREL, against [MQTT-4.3.3-4], and says 0x92, the
  Reason Code of the PUBCOMP that it gets
"""

import time

from peers_setup import PASSWORD, USER

BURST = 100
SCENARIOS = []


def scenario(function):
    SCENARIOS.append(function)
    return function


class Run:
    """The checks of one agent."""

    def __init__(self, agent):
        self.agent, self.rows, self.is_new = agent, [], agent.version == "5"
        self.lacks = agent.library.lacks

    def check(self, what, expected, found):
        self.rows.append((f"{self.agent.library.name} {self.agent.version} {self.agent.scheme}: {what}", expected, found))

    def topic(self, name):
        return f"{self.agent.tag}/{name}"

    def forever(self):
        """The fields of a CONNECT for a Session that stays."""
        return {"clean": 0, "expiry": 600} if self.is_new else {"clean": 0}

    def all(self):
        if "packets that come together" in self.lacks:
            for one in (wills, refusals, identifiers_of_clients):
                one(self)
            return
        is_short = not (self.is_new and "short Keep Alive" in self.lacks)
        idler = self.agent.client("idler", keepalive=1 if is_short else 5)
        finish_expiry = expiry(self) if self.is_new else lambda: None
        began = time.monotonic()
        for one in SCENARIOS:
            one(self)
        if self.is_new:
            for one in NEW:
                one(self)
        time.sleep(max(0.0, 2.2 - (time.monotonic() - began)))
        finish_expiry()
        self.check(f"Keep Alive {1 if is_short else 5} s: still there", ([0], None), (idler.publish(self.topic("idle"), "x"), idler.events.get("lost")))


def texts(messages):
    return [message["payload"] for message in messages]


@scenario
def messages(run):
    one = run.agent.client("one")
    for qos in range(3):
        topic = run.topic(f"messages/{qos}")
        run.check(f"QoS {qos}: granted", str(qos), one.subscribe(topic, qos))
        codes = one.publish(topic, "message ", qos, count=BURST)
        came = one.take(BURST)
        run.check(f"QoS {qos}: settled", [0] * BURST if qos else [], codes)
        run.check(f"QoS {qos}: all in order", [f"message {number}" for number in range(BURST)], texts(came))
        run.check(f"QoS {qos}: with this QoS, not retained", {(str(qos), "0")}, {(it["qos"], it["retain"]) for it in came})
    one.tell("unsubscribe", filter=run.topic("messages/1"))
    run.check("UNSUBACK", "0", (one.next("unsubscribed") or [{}])[0].get("codes"))
    one.publish(run.topic("messages/1"), "gone")
    one.publish(run.topic("messages/2"), "fence")
    run.check("unsubscribed: nothing comes", ["fence"], texts(one.take(1)))
    one.disconnect()


@scenario
def retained(run):
    live = run.agent.client("live")
    live.subscribe(run.topic("kept/+"), 1)
    live.publish(run.topic("kept/a"), "first", retain=1)
    live.publish(run.topic("kept/b"), "b", retain=1)
    live.publish(run.topic("kept/a"), "second", 2, retain=1)
    run.check("retained: live copies have RETAIN 0", [("first", "0"), ("b", "0"), ("second", "0")], [(it["payload"], it["retain"]) for it in live.take(3)])
    late = run.agent.client("late")
    late.subscribe(run.topic("kept/+"), 1)
    found = sorted((it["topic"], it["payload"], it["retain"]) for it in late.take(2))
    run.check("retained: the last of each topic, RETAIN 1", [(run.topic("kept/a"), "second", "1"), (run.topic("kept/b"), "b", "1")], found)
    live.publish(run.topic("kept/a"), "", retain=1)
    live.publish(run.topic("kept/b"), "", retain=1)
    later = run.agent.client("later")
    later.subscribe(run.topic("kept/+"), 1)
    later.publish(run.topic("kept/c"), "fence")
    run.check("retained: cleared", ["fence"], texts(later.take(1)))
    for client in (live, late, later):
        client.disconnect()


@scenario
def session(run):
    sleeper = run.agent.client("sleeper", **run.forever())
    sleeper.subscribe(run.topic("away/#"), 2)
    sleeper.drop()
    other = run.agent.client("other")
    for qos in (1, 2):
        other.publish(run.topic(f"away/{qos}"), "queued ", qos, count=30)
    run.check("Session: present", (0, 1), sleeper.connect(**run.forever()))
    expected = [f"queued {number}" for number in range(30)]
    came = sleeper.take(60)
    for qos in (1, 2):
        found = [it["payload"] for it in came if it["qos"] == str(qos)]
        run.check(f"Session: what was queued at QoS {qos}, in order", expected, found)
    other.publish(run.topic("away/live"), "live")
    run.check("Session: the subscription goes on", ["live"], texts(sleeper.take(1)))
    sleeper.disconnect()
    run.check("Session: a clean start ends it", (0, 0), run.agent.stranger("sleeper").connect(clean=1))
    other.disconnect()


@scenario
def wills(run):
    watcher = run.agent.client("watcher")
    watcher.subscribe(run.topic("wills/#"), 1)
    will = {"will_payload": "the will", "will_qos": 1}
    leaves = run.agent.client("leaves", will_topic=run.topic("wills/leaves"), **will)
    leaves.disconnect()
    dies = run.agent.client("dies", will_topic=run.topic("wills/dies"), **will)
    dies.drop()
    found = [(it["topic"], it["payload"], it["qos"]) for it in watcher.take(1)]
    run.check("Will: of who dies, not of who leaves", [(run.topic("wills/dies"), "the will", "1")], found)
    if run.is_new:
        began = time.monotonic()
        late = run.agent.client("late-will", will_topic=run.topic("wills/late"), will_delay=1, expiry=60, **will)
        late.drop()
        came = texts(watcher.take(1))
        run.check("Will Delay Interval 1 s: not early", (["the will"], True), (came, time.monotonic() - began >= 1))
    watcher.disconnect()


@scenario
def shared(run):
    members = [run.agent.client(f"member-{number}") for number in range(2)]
    for member in members:
        member.subscribe(f"$share/{run.agent.tag}/{run.topic('shared')}", 1)
    other = run.agent.client("for-members")
    other.publish(run.topic("shared"), "shared ", count=60)
    until = time.monotonic() + 10
    while sum(len(it.messages) for it in members) < 60 and time.monotonic() < until:
        time.sleep(0.02)
    found = [texts(it.take(0)) for it in members]
    run.check("shared subscription: each once", sorted(f"shared {n}" for n in range(60)), sorted(sum(found, [])))
    run.check("shared subscription: each member has some", [True, True], [bool(it) for it in found])
    for client in (*members, other):
        client.disconnect()


@scenario
def refusals(run):
    wrong = run.agent.stranger("wrong")
    run.check("a wrong password", (0x86 if run.is_new else 4, 0), wrong.connect(user=USER, password="public"))
    alice = run.agent.client("alice", user=USER, password=PASSWORD)
    run.check("a forbidden Topic Filter", "135" if run.is_new else "128", alice.subscribe("forbidden/#", 1))
    if run.is_new:
        for qos in (1, 2):
            # The library may say no more than that the message is settled.
            code = 0 if "puback code" in run.lacks else 0x92 if qos == 2 and "pubrec refusals" in run.lacks else 0x87
            run.check(f"a forbidden topic, QoS {qos}", [code], alice.publish("forbidden/x", "x", qos))
    run.check("after that, an allowed one", [0], alice.publish(run.topic("allowed"), "x"))
    alice.disconnect()


@scenario
def identifiers_of_clients(run):
    nameless = run.agent.stranger("nameless")
    run.check("an empty ClientID", (0, 0), nameless.connect(id="", clean=1))
    if run.is_new:
        run.check("Assigned Client Identifier", True, bool(nameless.assigned))
    first, second = run.agent.client("twin"), run.agent.stranger("twin-2")
    run.check("takeover", (0, 0), second.connect(id=f"{run.agent.tag}-twin"))
    code = (first.next("lost") or [{}])[0].get("code")
    says = run.is_new and "short DISCONNECT" not in run.lacks
    run.check(f"takeover: the old connection ends{', 0x8E' if says else ''}", str(0x8E) if says else True, code if says else code is not None)
    for client in (nameless, second):
        client.disconnect()


def expiry(run):
    away = run.agent.client("expiring", **run.forever())
    away.subscribe(run.topic("expiring"), 1)
    away.drop()
    other = run.agent.client("expires")
    other.publish(run.topic("expiring"), "short", expiry=1)
    other.publish(run.topic("expiring"), "long", expiry=1000)
    other.publish(run.topic("expiring"), "for ever")

    def finish():
        away.connect(**run.forever())
        found = [(it["payload"], it.get("expiry")) for it in away.take(2)]
        run.check("Message Expiry Interval: what is late does not come", ["long", "for ever"], [payload for payload, _ in found])
        left = [int(it) if it else None for _, it in found]
        run.check("Message Expiry Interval: what is left", True, len(left) == 2 and 900 < left[0] <= 998 and left[1] is None)

    return finish


def properties(run):
    one = run.agent.client("properties")
    one.subscribe(run.topic("properties"), 2)
    sent = {
        "format": "1",
        "content_type": "text/plain",
        "response_topic": "answers/here",
        "correlation": "number 7",
        "user_property": ["a:1", "a:2", "b:3"],
    }
    one.publish(run.topic("properties"), "x", 2, **sent)
    message = (one.take(1) or [{}])[0]
    run.check("properties of a message, User Properties in order", sent, {key: message.get(key) for key in sent})
    one.disconnect()


def request_and_response(run):
    asks, answers = run.agent.client("asks"), run.agent.client("answers")
    asks.subscribe(run.topic("answers"), 1)
    answers.subscribe(run.topic("questions"), 1)
    asks.publish(run.topic("questions"), "six times seven", response_topic=run.topic("answers"), correlation="c1")
    for request in answers.take(1):
        answers.publish(request["response_topic"], "42", correlation=request["correlation"])
    run.check("request and response", [("42", "c1")], [(it["payload"], it.get("correlation")) for it in asks.take(1)])
    for client in (asks, answers):
        client.disconnect()


def aliases(run):
    known = {} if "aliases of the server" in run.lacks else {"alias_maximum": 3}
    one = run.agent.client("aliased", **known)
    topic = run.topic("alias")
    one.subscribe(topic, 1)
    one.publish(topic, "0", alias=4)
    one.publish(topic, "1", alias=4)
    one.publish("", "2", alias=4)
    came = one.take(3)
    run.check("Topic Alias of the client: also without a topic", ["0", "1", "2"], texts(came))
    topics = [topic, "", ""] if "aliases resolved" in run.lacks else [topic] * 3
    run.check("Topic Alias of the server", topics, [it["topic"] for it in came])
    one.disconnect()


def identifiers(run):
    one = run.agent.client("identified")
    one.subscribe(run.topic("ids/#"), 1, identifier=11)
    one.subscribe(run.topic("ids/+"), 1, identifier=268_435_455)
    one.publish(run.topic("ids/x"), "both")
    one.publish(run.topic("ids/x/y"), "one")
    found = [sorted(it.get("identifier", []), key=int) for it in one.take(2)]
    run.check("Subscription Identifiers", [["11", "268435455"], ["11"]], found)
    one.disconnect()


def subscribe_options(run):
    one, other = run.agent.client("options"), run.agent.client("other-options")
    one.subscribe(run.topic("own"), 1, no_local=1)
    one.publish(run.topic("own"), "mine")
    other.publish(run.topic("own"), "of another")
    run.check("No Local", ["of another"], texts(one.take(1)))
    other.subscribe(run.topic("published"), 1, retain_as_published=1)
    other.publish(run.topic("published"), "kept", retain=1)
    run.check("Retain As Published", ["1"], [it["retain"] for it in other.take(1)])
    for handling, expected in ((0, 2), (1, 1), (2, 0)):
        client = run.agent.client(f"handling-{handling}")
        for _ in range(2):
            client.subscribe(run.topic("published"), 1, retain_handling=handling)
        client.publish(run.topic("published"), "fence")
        run.check(f"Retain Handling {handling}, twice", ["kept"] * expected + ["fence"], texts(client.take(expected + 1)))
        client.disconnect()
    other.publish(run.topic("published"), "", retain=1)
    for client in (one, other):
        client.disconnect()


def limits(run):
    small = run.agent.client("small", maximum_packet=200)
    small.subscribe(run.topic("small"), 1)
    other = run.agent.client("large")
    other.publish(run.topic("small"), "x" * 500)
    other.publish(run.topic("small"), "fits")
    run.check("Maximum Packet Size: what is larger does not come", ["fits"], texts(small.take(1)))
    for qos in (1, 2):
        narrow = run.agent.client(f"narrow-{qos}", receive_maximum=2)
        narrow.subscribe(run.topic(f"narrow/{qos}"), qos)
        other.publish(run.topic(f"narrow/{qos}"), "n", qos, count=30)
        run.check(f"Receive Maximum 2, QoS {qos}: all in order", [f"n{number}" for number in range(30)], texts(narrow.take(30)))
        narrow.disconnect()
    for client in (small, other):
        client.disconnect()


NEW = [properties, request_and_response, aliases, identifiers, subscribe_options, limits]
