"""The broker that the peers talk to: its certificates, users, topics, and the process."""

import importlib.metadata
import itertools
import json
import os
import re
import subprocess
import sys

from clients import HERE, PATIENCE, PROGRAMS, ROOT, TARGET, build_programs, start

CARGO = ROOT / TARGET
SCHEMES = ("mqtt", "mqtts", "ws", "wss")
USER, PASSWORD = "alice", "secret"
# Everybody may do everything, except with these topics.
ACCESS = "topic readwrite #\ntopic deny forbidden/#\n"


def build():
    """Our programs, and the agents that have to be compiled."""
    build_programs()
    # Features of shared dependencies must not change, or our programs are built again each time.
    environment = os.environ | {"CARGO_TARGET_DIR": str(CARGO / "rumqttc-peer")}
    subprocess.run(["cargo", "build", "--quiet", "--locked"], cwd=HERE / "peers" / "rumqttc", env=environment, check=True)
    c_agent = HERE / "peers" / "agent_paho_c.c"
    subprocess.run(["gcc", "-O1", "-o", CARGO / "agent_paho_c", c_agent, "-lpaho-mqtt3as"], check=True)
    if not (HERE / "node_modules" / "mqtt").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=HERE, check=True)


def versions():
    """A line for each program that takes part."""

    def first_line(*command):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip().partition("\n")[0]

    lock = (HERE / "peers" / "rumqttc" / "Cargo.lock").read_text()
    package = json.loads((HERE / "node_modules" / "mqtt" / "package.json").read_text())
    yield first_line(PROGRAMS / "broker", "--version")
    yield first_line("mosquitto_pub", "--version")
    yield first_line("mosquitto", "-h")
    for name in ("paho-mqtt", "aiomqtt", "gmqtt"):
        yield f"{name} {importlib.metadata.version(name)}, Python {sys.version.split()[0]}"
    yield f"MQTT.js {package['version']}, Node.js {first_line('node', '--version')}"
    yield "rumqttc " + re.search(r'name = "rumqttc"\nversion = "(.*)"', lock)[1]
    for name in ("libpaho-mqtt1.3", "ejabberd"):
        yield first_line("dpkg-query", "-W", name).replace("\t", " ")


class Keys:
    """An authority, and a certificate of it for this machine."""

    def __init__(self, scratch):
        self.authority, self.certificate, self.key = (scratch / name for name in ("authority.pem", "server.pem", "server.key"))
        request, extensions = scratch / "request.pem", scratch / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        authority_key = scratch / "authority.key"
        self.openssl("req", "-x509", *new_key, "-keyout", authority_key, "-out", self.authority, "-subj", "/CN=authority", "-days", 2)
        self.openssl("req", *new_key, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        sign = ["-CA", self.authority, "-CAkey", authority_key, "-CAcreateserial", "-extfile", extensions, "-days", 2]
        self.openssl("x509", "-req", "-in", request, "-out", self.certificate, *sign)
        os.environ["PEERS_CA"] = str(self.authority)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Broker:
    """The program `broker`, on ports that the system chooses."""

    def __init__(self, scratch, keys, store=None):
        passwords, access = scratch / "passwords", scratch / "access"
        if not passwords.exists():
            hashed = subprocess.run([PROGRAMS / "broker", "--hash-password", USER], input=f"{PASSWORD}\n", capture_output=True, text=True, check=True)
            passwords.write_text(hashed.stdout)
            access.write_text(ACCESS)
        command = [PROGRAMS / "broker", "--log", "error", "--passwords", passwords, "--anonymous", "--access", access]
        command += ["--certificate", keys.certificate, "--key", keys.key]
        command += ["--store", store] if store else []
        for scheme in SCHEMES:
            command += ["--listen", f"{scheme}://127.0.0.1:0"]
        self.process = start(*command, stdout=subprocess.PIPE)
        self.urls = {}
        for line in itertools.islice(self.process.stdout, len(SCHEMES)):
            found = re.match(r"The broker listens at ((\w+)://.*:\d+)", line)
            self.urls[found[2]] = found[1]
        if len(self.urls) < len(SCHEMES):
            sys.exit("the broker does not start")

    def port_of(self, scheme):
        return int(self.urls[scheme].rpartition(":")[2])

    @property
    def port(self):
        return self.port_of("mqtt")

    def stop(self):
        """Returns the exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def kill(self):
        self.process.kill()
        self.process.wait()
