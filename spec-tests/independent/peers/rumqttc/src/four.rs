//! MQTT 3.1.1.

use std::time::Duration;

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, Event, EventLoop, LastWill, MqttOptions,
    Packet, QoS, SubscribeReasonCode,
};
use tokio::task::JoinHandle;

use crate::{Client, Fields, event};

fn qos(fields: &Fields, key: &str) -> QoS {
    rumqttc::qos(fields.number(key).unwrap_or(0)).expect("a QoS")
}

pub(crate) fn connect(name: &str, fields: &Fields) -> (Client, JoinHandle<()>) {
    let (host, port, transport) = fields.server();
    let mut options = MqttOptions::new(fields.text("id"), host, port);
    options
        .set_transport(transport)
        .set_clean_session(!fields.get("clean").is_some_and(|it| it == "0"))
        .set_keep_alive(Duration::from_secs(
            fields.number("keepalive").unwrap_or(60),
        ))
        .set_inflight(50);
    if let Some(user) = fields.get("user") {
        options.set_credentials(user, fields.text("password"));
    }
    if let Some(topic) = fields.get("will_topic") {
        let payload = fields.text("will_payload");
        let retain = fields.is("will_retain");
        options.set_last_will(LastWill::new(
            topic,
            payload,
            qos(fields, "will_qos"),
            retain,
        ));
    }
    let (client, events) = AsyncClient::new(options, 10_000);
    let task = tokio::spawn(run(name.to_owned(), events));
    (Client::Four(client), task)
}

async fn run(name: String, mut events: EventLoop) {
    loop {
        match events.poll().await {
            Ok(Event::Incoming(packet)) => report(&name, &packet),
            Ok(Event::Outgoing(_)) => {}
            Err(ConnectionError::ConnectionRefused(code)) => {
                let code = match code {
                    ConnectReturnCode::Success => 0,
                    ConnectReturnCode::RefusedProtocolVersion => 1,
                    ConnectReturnCode::BadClientId => 2,
                    ConnectReturnCode::ServiceUnavailable => 3,
                    ConnectReturnCode::BadUserNamePassword => 4,
                    ConnectReturnCode::NotAuthorized => 5,
                };
                return event(&name, "connected", &format!("code={code}\tpresent=0"));
            }
            Err(error) => return event(&name, "lost", &format!("code=-1\twhy={error}")),
        }
    }
}

fn report(name: &str, packet: &Packet) {
    match packet {
        Packet::ConnAck(connack) => {
            let present = u8::from(connack.session_present);
            event(name, "connected", &format!("code=0\tpresent={present}"));
        }
        Packet::SubAck(suback) => {
            let code = |code: &SubscribeReasonCode| match code {
                SubscribeReasonCode::Success(qos) => (*qos as u8).to_string(),
                SubscribeReasonCode::Failure => "128".to_owned(),
            };
            let codes: Vec<String> = suback.return_codes.iter().map(code).collect();
            event(name, "granted", &format!("codes={}", codes.join(",")));
        }
        Packet::UnsubAck(_) => event(name, "unsubscribed", "codes=0"),
        Packet::PubAck(_) | Packet::PubComp(_) => event(name, "published", "code=0"),
        Packet::Publish(publish) => {
            let payload = String::from_utf8_lossy(&publish.payload);
            let (qos, retain) = (publish.qos as u8, u8::from(publish.retain));
            let topic = &publish.topic;
            event(
                name,
                "message",
                &format!("topic={topic}\tqos={qos}\tretain={retain}\tpayload={payload}"),
            );
        }
        _ => {}
    }
}

pub(crate) async fn command(client: &AsyncClient, command: &str, fields: &Fields) {
    let done = match command {
        "subscribe" => {
            client
                .subscribe(fields.text("filter"), qos(fields, "qos"))
                .await
        }
        "unsubscribe" => client.unsubscribe(fields.text("filter")).await,
        "publish" => {
            for payload in fields.payloads() {
                let (topic, qos) = (fields.text("topic"), qos(fields, "qos"));
                let retain = fields.is("retain");
                client
                    .publish(topic, qos, retain, payload)
                    .await
                    .expect("room");
            }
            Ok(())
        }
        _ => client.disconnect().await,
    };
    done.expect("room");
}
