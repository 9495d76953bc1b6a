#!/usr/bin/env python3
"""Asks two independent MQTT 5.0 decoders about the test vectors.

The decoders are tshark and mqtt-packet (see README.md for how to get them).
For each vector their verdict (accept, reject or incomplete) is compared with
the vector's, and the fields of packets that all accept are compared with each
other. disagreements.md lists what differs and why; the reasons come from
explanations.toml. A disagreement without a reason is a failure.

    cross_check.py            writes disagreements.md
    cross_check.py --check    only says whether it is up to date
    cross_check.py --raw      prints every disagreement, explained or not
"""

import argparse
import fnmatch
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
VECTORS = HERE.parent / "vectors"
REPORT = HERE / "disagreements.md"
EXPLANATIONS = HERE / "explanations.toml"

PACKET_TYPES = [
    "reserved", "connect", "connack", "publish", "puback", "pubrec", "pubrel", "pubcomp",
    "subscribe", "suback", "unsubscribe", "unsuback", "pingreq", "pingresp", "disconnect", "auth",
]  # fmt: skip
# These say "Success" by leaving the Reason Code out.
MAY_OMIT_SUCCESS = {"puback", "pubrec", "pubrel", "pubcomp", "disconnect", "auth"}
SENT_BY_SERVERS = {"connack", "suback", "unsuback", "pingresp"}


@dataclass
class Vector:
    """One case of a vector file."""

    name: str
    file: str
    sender: str
    data: bytes
    expect: str
    statements: list

    @property
    def verdict(self):
        return self.expect.split()[0]


@dataclass
class Answer:
    """What a decoder said."""

    verdict: str
    reason: str = ""
    packets: list = field(default_factory=list)


@dataclass
class Disagreement:
    """A vector about which a decoder says something else, or a field about which the decoders do."""

    decoder: str
    vector: Vector
    ours: str
    theirs: str
    reason: str


# Reading the vectors.


def read_bytes(text):
    """Turns "10 0D 61*3" into bytes."""
    data = bytearray()
    for word in text.split():
        value, _, count = word.partition("*")
        data += bytes.fromhex(value) * int(count or 1)
    return bytes(data)


def read_vectors(folder):
    vectors = []
    for path in sorted(folder.glob("*.txt")):
        case = {}
        for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
            line = line.strip()
            if line.startswith("#"):
                continue
            if line:
                key, colon, value = line.partition(":")
                if not colon:
                    sys.exit(f"{path.name}:{number}: neither a comment nor a key and a value")
                case[key.strip()] = value.strip()
            elif case:
                vectors.append(
                    Vector(
                        name=case["case"],
                        file=path.name,
                        sender=case["sender"],
                        data=read_bytes(case["bytes"]),
                        expect=case["expect"],
                        statements=case.get("statement", "none").replace("none", "").split() + case.get("statements", "").split(),
                    )
                )
                case = {}
    repeated = [name for name, count in Counter(vector.name for vector in vectors).items() if count > 1]
    if repeated:
        sys.exit(f"case names that are used more than once: {repeated}")
    return vectors


# Asking mqtt-packet.


def ask_mqtt_packet(vectors):
    questions = json.dumps([{"name": vector.name, "hex": vector.data.hex()} for vector in vectors])
    run = subprocess.run(
        ["node", HERE / "mqtt_packet.js"], input=questions, capture_output=True, text=True, check=False
    )
    if run.returncode != 0:
        sys.exit(f"mqtt-packet could not be asked; was it installed as README.md says?\n{run.stderr}")
    answers = {}
    for answer in json.loads(run.stdout):
        packets = answer["packets"]
        if answer["error"]:
            verdict = Answer("reject", answer["error"])
        elif packets and not answer["waits"]:
            verdict = Answer("accept", packets=packets)
        else:
            verdict = Answer("incomplete")
        answers[answer["name"]] = verdict
    return answers


# Asking tshark.

CONNECT = bytes.fromhex("10 0D 00 04 4D 51 54 54 05 02 00 3C 00 00 00")
REASON_CODES = [
    f"mqtt.{name}.reason_code"
    for name in ("connack", "puback", "pubrec", "pubrel", "pubcomp", "suback", "unsuback", "disconnect", "auth")
]
TSHARK_FIELDS = [
    "frame.number",
    "tcp.segment_data",
    "tcp.reassembled.length",
    "mqtt.msgtype",
    "mqtt.topic",
    "mqtt.msgid",
    "mqtt.property_id",
    "mqtt.prop_unknown",
    "_ws.malformed",
    "_ws.expert.message",
    *REASON_CODES,
]
# tshark also remarks on TCP, and on U+0000 in text or binary values alike.
TSHARK_COMPLAINTS = {
    "Length cannot be 0",
    "Unknown topic alias",
    "Unknown version (missing the CONNECT packet?)",
}
LONGEST_SEGMENT = 60_000


def packet_type(data):
    return PACKET_TYPES[data[0] >> 4] if data else "reserved"


class Recording:
    """A pcap file of TCP segments between made-up hosts."""

    LINK_TYPE_IPV4 = 228

    def __init__(self):
        self.parts = [struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, self.LINK_TYPE_IPV4)]
        self.frames = 0

    def add(self, connection, from_client, sequence, acknowledged, payload):
        client = struct.pack(">I", 0x0A000001 + connection)
        server = bytes([192, 0, 2, 1])
        addresses = client + server if from_client else server + client
        ports = (50_000, 1883) if from_client else (1883, 50_000)
        ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0, 64, 6, 0) + addresses
        tcp = struct.pack(">HHIIBBHHH", *ports, sequence, acknowledged, 0x50, 0x18, 65_535, 0, 0)
        packet = ip + tcp + payload
        self.parts.append(struct.pack("<IIII", self.frames // 1000, self.frames % 1000, len(packet), len(packet)))
        self.parts.append(packet)
        self.frames += 1
        return self.frames

    def write(self, path):
        path.write_bytes(b"".join(self.parts))


def ask_tshark(vectors):
    """Each vector is sent over a connection of its own, after a CONNECT that tells the protocol version."""
    recording = Recording()
    owners = {}
    for connection, vector in enumerate(vectors):
        recording.add(connection, True, 1, 1, CONNECT)
        by_server = vector.sender == "server" or packet_type(vector.data) in SENT_BY_SERVERS
        sequence, acknowledged = (1, 1 + len(CONNECT)) if by_server else (1 + len(CONNECT), 1)
        for start in range(0, len(vector.data), LONGEST_SEGMENT):
            segment = vector.data[start : start + LONGEST_SEGMENT]
            frame = recording.add(connection, not by_server, sequence + start, acknowledged, segment)
            owners[frame] = vector.name

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "vectors.pcap")
        recording.write(path)
        command = ["tshark", "-n", "-r", path, "-T", "json"]
        for name in TSHARK_FIELDS:
            command += ["-e", name]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"tshark failed:\n{run.stderr}")

    seen = {vector.name: [] for vector in vectors}
    for frame in json.loads(run.stdout):
        fields = frame["_source"]["layers"]
        owner = owners.get(int(fields["frame.number"][0]))
        if owner is not None:
            seen[owner].append(fields)
    return {name: tshark_answer(frames) for name, frames in seen.items()}


def tshark_answer(frames):
    complaints = []
    packets = []
    for fields in frames:
        complaints += [message for message in fields.get("_ws.expert.message", []) if message in TSHARK_COMPLAINTS]
        if "mqtt.prop_unknown" in fields:
            complaints.append("Unknown Property")
        if "_ws.malformed" in fields:
            complaints.append("Malformed Packet")
        kinds = [PACKET_TYPES[int(number, 0)] for number in fields.get("mqtt.msgtype", [])]
        # The fields of several packets in one frame cannot be told apart.
        packets += [tshark_packet(kind, fields if len(kinds) == 1 else None) for kind in kinds]
    if complaints:
        return Answer("reject", complaints[0])
    # Bytes that tshark has put aside until more come.
    waits = frames and "tcp.segment_data" in frames[-1] and "tcp.reassembled.length" not in frames[-1]
    return Answer("accept", packets=packets) if packets and not waits else Answer("incomplete")


def tshark_packet(kind, fields):
    packet = {"type": kind}
    if fields is not None:
        reason_codes = [int(code, 0) for name in REASON_CODES for code in fields.get(name, [])]
        if kind in MAY_OMIT_SUCCESS and not reason_codes:
            reason_codes = [0]
        packet["topics"] = fields.get("mqtt.topic", [])
        packet["packetId"] = int(fields["mqtt.msgid"][0]) if "mqtt.msgid" in fields else None
        packet["reasonCodes"] = reason_codes
        packet["properties"] = sorted(int(identifier, 0) for identifier in fields.get("mqtt.property_id", []))
    return packet


# Comparing.


def differing_fields(tshark, mqtt_packet):
    """What two decoders read differently, as (name, tshark's reading, mqtt-packet's)."""
    if len(tshark) != len(mqtt_packet):
        yield "number of packets", len(tshark), len(mqtt_packet)
        return
    for one, other in zip(tshark, mqtt_packet, strict=True):
        for name, value in one.items():
            if value != other[name]:
                yield name, value, other[name]


def compare(vectors, answers):
    """All disagreements, and how many packets were compared field by field."""
    disagreements = []
    compared = 0
    for vector in vectors:
        for decoder, said in answers.items():
            answer = said[vector.name]
            if answer.verdict != vector.verdict:
                disagreements.append(Disagreement(decoder, vector, vector.expect, answer.verdict, answer.reason))
        ours = vector.verdict
        tshark, mqtt_packet = (said[vector.name] for said in answers.values())
        if ours == tshark.verdict == mqtt_packet.verdict == "accept":
            compared += 1
            for name, one, other in differing_fields(tshark.packets, mqtt_packet.packets):
                disagreements.append(
                    Disagreement("fields", vector, vector.expect, name, f"tshark: {one}, mqtt-packet: {other}")
                )
    return disagreements, compared


# Explaining.


@dataclass
class Explanation:
    """A cause of disagreements, with what it applies to."""

    decoders: list
    ours: str
    theirs: str
    why: str
    cases: list = field(default_factory=list)
    statements: list = field(default_factory=list)
    found: list = field(default_factory=list)

    def covers(self, disagreement):
        vector = disagreement.vector
        return (
            disagreement.decoder in self.decoders
            and self.ours == vector.verdict
            and self.theirs == disagreement.theirs
            and (
                any(fnmatch.fnmatchcase(vector.name, pattern) for pattern in self.cases)
                or any(statement in vector.statements for statement in self.statements)
            )
        )


def explain(disagreements, explanations):
    """Files each disagreement under the first explanation that covers it; returns the rest."""
    unexplained = []
    for disagreement in disagreements:
        for explanation in explanations:
            if explanation.covers(disagreement):
                explanation.found.append(disagreement)
                break
        else:
            unexplained.append(disagreement)
    return unexplained


# Reporting.

HEADINGS = {
    ("accept", "reject"): "Accepted by the vectors, rejected by a decoder",
    ("accept", "incomplete"): "Accepted by the vectors, while a decoder waits for more",
    ("incomplete", "accept"): "Incomplete, but accepted by a decoder",
    ("incomplete", "reject"): "Incomplete, but rejected by a decoder",
    ("reject", "incomplete"): "Rejected by the vectors, while a decoder waits for more",
    ("reject", "accept"): "Rejected by the vectors, accepted by a decoder",
}
FIELDS_HEADING = "Accepted by all, but read differently"
NAMES_IN_A_ROW = 3


def versions():
    tshark = subprocess.run(["tshark", "--version"], capture_output=True, text=True, check=True).stdout
    package = json.loads((HERE / "node_modules/mqtt-packet/package.json").read_text(encoding="utf-8"))
    return f"tshark {tshark.split()[2]} and mqtt-packet {package['version']}"


def row(explanation):
    counts = Counter(disagreement.decoder for disagreement in explanation.found)
    found = sorted({disagreement.vector.name for disagreement in explanation.found})
    names = ", ".join(f"`{name}`" for name in found[:NAMES_IN_A_ROW])
    if len(found) > NAMES_IN_A_ROW:
        names += f" and {len(found) - NAMES_IN_A_ROW} more"
    verdicts = ", ".join(sorted({disagreement.ours for disagreement in explanation.found}))
    return f"| {counts['tshark'] or ''} | {counts['mqtt-packet'] or ''} | {names} | {verdicts} | {explanation.why} |"


def report(vectors, explanations, disagreements, compared):
    verdicts = Counter(vector.verdict for vector in vectors)
    lines = [
        "# Disagreements with independent decoders",
        "",
        "Written by `cross_check.py` (see `README.md`); the reasons stand in `explanations.toml`.",
        "",
        f"{versions()} were asked about {len(vectors)} vectors: {verdicts['accept']} to accept, "
        f"{verdicts['incomplete']} incomplete, {verdicts['reject']} to reject. "
        f"Both accept {compared} of the vectors to accept; their readings of the packet types, topics, Packet "
        "Identifiers, Reason Codes and Property Identifiers were compared with each other, too.",
        "",
        "| verdict of the vectors | agrees with tshark | agrees with mqtt-packet |",
        "| --- | --- | --- |",
    ]
    for verdict in ("accept", "incomplete", "reject"):
        agreed = [
            verdicts[verdict] - sum(one.decoder == decoder and one.vector.verdict == verdict for one in disagreements)
            for decoder in ("tshark", "mqtt-packet")
        ]
        lines.append(f"| {verdict}: {verdicts[verdict]} | {agreed[0]} | {agreed[1]} |")

    sections = [
        (heading, [one for one in explanations if (one.ours, one.theirs) == pair and one.decoders != ["fields"]])
        for pair, heading in HEADINGS.items()
    ]
    sections.insert(1, (FIELDS_HEADING, [one for one in explanations if one.decoders == ["fields"]]))
    for heading, group in sections:
        group = [explanation for explanation in group if explanation.found]
        lines += ["", f"## {heading}", ""]
        if not group:
            lines.append("None.")
            continue
        lines += ["| tshark | mqtt-packet | cases | vectors say | why |", "| --- | --- | --- | --- | --- |"]
        lines += [row(explanation) for explanation in sorted(group, key=lambda group: -len(group.found))]
    return "\n".join([*lines, ""])


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true", help="do not write the report, compare it")
    arguments.add_argument("--raw", action="store_true", help="print all disagreements and stop")
    options = arguments.parse_args()

    vectors = read_vectors(VECTORS)
    disagreements, compared = compare(vectors, {"tshark": ask_tshark(vectors), "mqtt-packet": ask_mqtt_packet(vectors)})
    if options.raw:
        for one in disagreements:
            print(
                f"{one.decoder}: {one.vector.name} ({one.vector.file}, {' '.join(one.vector.statements)}): "
                f"ours {one.ours}, theirs {one.theirs} ({one.reason})"
            )
        return

    table = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    explanations = [Explanation(**entry) for entry in table["explanation"]]
    unexplained = explain(disagreements, explanations)
    for one in unexplained:
        print(
            f"no explanation: {one.decoder} on {one.vector.name} ({one.vector.file}): "
            f"ours {one.ours}, theirs {one.theirs} ({one.reason})"
        )
    for explanation in explanations:
        if not explanation.found:
            print(f"explains nothing: {explanation.theirs} by {explanation.decoders}, {explanation.why}")

    text = report(vectors, explanations, disagreements, compared)
    outdated = options.check and (not REPORT.exists() or REPORT.read_text(encoding="utf-8") != text)
    if outdated:
        print(f"{REPORT.name} is out of date")
    elif not options.check:
        REPORT.write_text(text, encoding="utf-8")
    print(
        f"{len(vectors)} vectors, {compared} packets compared, {len(disagreements)} disagreements, "
        f"{len(unexplained)} without an explanation"
    )
    sys.exit(bool(unexplained or outdated))


if __name__ == "__main__":
    main()
