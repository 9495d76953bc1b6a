"""One run of a load generator at one broker."""

import json
import subprocess
import threading
import time

from setup import Broker, GENERATOR, find

TOPIC = "bench/test"


class Run:
    """What a run measured."""

    def __init__(self, **measured):
        self.__dict__.update(measured)


def generate(kind, arguments, duration):
    """A run of `mqttv5 bench` at a new broker. The processor time counts from the moment at which all have subscribed."""
    with Broker(kind) as broker:
        command = [find(GENERATOR), "bench", "--url", f"mqtt://127.0.0.1:{broker.port}", "--warmup", "0"]
        command += ["--duration", str(duration), *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        errors, start, memory = [], broker.seconds(), 0
        kernel_start, idle = broker.kernel_seconds(), broker.memory()
        for line in process.stderr:
            errors.append(line)
            if line.startswith("warming up"):
                start, kernel_start, memory = broker.seconds(), broker.kernel_seconds(), broker.memory() - idle
        output = process.stdout.read()
        if process.wait() != 0:
            raise SystemExit(f"{' '.join(command)} failed at {kind}:\n{''.join(errors[-5:])}")
        used, kernel = broker.seconds() - start, broker.kernel_seconds() - kernel_start
        return Run(result=json.loads(output)["results"], used=used, kernel=kernel, memory=memory)


def throughput(kind, qos, publishers, subscribers, inflight, rate, duration):
    """Messages of 64 bytes from publishers with a topic each, to subscribers of all of them. A rate of 0 is as fast as it goes."""
    arguments = ["--mode", "throughput", "--qos", str(qos), "--payload-size", "64"]
    arguments += ["--publishers", str(publishers), "--subscribers", str(subscribers)]
    arguments += ["--inflight", str(inflight), "--rate", str(rate)]
    run = generate(kind, arguments, duration)
    result = run.result
    run.expected = result["published"] * subscribers
    run.delivered = result["received"]
    run.per_second = result["throughput_avg"]
    run.microseconds = run.used * 1e6 / max(run.delivered, 1)
    run.kernel_microseconds = run.kernel * 1e6 / max(run.delivered, 1)
    run.core = run.used / result["elapsed_secs"]
    return run


def latency(kind, qos, rate, duration):
    """From the moment at which a message should be published until its subscriber has it."""
    return generate(kind, ["--mode", "latency", "--qos", str(qos), "--rate", str(rate), "--inflight", "1000"], duration)


def connections(kind, duration):
    """Clients that connect and disconnect, 100 at once."""
    run = generate(kind, ["--mode", "connections", "--concurrency", "100"], duration)
    run.microseconds = run.used * 1e6 / max(run.result["successful"], 1)
    return run


def idle(kind, count):
    """Clients that subscribe, and then are silent."""
    arguments = ["--mode", "throughput", "--publishers", "0", "--subscribers", str(count)]
    return generate(kind, arguments, 1)


def lines(kind, qos, publishers, messages, stores=False):
    """The second witness: `mosquitto_pub` publishes lines, `mosquitto_sub`, whose Session is kept, counts them."""
    each = messages // publishers
    with Broker(kind, stores) as broker:
        common = ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "5", "-q", str(qos), "-t", TOPIC]
        subscribe = [find("mosquitto_sub"), *common, "-i", "counter", "-c", "-x", "3600", "-C", str(each * publishers), "-W", "15"]
        subscriber = subprocess.Popen(subscribe, stdout=subprocess.PIPE, text=True)
        time.sleep(0.5)
        start, began = broker.seconds(), time.monotonic()
        publish = [find("mosquitto_pub"), *common, "-l"]
        text = "".join(f"{number:063}\n" for number in range(each))
        everybody = [subprocess.Popen(publish, stdin=subprocess.PIPE, text=True) for _ in range(publishers)]
        feeders = [threading.Thread(target=publisher.communicate, args=(text,)) for publisher in everybody]
        for feeder in feeders:
            feeder.start()
        delivered = len(subscriber.communicate()[0].splitlines())
        took = time.monotonic() - began
        for feeder in feeders:
            feeder.join()
        used = broker.seconds() - start
        return Run(
            expected=each * publishers,
            delivered=delivered,
            per_second=delivered / took,
            microseconds=used * 1e6 / max(delivered, 1),
        )
