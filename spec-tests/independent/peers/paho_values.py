"""Properties of paho-mqtt, which aiomqtt shares."""

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

CONNECT = {
    "expiry": "SessionExpiryInterval",
    "receive_maximum": "ReceiveMaximum",
    "maximum_packet": "MaximumPacketSize",
    "alias_maximum": "TopicAliasMaximum",
}
PUBLISH = {
    "expiry": "MessageExpiryInterval",
    "format": "PayloadFormatIndicator",
    "alias": "TopicAlias",
    "content_type": "ContentType",
    "response_topic": "ResponseTopic",
    "correlation": "CorrelationData",
}
TEXTS = ("content_type", "response_topic")


def properties(packet_type, names, fields):
    found = Properties(packet_type)
    for key, name in names.items():
        if key in fields:
            value = fields[key]
            if key == "correlation":
                value = value.encode()
            setattr(found, name, value if key in TEXTS or key == "correlation" else int(value))
    for pair in fields.user_properties:
        found.UserProperty = pair
    return found


def of_connect(fields):
    return properties(PacketTypes.CONNECT, CONNECT, fields)


def of_will(fields):
    return properties(PacketTypes.WILLMESSAGE, {"will_delay": "WillDelayInterval"}, fields)


def of_publish(fields):
    return properties(PacketTypes.PUBLISH, PUBLISH, fields)


def of_subscribe(fields):
    return properties(PacketTypes.SUBSCRIBE, {"identifier": "SubscriptionIdentifier"}, fields)


def options(fields):
    return SubscribeOptions(
        fields.number("qos"),
        noLocal=fields.get("no_local") == "1",
        retainAsPublished=fields.get("retain_as_published") == "1",
        retainHandling=fields.number("retain_handling", 0),
    )


def of_message(message):
    """The fields of an event."""
    fields = {"topic": message.topic, "qos": int(message.qos), "retain": int(message.retain), "payload": message.payload.decode()}
    if message.properties is None:
        return fields
    for key, name in PUBLISH.items():
        value = getattr(message.properties, name, None)
        fields[key] = value.decode() if isinstance(value, bytes) else value
    fields["identifier"] = getattr(message.properties, "SubscriptionIdentifier", None)
    pairs = getattr(message.properties, "UserProperty", [])
    fields["user_property"] = [f"{name}:{value}" for name, value in pairs]
    return fields
