"""The agent of aiomqtt: asyncio around paho-mqtt."""

import asyncio
import sys

import aiomqtt
import paho_values as values
from agent import event, lines, tls

clients = {}


class Client:
    def __init__(self, name, fields):
        self.name, self.is_new = name, fields["version"] == "5"
        scheme, host, port = fields.server()
        clean = fields.get("clean") != "0"
        more = {"clean_start": clean, "properties": values.of_connect(fields)} if self.is_new else {"clean_session": clean}
        if "will_topic" in fields:
            properties = values.of_will(fields) if self.is_new else None
            payload, qos, retain = fields["will_payload"], fields.number("will_qos"), fields.get("will_retain") == "1"
            more["will"] = aiomqtt.Will(fields["will_topic"], payload, qos, retain, properties)
        if scheme.startswith("ws"):
            more |= {"transport": "websockets", "websocket_path": "/"}
        self.client = aiomqtt.Client(
            host,
            port,
            identifier=fields["id"],
            username=fields.get("user"),
            password=fields.get("password"),
            protocol=aiomqtt.ProtocolVersion.V5 if self.is_new else aiomqtt.ProtocolVersion.V311,
            keepalive=fields.number("keepalive", 60),
            tls_context=tls() if scheme in ("mqtts", "wss") else None,
            timeout=60,
            **more,
        )
        # Many messages are published at once on purpose.
        self.client.pending_calls_threshold = 10_000
        # aiomqtt does not say whether a Session was resumed; paho-mqtt below it does.
        self.present, inner = 0, self.client._client.on_connect

        def connected(client, data, flags, code, properties=None):
            self.present = int(flags.session_present)
            self.assigned = getattr(properties, "AssignedClientIdentifier", None)
            inner(client, data, flags, code, properties)

        self.client._client.on_connect = connected
        self.jobs = set()
        # What is asked for before it is connected waits.
        self.ready = asyncio.Event()
        self.start(self.run())

    def start(self, job):
        task = asyncio.create_task(job)
        self.jobs.add(task)
        task.add_done_callback(self.jobs.discard)

    async def run(self):
        try:
            await self.client.__aenter__()
        except aiomqtt.MqttCodeError as error:
            code = error.rc.value if hasattr(error.rc, "value") else error.rc
            if not self.is_new:
                code = {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}.get(code, code)
            return event("connected", self.name, code=code, present=0)
        event("connected", self.name, code=0, present=self.present, assigned=self.assigned)
        self.ready.set()
        try:
            async for message in self.client.messages:
                event("message", self.name, **values.of_message(message))
        except aiomqtt.MqttError as error:
            code = getattr(error.__cause__, "rc", None)
            event("lost", self.name, code=getattr(code, "value", -1))

    async def do(self, command, fields):
        await self.ready.wait()
        await getattr(self, command)(fields)

    async def subscribe(self, fields):
        known = {"options": values.options(fields), "properties": values.of_subscribe(fields)} if self.is_new else {"qos": fields.number("qos")}
        codes = await self.client.subscribe(fields["filter"], **known)
        event("granted", self.name, codes=",".join(str(getattr(it, "value", it)) for it in codes))

    async def unsubscribe(self, fields):
        await self.client.unsubscribe(fields["filter"])
        event("unsubscribed", self.name, codes=0)

    async def publish(self, fields):
        properties = values.of_publish(fields) if self.is_new else None
        qos = fields.number("qos", 0)

        async def one(payload):
            await self.client.publish(fields["topic"], payload, qos, fields.get("retain") == "1", properties)
            if qos:
                # aiomqtt 2.5.1 does not look at the Reason Code.
                event("published", self.name, code=0)

        # Tasks begin in the order in which they are made.
        await asyncio.gather(*(one(payload) for payload in fields.payloads()))

    async def drop(self, _fields):
        self.client._client._sock_close()

    async def disconnect(self, _fields):
        await self.client.__aexit__(None, None, None)


async def main():
    async for command, name, fields in lines():
        if command == "connect":
            # One that was dropped still waits for messages.
            for job in clients[name].jobs if name in clients else ():
                job.cancel()
            clients[name] = Client(name, fields)
        else:
            client = clients[name]
            client.start(client.do(command, fields))


asyncio.run(main())
sys.exit(0)
