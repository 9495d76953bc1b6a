//! What the server announces in its CONNACK (section 3.2.2.3), and what that means for a client.

use mqtt5_tokio::codec::{ConnAckProperties, Connect, Packet, ProtocolVersion, ReasonCode, Text};

use crate::lab::observers::Socket;
use crate::lab::{Lab, Outcome, Result, Table};

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let version = ProtocolVersion::V5_0;
    let mut socket = Socket::open(lab.server(), version).await?;
    // No ClientID, so that the server assigns one.
    let connect = Connect {
        clean_start: true,
        client_identifier: Text::new("")?,
        ..Connect::default()
    };
    socket.write(&[connect.into()]).await?;
    let answer = socket
        .next(|packet| match packet {
            Packet::ConnAck(connack) => Some((connack.reason_code, rows(connack.properties))),
            _ => None,
        })
        .await?;
    let mut outcome = Outcome::default();
    let Some(Some((reason_code, rows))) = answer else {
        outcome.check("CONNACK", "The server answers a CONNECT.", false);
        return Ok(outcome);
    };
    outcome.say("A client must keep to these limits; where the server says nothing, the standard's value holds.");
    outcome.check(
        "CONNACK",
        "The server accepts a client without a ClientID.",
        reason_code == ReasonCode::Success,
    );
    let assigned = rows
        .iter()
        .any(|it| it[0].starts_with("Assigned") && it[1] != "-");
    outcome.check(
        "Assigned Client Identifier",
        "The server says which one it has chosen (section 3.1.3.1).",
        assigned,
    );
    outcome.tables.push(Table {
        title: "The server announces".to_owned(),
        columns: vec!["", "value", "means"],
        rows,
    });
    Ok(outcome)
}

fn rows(properties: ConnAckProperties<'_>) -> Vec<Vec<String>> {
    let number = |value: Option<u64>, absent: &str| {
        value.map_or(format!("- ({absent})"), |it| it.to_string())
    };
    let flag = |value: Option<bool>| match value {
        None => "- (yes)",
        Some(true) => "yes",
        Some(false) => "no",
    };
    let rows = [
        (
            "Receive Maximum",
            number(
                properties.receive_maximum().map(|it| it.get().into()),
                "65535",
            ),
            "unacknowledged messages with QoS 1 and 2 that a client may have sent",
        ),
        (
            "Maximum QoS",
            number(properties.maximum_qos().map(|it| it as u64), "2"),
            "the highest QoS of a message",
        ),
        (
            "Maximum Packet Size",
            number(
                properties.maximum_packet_size().map(|it| it.get().into()),
                "no limit",
            ),
            "bytes of the largest packet",
        ),
        (
            "Topic Alias Maximum",
            number(properties.topic_alias_maximum().map(Into::into), "0"),
            "Topic Aliases that a client may use",
        ),
        (
            "Session Expiry Interval",
            number(
                properties.session_expiry_interval().map(Into::into),
                "as asked",
            ),
            "seconds for which the Session is kept",
        ),
        (
            "Server Keep Alive",
            number(properties.server_keep_alive().map(Into::into), "as asked"),
            "seconds of silence after which the server closes the connection, times 1.5",
        ),
        (
            "Retain Available",
            flag(properties.retain_available()).to_owned(),
            "whether messages can be retained",
        ),
        (
            "Wildcard Subscription Available",
            flag(properties.wildcard_subscription_available()).to_owned(),
            "whether a Topic Filter may have wildcards",
        ),
        (
            "Subscription Identifier Available",
            flag(properties.subscription_identifier_available()).to_owned(),
            "whether a subscription may have an identifier",
        ),
        (
            "Shared Subscription Available",
            flag(properties.shared_subscription_available()).to_owned(),
            "whether several clients may share a subscription",
        ),
        (
            "Assigned Client Identifier",
            properties
                .assigned_client_identifier()
                .map_or("-".to_owned(), |it| it.as_str().to_owned()),
            "the ClientID of a client that has brought none",
        ),
    ];
    rows.map(|(name, value, meaning)| vec![name.to_owned(), value, meaning.to_owned()])
        .into()
}
