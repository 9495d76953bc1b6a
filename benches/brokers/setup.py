"""The two brokers, and what the kernel says about their processes."""

import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
OURS, THEIRS = "ours", "mosquitto"
GENERATOR = "mqttv5"
GENERATOR_VERSION = "0.29.10"

# What waits for a slow client has no limit that a run reaches, in both. All else is as they come.
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
"""
# The most often that it can store by itself: everything, in a new file.
MOSQUITTO_STORES = """\
persistence true
persistence_location {folder}/
autosave_interval 1
"""
BROKER = """\
listen = ["mqtt://127.0.0.1:{port}"]
[limits]
waiting_messages = 10000000
waiting_bytes = 1000000000
message_bytes = 10000000000
"""


def find(program):
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:{pathlib.Path.home()}/.cargo/bin")
    if path is None:
        how = {
            GENERATOR: f"cargo install mqttv5-cli --version {GENERATOR_VERSION} --no-default-features",
            "mosquitto": "apt-get install mosquitto",
        }
        raise SystemExit(f"The program {program} is not there: {how.get(program, 'apt-get install mosquitto-clients')}")
    return path


def build():
    """Builds our broker, unless MQTT5_PROGRAMS names the folder where it is, and returns its path."""
    if "MQTT5_PROGRAMS" in os.environ:
        return str(pathlib.Path(os.environ["MQTT5_PROGRAMS"]).resolve() / "broker")
    subprocess.run(["cargo", "build", "--quiet", "--release", "-p", "mqtt5-examples", "--bin", "broker"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
    return str(pathlib.Path(target) / "release" / "broker")


def raise_file_limit():
    """Programs that this one starts inherit the limit."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Broker:
    """A broker in a process of its own, from `with` to its end."""

    program = None  # Ours, once it is built.

    def __init__(self, kind, stores=False):
        self.kind = kind
        self.port = free_port()
        self.folder = tempfile.TemporaryDirectory()
        folder = self.folder.name
        configuration = pathlib.Path(folder) / "configuration"
        if kind == THEIRS:
            text = MOSQUITTO.format(port=self.port) + (MOSQUITTO_STORES.format(folder=folder) if stores else "")
            command = [find("mosquitto"), "-c", str(configuration)]
            os.chmod(folder, 0o777)  # It gives up the rights of root.
        else:
            text = BROKER.format(port=self.port)
            command = [Broker.program, "--configuration", str(configuration), "--log", "error"]
            command += ["--store", f"{folder}/store"] if stores else []
        configuration.write_text(text)
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                break
            except OSError:
                time.sleep(0.05)
        else:
            raise SystemExit(f"{kind} does not accept connections")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.folder.cleanup()

    def seconds(self):
        """The processor time that it has used, in seconds: its threads', in nanoseconds, and in the kernel, too."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def kernel_seconds(self):
        """The part of it that was spent in the kernel, in steps of 10 ms."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[12]) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Its memory in bytes, without what it shares with others."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        raise SystemExit("the kernel does not tell a process's memory")
