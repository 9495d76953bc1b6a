"""The agent of paho-mqtt: callbacks, and a thread for each client."""

import paho.mqtt.client as mqtt
import paho_values as values
from agent import commands, event, tls

clients = {}


class Client:
    def __init__(self, name, fields):
        self.name, self.is_new = name, fields["version"] == "5"
        scheme, host, port = fields.server()
        clean = fields.get("clean") != "0"
        known = {} if self.is_new else {"clean_session": clean}
        self.client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=fields["id"],
            protocol=mqtt.MQTTv5 if self.is_new else mqtt.MQTTv311,
            transport="websockets" if scheme.startswith("ws") else "tcp",
            reconnect_on_failure=False,
            **known,
        )
        if scheme.startswith("ws"):
            client.ws_set_options(path="/")
        if scheme in ("mqtts", "wss"):
            client.tls_set_context(tls())
        if "user" in fields:
            client.username_pw_set(fields["user"], fields["password"])
        if "will_topic" in fields:
            properties = values.of_will(fields) if self.is_new else None
            payload, qos, retain = fields["will_payload"], fields.number("will_qos"), fields.get("will_retain") == "1"
            client.will_set(fields["will_topic"], payload, qos, retain, properties)
        client.on_connect = self.connected
        client.on_disconnect = lambda c, u, flags, code, p: event("lost", name, code=code.value if flags.is_disconnect_packet_from_server else -1)
        client.on_subscribe = lambda c, u, mid, codes, p: event("granted", name, codes=",".join(str(it.value) for it in codes))
        client.on_unsubscribe = lambda c, u, mid, codes, p: event("unsubscribed", name, codes=",".join(str(it.value) for it in codes) or "0")
        client.on_message = lambda c, u, message: event("message", name, **values.of_message(message))
        self.zeros = set()
        client.on_publish = self.published
        start = {"clean_start": clean, "properties": values.of_connect(fields)} if self.is_new else {}
        client.connect(host, port, fields.number("keepalive", 60), **start)
        client.loop_start()

    def connected(self, _client, _data, flags, code, properties):
        # paho-mqtt turns the codes of MQTT 3.1.1 into those of MQTT 5; they are turned back.
        value = code.value if self.is_new else {0x84: 1, 0x85: 2, 0x88: 3, 0x86: 4, 0x87: 5}.get(code.value, code.value)
        assigned = getattr(properties, "AssignedClientIdentifier", None)
        event("connected", self.name, code=value, present=int(flags.session_present), assigned=assigned)

    def published(self, _client, _data, mid, code, _properties):
        if mid in self.zeros:
            self.zeros.discard(mid)
        else:
            event("published", self.name, code=code.value)

    def subscribe(self, fields):
        if self.is_new:
            self.client.subscribe(fields["filter"], options=values.options(fields), properties=values.of_subscribe(fields))
        else:
            self.client.subscribe(fields["filter"], fields.number("qos"))

    def publish(self, fields):
        properties = values.of_publish(fields) if self.is_new else None
        qos = fields.number("qos", 0)
        for payload in fields.payloads():
            if qos == 0:
                # on_publish does not say the QoS, and may come before `publish` returns.
                self.zeros.add(self.client._last_mid % 65535 + 1)
            self.client.publish(fields["topic"], payload, qos, fields.get("retain") == "1", properties)

    def drop(self):
        self.client.loop_stop()
        self.client._sock_close()


for command, name, fields in commands():
    if command == "connect":
        clients[name] = Client(name, fields)
    elif command == "drop":
        clients.pop(name).drop()
    elif command == "disconnect":
        clients[name].client.disconnect()
    elif command == "unsubscribe":
        clients[name].client.unsubscribe(fields["filter"])
    else:
        getattr(clients[name], command)(fields)
