#!/usr/bin/env python3
"""Lets the program `broker` talk to the client libraries and programs of others, and our clients to brokers of others.

Each peer goes through every feature that it has, with MQTT 5 and 3.1.1, over TCP, TLS, WebSocket and WebSocket over TLS;
then all talk to each other. Prints a line for each check; exits with 1 if one fails. Everything listens on the loopback
interface only.

    peers.py                  everything
    peers.py NAME...          only the parts with these names, such as `exchange`; `parts` has them
    peers.py libraries=NAME   only this library

Needs what interop.py needs, a C compiler, openssl, ejabberd and libpaho-mqtt-dev (names of Debian packages).
"""

import concurrent.futures
import faulthandler
import os
import pathlib
import signal
import sys
import tempfile
import time

import clients
from clients import check, failures, stop_all
from features import features
from interop import mosquitto_clients, paho
from older import older
from peers_agents import LIBRARIES, Agent
from peers_brokers import brokers
from peers_course import course
from peers_exchange import exchange
from peers_mosquitto import mosquitto_programs
from peers_scenarios import Run
from peers_setup import Broker, Keys, build, versions
from restart import restart

# Runs at once: most of the time they wait.
AT_ONCE = 6


def one_run(library, url, version):
    agent = Agent(library, url, version)
    run = Run(agent)
    try:
        run.all()
    except (RuntimeError, OSError, LookupError, TypeError, ValueError) as error:
        run.check("an end", "the end", f"{type(error).__name__}: {error}")
    finally:
        agent.stop()
    return run.rows


def libraries(broker, only=""):
    runs = [
        (library, broker.urls[scheme], version)
        for library in LIBRARIES
        if only in ("", library.name)
        for version in ("5", "311")
        for scheme in library.schemes
    ]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for future in concurrent.futures.as_completed([pool.submit(one_run, *run) for run in runs]):
            for row in future.result():
                check(*row)


def parts(scratch, keys, library):
    def with_broker(job, store=None):
        def run():
            broker = Broker(scratch, keys, store)
            job(broker)
            check(f"the broker ends well, {'with' if store else 'without'} a store", 0, broker.stop())

        return run

    def known(broker):
        for checks in (mosquitto_clients, paho, features, older):
            checks(broker.port)

    def both_exchanges():
        with_broker(lambda broker: exchange(broker, keys, "in-memory"))()
        with_broker(lambda broker: exchange(broker, keys, "stored"), scratch / "exchange.redb")()

    return {
        "libraries": with_broker(lambda broker: libraries(broker, library)),
        "stored": with_broker(lambda broker: libraries(broker, library), scratch / "libraries.redb"),
        "mosquitto": with_broker(lambda broker: mosquitto_programs(broker, keys)),
        "exchange": both_exchanges,
        "known": with_broker(known, scratch / "known.redb"),
        "course": with_broker(lambda broker: course(broker.port), scratch / "course.redb"),
        "restart": lambda: restart(lambda store: Broker(scratch, keys, store), scratch / "restart"),
        "brokers": lambda: brokers(keys, scratch),
    }


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.signal(signal.SIGALRM, lambda *_: sys.exit("FAILED: this takes too long"))
    os.environ["PATH"] += ":/usr/sbin"
    build()
    for version in versions():
        print(f"{'':<8}{version}")
    chosen = dict(part.partition("=")[::2] for part in sys.argv[1:])
    began = time.monotonic()
    signal.alarm(900)
    # What waits in vain is shown shortly before.
    faulthandler.dump_traceback_later(890)
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        try:
            keys = Keys(scratch)
            (scratch / "restart").mkdir()
            for part, job in parts(scratch, keys, chosen.get("libraries", "")).items():
                if part in chosen or not chosen:
                    job()
                    clients.forget_ended()
                    print(f"{'':<8}{part}: until {time.monotonic() - began:.1f} s", flush=True)
        finally:
            stop_all()
    print(f"{'FAILED' if failures else 'all good'}: {clients.checked} checks, {len(failures)} failures, {time.monotonic() - began:.1f} s")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
