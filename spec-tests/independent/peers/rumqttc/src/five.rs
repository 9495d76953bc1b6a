//! MQTT 5.

use std::time::Duration;

use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{
    ConnectProperties, ConnectReturnCode, DisconnectReasonCode, Filter, LastWill,
    LastWillProperties, Packet, PubAckReason, PubRecReason, Publish, PublishProperties,
    RetainForwardRule, SubscribeProperties, SubscribeReasonCode,
};
use rumqttc::v5::{AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, StateError};
use tokio::task::JoinHandle;

use crate::{Client, Fields, event};

fn qos(fields: &Fields, key: &str) -> QoS {
    match fields.get(key) {
        Some("2") => QoS::ExactlyOnce,
        Some("1") => QoS::AtLeastOnce,
        _ => QoS::AtMostOnce,
    }
}

pub(crate) fn connect(name: &str, fields: &Fields) -> (Client, JoinHandle<()>) {
    let (host, port, transport) = fields.server();
    let mut options = MqttOptions::new(fields.text("id"), host, port);
    options
        .set_transport(transport)
        .set_clean_start(!fields.get("clean").is_some_and(|it| it == "0"))
        .set_keep_alive(Duration::from_secs(
            fields.number("keepalive").unwrap_or(60),
        ))
        .set_connect_properties(ConnectProperties {
            session_expiry_interval: fields.number("expiry"),
            receive_maximum: fields.number("receive_maximum"),
            max_packet_size: fields.number("maximum_packet"),
            topic_alias_max: fields.number("alias_maximum"),
            ..ConnectProperties::default()
        });
    if let Some(user) = fields.get("user") {
        options.set_credentials(user, fields.text("password"));
    }
    if let Some(topic) = fields.get("will_topic") {
        let properties = LastWillProperties {
            delay_interval: fields.number("will_delay"),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: None,
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        };
        let (payload, qos) = (fields.text("will_payload"), qos(fields, "will_qos"));
        let retain = fields.is("will_retain");
        options.set_last_will(LastWill::new(topic, payload, qos, retain, Some(properties)));
    }
    let (client, events) = AsyncClient::new(options, 10_000);
    let task = tokio::spawn(run(name.to_owned(), events));
    (Client::Five(client), task)
}

async fn run(name: String, mut events: EventLoop) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => report(&name, &packet),
            Ok(Event::Outgoing(_)) => {}
            Err(ConnectionError::ConnectionRefused(code)) => {
                let code = match code {
                    ConnectReturnCode::BadUserNamePassword => 0x86,
                    ConnectReturnCode::NotAuthorized => 0x87,
                    _ => 0x80,
                };
                return event(&name, "connected", &format!("code={code}\tpresent=0"));
            }
            Err(ConnectionError::MqttState(StateError::ServerDisconnect {
                reason_code, ..
            })) => {
                let code = match reason_code {
                    DisconnectReasonCode::SessionTakenOver => 0x8E,
                    DisconnectReasonCode::ServerShuttingDown => 0x8B,
                    _ => 0x80,
                };
                return event(&name, "lost", &format!("code={code}"));
            }
            Err(error) => return event(&name, "lost", &format!("code=-1\twhy={error}")),
        }
    }
}

fn report(name: &str, packet: &Packet) {
    match packet {
        Packet::ConnAck(connack) => {
            let present = u8::from(connack.session_present);
            let properties = connack.properties.as_ref();
            let assigned = properties.and_then(|it| it.assigned_client_identifier.as_deref());
            let assigned = assigned.unwrap_or_default();
            let fields = format!("code=0\tpresent={present}\tassigned={assigned}");
            event(name, "connected", &fields);
        }
        Packet::SubAck(suback) => {
            let code = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(qos) => (*qos as u8).to_string(),
                SubscribeReasonCode::NotAuthorized => "135".to_owned(),
                _ => "128".to_owned(),
            };
            let codes: Vec<String> = suback.return_codes.iter().map(code).collect();
            event(name, "granted", &format!("codes={}", codes.join(",")));
        }
        Packet::UnsubAck(_) => event(name, "unsubscribed", "codes=0"),
        Packet::PubAck(puback) => {
            let code = match puback.reason {
                PubAckReason::Success | PubAckReason::NoMatchingSubscribers => 0,
                PubAckReason::NotAuthorized => 0x87,
                _ => 0x80,
            };
            event(name, "published", &format!("code={code}"));
        }
        // Otherwise the PUBCOMP says it.
        Packet::PubRec(pubrec) => match pubrec.reason {
            PubRecReason::Success | PubRecReason::NoMatchingSubscribers => {}
            PubRecReason::NotAuthorized => event(name, "published", "code=135"),
            _ => event(name, "published", "code=128"),
        },
        Packet::PubComp(_) => event(name, "published", "code=0"),
        Packet::Publish(publish) => event(name, "message", &message(publish)),
        _ => {}
    }
}

fn message(publish: &Publish) -> String {
    let (topic, payload) = (
        String::from_utf8_lossy(&publish.topic),
        String::from_utf8_lossy(&publish.payload),
    );
    let (qos, retain) = (publish.qos as u8, u8::from(publish.retain));
    let mut fields = format!("topic={topic}\tqos={qos}\tretain={retain}\tpayload={payload}");
    let mut add = |key: &str, value: &dyn std::fmt::Display| {
        fields.push_str(&format!("\t{key}={value}"));
    };
    let Some(properties) = &publish.properties else {
        return fields;
    };
    for identifier in &properties.subscription_identifiers {
        add("identifier", identifier);
    }
    if let Some(value) = &properties.payload_format_indicator {
        add("format", value);
    }
    if let Some(value) = &properties.message_expiry_interval {
        add("expiry", value);
    }
    if let Some(value) = &properties.topic_alias {
        add("alias", value);
    }
    if let Some(value) = &properties.content_type {
        add("content_type", value);
    }
    if let Some(value) = &properties.response_topic {
        add("response_topic", value);
    }
    if let Some(value) = &properties.correlation_data {
        add("correlation", &String::from_utf8_lossy(value));
    }
    for (name, value) in &properties.user_properties {
        add("user_property", &format!("{name}:{value}"));
    }
    fields
}

pub(crate) async fn command(client: &AsyncClient, command: &str, fields: &Fields) {
    let done = match command {
        "subscribe" => {
            let mut filter = Filter::new(fields.text("filter"), qos(fields, "qos"));
            filter.nolocal = fields.is("no_local");
            filter.preserve_retain = fields.is("retain_as_published");
            filter.retain_forward_rule = match fields.get("retain_handling") {
                Some("1") => RetainForwardRule::OnNewSubscribe,
                Some("2") => RetainForwardRule::Never,
                _ => RetainForwardRule::OnEverySubscribe,
            };
            let properties = SubscribeProperties {
                id: fields.number("identifier"),
                user_properties: Vec::new(),
            };
            client
                .subscribe_many_with_properties([filter], properties)
                .await
        }
        "unsubscribe" => client.unsubscribe(fields.text("filter")).await,
        "publish" => {
            let properties = PublishProperties {
                payload_format_indicator: fields.number("format"),
                message_expiry_interval: fields.number("expiry"),
                topic_alias: fields.number("alias"),
                response_topic: fields.get("response_topic").map(str::to_owned),
                correlation_data: fields.get("correlation").map(|it| it.to_owned().into()),
                user_properties: fields.user_properties(),
                subscription_identifiers: Vec::new(),
                content_type: fields.get("content_type").map(str::to_owned),
            };
            for payload in fields.payloads() {
                let (topic, qos) = (fields.text("topic"), qos(fields, "qos"));
                let (retain, properties) = (fields.is("retain"), properties.clone());
                let sent = client
                    .publish_with_properties(topic, qos, retain, payload, properties)
                    .await;
                sent.expect("room");
            }
            Ok(())
        }
        _ => client.disconnect().await,
    };
    done.expect("room");
}
