#!/usr/bin/env python3
"""Measures the example broker beside mosquitto, with load generators that are not ours, and prints Markdown.

usage: compare.py [--rate] [--full] [--latency] [--connections] [--witness] [--store] [--quick]

Without an argument, all of them. --quick measures each for a second, to see that it works.

Each broker is a new process for each run, on loopback; the two take turns. Processor time is what the kernel says
about the process of the broker, so a generator that is slower than both does not matter.
"""

import statistics
import subprocess
import sys

import runs
from setup import GENERATOR, GENERATOR_VERSION, OURS, THEIRS, Broker, build, find, raise_file_limit

ROUNDS = 3
GOAL = 0.67
THROUGHPUT_GOAL = 1.5
# A broker whose process uses less of a core waits for the generator.
FULL_CORE = 0.9

# Publishers, subscribers, messages in flight of each publisher; the messages delivered per second that are measured at equal
# rate with QoS 0, 1 and 2, which both brokers deliver without loss.
SHAPES = [
    ("1 to 1", 1, 1, 32, (60_000, 20_000, 10_000)),
    ("20 to 20", 20, 20, 4, (80_000, 60_000, 40_000)),
    ("1 to 1,000", 1, 1000, 1, (40_000, 30_000, 20_000)),
    ("1,000 to 1", 1000, 1, 1, (30_000, 15_000, 10_000)),
]


def table(head, rows):
    """Prints the head, then each row as soon as it is there."""
    print("\n| " + " | ".join(head) + " |")
    print("| :--- " + "| ---: " * (len(head) - 1) + "|", flush=True)
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def verdict(is_met):
    return "met" if is_met else "missed"


def share(run):
    return f"{100 * min(run.delivered / run.expected, 1):.1f} %" if run.expected else "–"


def rows():
    """Each shape and level: its name, what a run of it takes, and the equal rate."""
    for name, publishers, subscribers, inflight, rates in SHAPES:
        for qos, rate in enumerate(rates):
            yield f"{name}, QoS {qos}", (qos, publishers, subscribers, inflight), rate // subscribers, subscribers


def equal_rate(seconds):
    def measured():
        for name, setup, rate, subscribers in rows():
            both = {THEIRS: [], OURS: []}
            for _ in range(ROUNDS):
                for kind in both:
                    both[kind].append(runs.throughput(kind, *setup, rate, seconds))
            theirs, ours = (statistics.median(run.microseconds for run in both[kind]) for kind in (THEIRS, OURS))
            kernel = statistics.median(run.kernel_microseconds for run in both[OURS])
            ratio = ours / theirs
            yield (
                name,
                f"{rate * subscribers:,}",
                *(share(min(both[kind], key=lambda run: run.delivered / max(run.expected, 1))) for kind in (THEIRS, OURS)),
                f"{theirs:.2f}",
                f"{ours:.2f}",
                f"{kernel:.2f}",
                f"{ratio:.2f}",
                verdict(ratio <= GOAL),
            )

    print("\n### At equal rate\n\nProcessor time per delivered message in µs, the median of three runs of each.")
    head = ["messages of 64 bytes", "per second", "mosquitto delivered", "ours delivered", "mosquitto, µs", "ours, µs"]
    table([*head, "of which kernel", "ratio", f"≤ {GOAL}"], measured())


def full(seconds):
    def measured():
        for name, setup, _, _ in rows():
            # Publishers that wait for nothing keep the generator from reading what comes to so many connections.
            if setup[0] == 0 and max(setup[1:3]) > 100:
                continue
            theirs, ours = (runs.throughput(kind, *setup, 0, seconds) for kind in (THEIRS, OURS))
            ratio = ours.per_second / max(theirs.per_second, 1)
            # A broker that has processor time left waits for the generator.
            is_met = ratio >= THROUGHPUT_GOAL
            goal = verdict(is_met) if is_met or ours.core >= FULL_CORE else "the generator's limit"
            yield (
                name,
                *(f"{run.per_second:,.0f}; {share(run)}" for run in (theirs, ours)),
                *(f"{min(run.core, 1):.2f}" for run in (theirs, ours)),
                f"{ratio:.2f}",
                goal,
            )

    print("\n### As fast as it goes\n\nMessages delivered per second, and how many of all arrived within two seconds of the last; the part of a core that the broker used.")
    table(["messages of 64 bytes", "mosquitto", "ours", "core, mosquitto", "core, ours", "ours ÷ mosquitto", f"≥ {THROUGHPUT_GOAL}"], measured())


def latency(seconds):
    def measured():
        # Half of what mosquitto delivered at most when the rates of this file were chosen.
        for qos, rate in enumerate((60_000, 21_000, 11_000)):
            for kind in (THEIRS, OURS):
                result = runs.latency(kind, qos, rate, seconds).result
                yield (f"QoS {qos}, {rate:,} per second, {kind}", *(f"{result[key]:,}" for key in ("messages", "p50_us", "p95_us", "p99_us", "max_us")))

    print("\n### Latency, 1 to 1\n\nAt half load, in µs, from when a message is due.")
    table(["", "messages", "p50", "p95", "p99", "longest"], measured())


def connections(seconds):
    def each_second():
        for kind in (THEIRS, OURS):
            run = runs.connections(kind, seconds)
            result = run.result
            yield (kind, f"{result['connections_per_sec']:,.0f}", result["failed"], f"{result['p50_connect_us']:,}", f"{result['p99_connect_us']:,}", f"{run.microseconds:.0f}")

    print("\n### Connections\n\nClients that connect and disconnect, 100 at once. Times in µs.")
    table(["", "per second", "failed", "p50", "p99", "processor time each"], each_second())

    def silent():
        for count in (1_000, 10_000):
            bytes_each = {kind: runs.idle(kind, count).memory / count for kind in (THEIRS, OURS)}
            ratio = bytes_each[OURS] / bytes_each[THEIRS]
            yield (f"{count:,}", *(f"{bytes_each[kind]:,.0f}" for kind in (THEIRS, OURS)), f"{ratio:.2f}", verdict(ratio <= 2))

    if raise_file_limit() >= 10_100:
        print("\nBytes of memory for each connection that is idle, with one subscription:")
        table(["connections", "mosquitto", "ours", "ratio", "≤ 2"], silent())
    else:
        print("\nThe limit of open files is too low for 10,000 connections.")


def witnessed(publishers, messages, stores):
    for qos in (0, 1, 2) if not stores else (1, 2):
        theirs, ours = (runs.lines(kind, qos, publishers, messages, stores) for kind in (THEIRS, OURS))
        yield (
            f"QoS {qos}, {publishers} publisher{'s'[: publishers - 1]}",
            *(f"{run.delivered:,} of {run.expected:,}" for run in (theirs, ours)),
            *(f"{run.per_second:,.0f}" for run in (theirs, ours)),
            *(f"{run.microseconds:.2f}" for run in (theirs, ours)),
            f"{ours.microseconds / theirs.microseconds:.2f}",
        )


WITNESS = ["", "mosquitto delivered", "ours delivered", "mosquitto, per second", "ours, per second", "mosquitto, µs", "ours, µs", "ratio"]


def witness(seconds):
    print("\n### With mosquitto_pub and mosquitto_sub\n\nLines of 63 bytes to a subscriber whose Session is kept. Processor time per message, in µs.")
    for publishers in (1, 8):
        # mosquitto_pub stands still after about 35,000 lines.
        table(WITNESS, witnessed(publishers, 7_500 * seconds, False))


def store(seconds):
    print("\n### With a store\n\nAs before. mosquitto stores everything once per second; ours acknowledges a message when it is on the disk.")
    for publishers in (1, 8):
        table(WITNESS, witnessed(publishers, 2_500 * seconds, True))


TASKS = {"--rate": equal_rate, "--full": full, "--latency": latency, "--connections": connections, "--witness": witness, "--store": store}


def main():
    arguments = sys.argv[1:]
    chosen = [argument for argument in arguments if argument in TASKS]
    if len(chosen) + arguments.count("--quick") != len(arguments):
        raise SystemExit(__doc__)
    seconds = 1 if "--quick" in arguments else 4
    raise_file_limit()
    Broker.program = build()
    version = subprocess.run([find("mosquitto"), "-h"], capture_output=True, text=True).stdout.splitlines()[0]
    tasks = chosen or list(TASKS)
    print(f"{version}." if set(tasks) <= {"--witness", "--store"} else f"{version}; mqttv5-cli {GENERATOR_VERSION}, {find(GENERATOR)}.")
    for task in tasks:
        TASKS[task](seconds)


if __name__ == "__main__":
    main()
