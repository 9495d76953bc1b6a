"""mosquitto_pub, mosquitto_sub and mosquitto_rr, over TCP and TLS: what `interop.py` does not ask of them."""

import subprocess

from clients import MESSAGES, Sub, check, payloads, pub, start
from peers_setup import PASSWORD, USER

LIMIT = 20


def mosquitto_programs(broker, keys):
    over = {"mqtt": [], "mqtts": ["-h", "127.0.0.1", "--cafile", keys.authority]}
    for scheme, options in over.items():
        port = broker.port_of(scheme)
        for version in ("5", "311"):
            one(port, f"mosquitto {version} {scheme}", f"programs/{scheme}/{version}", version, options)
        properties(port, f"mosquitto 5 {scheme}", f"properties/{scheme}", options)
        requests(port, f"mosquitto_rr 5 {scheme}", f"requests/{scheme}", options)


def one(port, name, topic, version, options):
    for qos in range(3):
        subscriber = Sub(port, f"{topic}/{qos}", qos, "-C", MESSAGES, *options, version=version).subscribed()
        check(f"{name}, QoS {qos}: publisher", (0, ""), pub(port, f"{topic}/{qos}", qos, payloads(), *options, version=version))
        check(f"{name}, QoS {qos}: all in order", True, subscriber.messages() == payloads())
    wrong = pub(port, topic, 1, None, "-m", "x", "-u", USER, "-P", "public", *options, version=version)
    # With MQTT 5, 2.0.11 says "Not authorized" for 0x86.
    reasons = ("bad user name or password", "not authorized")
    check(f"{name}: a wrong password", (True, True), (wrong[0] != 0, any(reason in wrong[1].lower() for reason in reasons)))
    alice = ["-u", USER, "-P", PASSWORD, *options]
    check(f"{name}: the right password", (0, ""), pub(port, topic, 1, None, "-m", "x", *alice, version=version))
    refused = Sub(port, "forbidden/#", 1, "-E", *alice, version=version)
    refused.process.wait(LIMIT)
    refused.reader.join()
    check(f"{name}: a forbidden Topic Filter", True, any("135" in line or "128" in line for line in refused.lines))
    if version == "5":
        found = pub(port, "forbidden/x", 1, None, "-m", "x", *alice)
        check(f"{name}: a forbidden topic", True, "Not authorized" in found[1])
    # A shared subscription with a Session, whose member is away.
    group = f"$share/group/{topic}/shared"
    session = ["-c", "-i", f"{topic.replace('/', '-')}-member", *(["-x", 600] if version == "5" else []), *options]
    Sub(port, group, 1, "-E", *session, version=version).messages()
    pub(port, f"{topic}/shared", 1, payloads(20), *options, version=version)
    came = Sub(port, group, 1, "-C", 20, *session, version=version).messages()
    check(f"{name}: a shared subscription that was away", payloads(20), came)


def properties(port, name, topic, options):
    # %P is all User Properties, %C the Content Type, %R the Response Topic, %D the Correlation Data, %E what is left of the expiry.
    subscriber = Sub(port, topic, 1, "-C", 1, "-F", "message %P %C %R %D %F %p", *options).subscribed()
    sent = ["user-property", "a", "1"], ["user-property", "a", "2"], ["content-type", "text"], ["response-topic", "here"]
    sent += ["correlation-data", "number7"], ["payload-format-indicator", "1"]
    flags = [part for one in sent for part in ("-D", "publish", *one)]
    check(f"{name}: publisher with properties", (0, ""), pub(port, topic, 1, None, "-m", "x", *flags, *options))
    check(f"{name}: the properties come", ["message a:1 a:2 text here number7 1 x"], subscriber.messages())
    # No Local and Retain As Published are options of mosquitto_sub; the publisher is another client, so all comes.
    subscriber = Sub(port, f"{topic}/kept", 1, "-C", 1, "--retain-as-published", "-F", "message %r %p", *options).subscribed()
    pub(port, f"{topic}/kept", 1, None, "-m", "x", "-r", *options)
    check(f"{name}: Retain As Published", ["message 1 x"], subscriber.messages())
    small = ["-D", "connect", "maximum-packet-size", 100, "-D", "connect", "receive-maximum", 1]
    subscriber = Sub(port, f"{topic}/small", 2, "-C", 20, *small, *options).subscribed()
    pub(port, f"{topic}/small", 2, ["message " + 200 * "x", *payloads(20)], *options)
    check(f"{name}: Maximum Packet Size 100, Receive Maximum 1", payloads(20), subscriber.messages())


def requests(port, name, topic, options):
    at = ["-p", port, *options, "-W", LIMIT]
    answers = start("stdbuf", "-oL", "mosquitto_sub", "-V", 5, *at, "-t", topic, "-C", 1, "-F", "%R %D", "-d", stdout=subprocess.PIPE)
    while "Subscribed" not in answers.stdout.readline():
        pass
    asks = start("mosquitto_rr", "-V", 5, *at, "-t", topic, "-e", f"{topic}/answer", "-m", "?", "-D", "publish", "correlation-data", "c1", stdout=subprocess.PIPE)
    request = next((line for line in answers.stdout if line.startswith(topic)), "").split()
    check(f"{name}: the request has a Response Topic", [f"{topic}/answer", "c1"], request)
    pub(port, f"{topic}/answer", 1, None, "-m", "42", "-D", "publish", "correlation-data", "c1", *options)
    check(f"{name}: the response", "42\n", asks.communicate(timeout=2 * LIMIT)[0])
