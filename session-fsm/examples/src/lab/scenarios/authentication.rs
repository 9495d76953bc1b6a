//! Enhanced authentication: both sides prove that they know a password, and nobody sends it.

use std::collections::VecDeque;
use std::time::Duration;

use mqtt5_tokio::codec::PacketType;
use mqtt5_tokio::fsm::reconnect::GiveUp;
use mqtt5_tokio::{Client, ConnectError, Qos, ReasonCode};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::lab::context::numbered;
use crate::lab::observers::{Direction, Entry, Happening, Observer};
use crate::lab::scram::{Impostor, PASSWORD, ScramAuthenticator, Trust, USER};
use crate::lab::{Chart, Error, Lab, Outcome, Result, Table, Tally};

/// How often a client authenticates again while it publishes.
const AGAIN: u64 = 3;
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "The broker knows the user {USER}, and keeps no password but keys that are derived from it."
    ));
    let mut rows = Vec::new();

    lab.step("the right password");
    let observer = lab.observer().await?;
    let (authenticator, mut trust) = ScramAuthenticator::new(USER, PASSWORD)?;
    let client = lab.client(observer.address(), "scram");
    let (client, _messages) = client.authenticator(authenticator).connect().await?;
    rows.push(row("The right password", &observer, "connected"));
    let steps = auth_codes(&observer);
    outcome.check(
        "The right password",
        "The exchange has one AUTH from each side (0x18) before the CONNACK, and the server proves that it knows the password, too.",
        steps == [DOWN_CONTINUE, UP_CONTINUE] && trust.borrow().proofs == 1,
    );
    outcome.charts.push(Chart::Sequence {
        title: "A login by SCRAM-SHA-256".to_owned(),
        recording: observer.recording(),
    });

    lab.step("another authentication on the same connection");
    observer.forget();
    authenticate_again(&client, &mut trust).await?;
    rows.push(row("Authentication again", &observer, "connected"));
    let one = [UP_AGAIN, DOWN_CONTINUE, UP_CONTINUE, DOWN_SUCCESS];
    let same = auth_codes(&observer) == one && trust.borrow().proofs == 2;
    outcome.charts.push(Chart::Sequence {
        title: "Another authentication on the same connection".to_owned(),
        recording: observer.recording(),
    });
    observer.forget();
    let (tally, meanwhile) = publishing(lab, &client, &observer, &mut trust).await?;
    rows.push(row("Again, while messages go on", &observer, "connected"));
    let connections = observer.look(|it| it.connections());
    outcome.check(
        "Authentication again",
        "It has two AUTH packets from each side (0x19, 0x18; 0x18, 0x00), the server proves itself each time, and the connection stays.",
        same && auth_codes(&observer) == one.repeat(AGAIN as usize)
            && trust.borrow().proofs == 2 + AGAIN
            && connections == 0,
    );
    outcome.say(format!(
        "The client authenticates {AGAIN} times while it publishes; {meanwhile} messages are sent between the first AUTH and the last one of these."
    ));
    outcome.counted(
        "Messages meanwhile",
        "Messages go on during the authentication, and each arrives.",
        tally,
        tally.keeps(Qos::AtLeastOnce) && meanwhile > 0,
    );
    client.disconnect().await;

    for (name, user, password) in [
        ("A wrong password", USER, "difference engine"),
        ("An unknown user", "charles", PASSWORD),
    ] {
        lab.step(name.to_lowercase());
        let observer = lab.observer().await?;
        let (authenticator, trust) = ScramAuthenticator::new(user, password)?;
        let client = lab.client(observer.address(), "scram-no");
        let attempt = timeout(PATIENCE, client.authenticator(authenticator).connect()).await?;
        let refused = ConnectError::GaveUp(GiveUp::Refused(ReasonCode::NotAuthorized));
        let codes = observer.look(|it| reason_codes(&it.entries, PacketType::ConnAck));
        rows.push(row(name, &observer, "refused with 0x87"));
        outcome.check(
            name,
            "The server refuses the client with 0x87, Not authorized, and the client does not try again.",
            attempt.is_err_and(|error| error == refused)
                && codes == [(Direction::ToClient, ReasonCode::NotAuthorized)]
                && observer.look(|it| it.connections()) == 1
                && trust.borrow().proofs == 0,
        );
    }
    for (name, signs) in [
        ("A server with a false signature", true),
        ("A server that asks for no proof", false),
    ] {
        lab.step(name.to_lowercase());
        let said = cheated(lab, signs).await?;
        outcome.check(
            name,
            "The client leaves it with a DISCONNECT, and sends it no message.",
            said == [PacketType::Disconnect],
        );
    }
    outcome.tables.push(Table {
        title: "AUTH packets on the wire".to_owned(),
        columns: vec!["", "from the client", "from the server", "outcome"],
        rows,
    });
    Ok(outcome)
}

type Step = (Direction, ReasonCode);

const UP_AGAIN: Step = (Direction::ToServer, ReasonCode::ReAuthenticate);
const UP_CONTINUE: Step = (Direction::ToServer, ReasonCode::ContinueAuthentication);
const DOWN_CONTINUE: Step = (Direction::ToClient, ReasonCode::ContinueAuthentication);
const DOWN_SUCCESS: Step = (Direction::ToClient, ReasonCode::Success);

fn reason_codes(entries: &[Entry], of: PacketType) -> Vec<Step> {
    let code = |entry: &Entry| match entry.what {
        Happening::Packet {
            direction,
            packet_type,
            reason_code: Some(reason_code),
            ..
        } if packet_type == of => Some((direction, reason_code)),
        _ => None,
    };
    entries.iter().filter_map(code).collect()
}

fn auth_codes(observer: &Observer) -> Vec<Step> {
    observer.look(|it| reason_codes(&it.entries, PacketType::Auth))
}

fn row(name: &str, observer: &Observer, outcome: &str) -> Vec<String> {
    let codes = auth_codes(observer);
    let up = codes
        .iter()
        .filter(|it| it.0 == Direction::ToServer)
        .count();
    let down = codes.len() - up;
    vec![
        name.into(),
        up.to_string(),
        down.to_string(),
        outcome.into(),
    ]
}

/// Authenticates again, and waits until the server has proven itself.
async fn authenticate_again(client: &Client, trust: &mut watch::Receiver<Trust>) -> Result<()> {
    let before = trust.borrow().proofs;
    client.re_authenticate().await?;
    timeout(PATIENCE, trust.wait_for(|it| it.proofs > before)).await??;
    Ok(())
}

/// Authenticates while messages go on. Returns them, and how many left during the authentications.
async fn publishing(
    lab: &Lab,
    client: &Client,
    observer: &Observer,
    trust: &mut watch::Receiver<Trust>,
) -> Result<(Tally, u64)> {
    let topic = lab.topic("authentication");
    let witness = lab.witness("scram-see", &topic, Qos::AtLeastOnce).await?;
    let is_over = watch::Sender::new(false);
    let publish = async {
        let (mut pending, mut sent) = (VecDeque::new(), 0);
        while !*is_over.borrow() {
            pending.push_back(
                client
                    .send(numbered(&topic, sent, Qos::AtLeastOnce)?)
                    .await?,
            );
            sent += 1;
            if pending.len() >= 8
                && let Some(oldest) = pending.pop_front()
            {
                oldest.await?;
            }
        }
        for last in pending {
            last.await?;
        }
        Ok::<_, Error>(sent)
    };
    let authenticate = async {
        for _ in 0..AGAIN {
            authenticate_again(client, trust).await?;
        }
        is_over.send_replace(true);
        Ok::<_, Error>(())
    };
    let (sent, done) = timeout(PATIENCE, async { tokio::join!(publish, authenticate) }).await?;
    done?;
    let sent = sent?;
    witness.notebook().wait_for_all(0..sent, PATIENCE).await;
    let (mut is_under_way, mut meanwhile) = (false, 0);
    for entry in &observer.recording().entries {
        match entry.what {
            Happening::Packet {
                publish: Some(_),
                direction: Direction::ToServer,
                ..
            } => {
                meanwhile += u64::from(is_under_way);
            }
            Happening::Packet {
                packet_type: PacketType::Auth,
                reason_code,
                ..
            } => {
                is_under_way = reason_code != Some(ReasonCode::Success);
            }
            _ => {}
        }
    }
    let confirmed = observer.look(|it| it.confirmed().len() as u64);
    let tally = Tally::of(0..sent, Some(confirmed), witness.notebook().numbers());
    Ok((tally, meanwhile))
}

/// A client that has something to say to a server that does not know the password. Returns what it says after the server has
/// accepted it.
async fn cheated(lab: &Lab, signs: bool) -> Result<Vec<PacketType>> {
    let impostor = Impostor::open(signs).await?;
    let (authenticator, mut trust) = ScramAuthenticator::new(USER, PASSWORD)?;
    let client = lab.client(impostor.address()?, "scram-who");
    let (client, _messages) = client.authenticator(authenticator).start().await?;
    let topic = lab.topic("authentication/secret");
    let speak = async {
        // It waits in the Session, and must not leave it.
        let secret = numbered(&topic, 0, Qos::AtLeastOnce)?;
        let _outcome = client.send(secret).await?;
        trust.wait_for(|it| it.proofs + it.failures > 0).await?;
        client.disconnect().await;
        Ok::<_, Error>(())
    };
    let (said, spoken) = timeout(PATIENCE, async { tokio::join!(impostor.serve(), speak) }).await?;
    spoken?;
    said
}
