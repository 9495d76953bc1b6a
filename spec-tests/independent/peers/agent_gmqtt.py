"""The agent of gmqtt: asyncio, no paho-mqtt below it."""

import asyncio
import contextlib
import logging
import ssl
import sys

import gmqtt
from agent import event, lines, tls
from gmqtt.client import Message
from gmqtt.mqtt.handler import MQTTConnectError

logging.getLogger("gmqtt").setLevel(logging.CRITICAL)
clients = {}
CONNECT = {
    "expiry": "session_expiry_interval",
    "receive_maximum": "receive_maximum",
    "maximum_packet": "maximum_packet_size",
    "alias_maximum": "topic_alias_maximum",
}
PUBLISH = {
    "expiry": "message_expiry_interval",
    "format": "payload_format_id",
    "alias": "topic_alias",
    "content_type": "content_type",
    "response_topic": "response_topic",
    "correlation": "correlation_data",
}
TEXTS = ("content_type", "response_topic", "correlation")


def properties(names, fields):
    found = {names[key]: value if key in TEXTS else int(value) for key, value in fields.items() if key in names}
    if "correlation_data" in found:
        found["correlation_data"] = found["correlation_data"].encode()
    return found


class Client(gmqtt.Client):
    def __init__(self, name, fields):
        self.name, self.is_new, self.fields = name, fields["version"] == "5", fields
        will = None
        if "will_topic" in fields:
            more = {"will_delay_interval": int(fields["will_delay"])} if "will_delay" in fields else {}
            retain = fields.get("will_retain") == "1"
            will = Message(fields["will_topic"], fields["will_payload"], qos=fields.number("will_qos"), retain=retain, **more)
        known = properties(CONNECT, fields) if self.is_new else {}
        super().__init__(fields["id"], clean_session=fields.get("clean") != "0", will_message=will, **known)
        # It would invent an identifier of its own.
        self._client_id = fields["id"]
        self.set_config({"reconnect_retries": 0})
        if "user" in fields:
            self.set_auth_credentials(fields["user"], fields["password"])
        self.on_connect = self.connected
        self.on_message = self.came
        self.on_subscribe = lambda client, mid, codes, p: event("granted", name, codes=",".join(map(str, codes)))
        self.on_unsubscribe = lambda client, mid, codes: event("unsubscribed", name, codes=",".join(map(str, codes)) or "0")
        # The DISCONNECT that gmqtt makes up for a lost connection is empty.
        self.on_disconnect = lambda client, packet, exc=None: event("lost", name, code=packet[0] if packet else -1)

    async def run(self):
        scheme, host, port = self.fields.server()
        version = gmqtt.constants.MQTTv50 if self.is_new else gmqtt.constants.MQTTv311
        try:
            await self.connect(host, port, ssl=tls() if scheme == "mqtts" else False, keepalive=self.fields.number("keepalive", 60), version=version)
        except MQTTConnectError as error:
            event("connected", self.name, code=error._code, present=0)

    def connected(self, _client, present, code, known):
        event("connected", self.name, code=code, present=int(present), assigned=known.get("assigned_client_identifier", [None])[0])

    def _remove_message_from_queue(self, mid):
        # The only place at which gmqtt 0.8.0 says that a message is settled; it does not read the Reason Code of a PUBACK.
        event("published", self.name, code=0)
        super()._remove_message_from_queue(mid)

    def came(self, _client, topic, payload, qos, known):
        fields = {"topic": topic, "qos": qos, "retain": known["retain"], "payload": payload.decode()}
        for key, name in PUBLISH.items():
            value = known.get(name, [None])[0]
            fields[key] = value.decode() if isinstance(value, bytes) else value
        fields["identifier"] = known.get("subscription_identifier")
        fields["user_property"] = [f"{name}:{value}" for name, value in known.get("user_property", [])]
        event("message", self.name, **fields)

    async def leave(self):
        # Python 3.11 finds fault with a TLS connection on which something comes after it was closed.
        with contextlib.suppress(ssl.SSLError):
            await self.disconnect()

    def do(self, command, fields):
        if command == "subscribe":
            more = {"subscription_identifier": int(fields["identifier"])} if "identifier" in fields else {}
            self.subscribe(
                fields["filter"],
                fields.number("qos"),
                no_local=fields.get("no_local") == "1",
                retain_as_published=fields.get("retain_as_published") == "1",
                retain_handling_options=fields.number("retain_handling", 0),
                **more,
            )
        elif command == "unsubscribe":
            self.unsubscribe(fields["filter"])
        elif command == "publish":
            more = properties(PUBLISH, fields) if self.is_new else {}
            if fields.user_properties:
                more["user_property"] = fields.user_properties
            for payload in fields.payloads():
                self.publish(fields["topic"], payload, qos=fields.number("qos", 0), retain=fields.get("retain") == "1", **more)
        elif command == "drop":
            self._is_active = False
            self._connection._transport.abort()
        else:
            asyncio.ensure_future(self.leave())


async def main():
    jobs = set()
    async for command, name, fields in lines():
        if command == "connect":
            clients[name] = Client(name, fields)
            jobs.add(asyncio.create_task(clients[name].run()))
        else:
            clients[name].do(command, fields)


asyncio.run(main())
sys.exit(0)
