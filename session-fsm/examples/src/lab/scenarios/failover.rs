//! A client with several servers: one is dead, one sends it elsewhere, and a breaker for each server remembers.

mod connector;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mqtt5_tokio::codec::{ConnAck, Packet, Properties, Property, ProtocolVersion, Text};
use mqtt5_tokio::{Client, ConnectionState, Qos, ReasonCode};
use tokio::net::TcpListener;
use tokio::time::timeout;

use self::connector::{Attempt, Careful, FAILURES};
use crate::lab::context::{numbered, wait_until};
use crate::lab::observers::{Direction, Entry, Happening, Observer, Socket};
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Tally};

/// How often the connection is cut.
const CUTS: u64 = 4;
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let count = lab.options.messages;
    let topic = lab.topic("failover");
    let broker = lab.another_broker().await?;
    let observer = lab.observer_of(&broker).await?;
    let there = broker.address().to_string();
    let witness = lab
        .witness_at(&there, "failover-see", &topic, Qos::AtLeastOnce)
        .await?;
    // Bound and closed again: nothing listens there.
    let dead = TcpListener::bind("127.0.0.1:0")
        .await?
        .local_addr()?
        .to_string();
    let signpost = TcpListener::bind("127.0.0.1:0").await?;
    let sends_away = signpost.local_addr()?.to_string();
    let elsewhere = observer.address().replace("mqtt://", "");
    lab.step(format!(
        "a dead server, a signpost, a broker, and {CUTS} cuts"
    ));

    let connector = Careful::new(lab.start);
    let client = lab
        .client(dead.as_str(), "failover")
        .servers([sends_away.as_str()]);
    let scenario = async {
        let connect = client.connector(connector.clone()).connect();
        let (client, _messages) = timeout(PATIENCE, connect).await??;
        let state = client.state();
        let first = state.borrow().clone();
        let cutting = async {
            for cut in 1..=CUTS {
                let due = cut * count / (CUTS + 1);
                wait_until(PATIENCE, || {
                    observer.look(|it| it.publishes(Direction::ToServer).0) >= due
                })
                .await;
                observer.cut();
                let is_back = || observer.look(|it| it.connections()) > cut;
                wait_until(PATIENCE, is_back).await;
            }
        };
        let publishing = publish(&client, &topic, count);
        let both = async { tokio::join!(publishing, cutting) };
        timeout(PATIENCE, both).await?.0?;
        witness.notebook().wait_for_all(0..count, PATIENCE).await;
        client.disconnect().await;
        Result::<ConnectionState>::Ok(first)
    };
    let mut visits = Vec::new();
    let first = tokio::select! {
        first = scenario => first?,
        error = send_away(lab.start, &signpost, &elsewhere, &mut visits) => return Err(error),
    };

    let at_dead = connector.attempts(&dead);
    let tried = at_dead.iter().filter(|it| it.is_tried).count();
    let passed_over = at_dead.len() - tried;
    let connections = observer.look(|it| it.connections());
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "The client knows two servers. Nothing listens at the first one; the second one is a socket and the codec, and refuses every client with 0x9C, Use another server, and the address of a broker. The connection to this broker is cut {CUTS} times while {count} messages are published."
    ));
    outcome.say(format!(
        "The client tries the dead server {tried} times and passes it over {passed_over} times; the second server sends it away {} times.",
        visits.len()
    ));
    let is_there =
        matches!(&first, ConnectionState::Connected { server, .. } if *server == elsewhere);
    outcome.check(
        "Server Reference",
        "The client reaches a broker that it was not told of, by the Server Reference of another server.",
        is_there && !visits.is_empty(),
    );
    outcome.check(
        "Cuts",
        "After each cut the client connects again.",
        connections == CUTS + 1 && observer.look(|it| it.cuts().len() as u64) == CUTS,
    );
    outcome.check(
        "Dead server",
        "After two failures its breaker is open, and it is passed over without an attempt.",
        tried == usize::from(FAILURES) && at_dead.iter().skip(tried).all(|it| !it.is_tried),
    );
    let confirmed = observer.look(|it| it.confirmed().len() as u64);
    let tally = Tally::of(0..count, Some(confirmed), witness.notebook().numbers());
    outcome.deliveries("Messages", Qos::AtLeastOnce, tally);
    let mark = |it: &Attempt| match it.is_tried {
        true => (it.at, "tried in vain".to_owned()),
        false => (it.at, "passed over".to_owned()),
    };
    let line = |name: &str, marks| TimelineLine {
        name: name.to_owned(),
        marks,
        spans: Vec::new(),
    };
    outcome.charts.push(Chart::Timeline {
        title: "Where the client went".to_owned(),
        lines: vec![
            line("The dead server", at_dead.iter().map(mark).collect()),
            line(
                "The signpost",
                visits
                    .iter()
                    .map(|at| (*at, "sent away".to_owned()))
                    .collect(),
            ),
            broker_line(&observer, lab.start.elapsed()),
        ],
    });
    Ok(outcome)
}

async fn publish(client: &Client, topic: &str, count: u64) -> Result<()> {
    let mut pending = VecDeque::new();
    for number in 0..count {
        pending.push_back(
            client
                .send(numbered(topic, number, Qos::AtLeastOnce)?)
                .await?,
        );
        if pending.len() >= 8
            && let Some(oldest) = pending.pop_front()
        {
            oldest.await?;
        }
    }
    for last in pending {
        last.await?;
    }
    Ok(())
}

/// The cuts of the broker's connections, and how long these were open.
fn broker_line(observer: &Observer, end: Duration) -> TimelineLine {
    let recording = observer.recording();
    let is_over = |it: &&Entry| matches!(it.what, Happening::Cut | Happening::Closed);
    let mut spans = Vec::new();
    for opened in recording
        .entries
        .iter()
        .filter(|it| matches!(it.what, Happening::Opened))
    {
        let same = |it: &&Entry| it.connection == opened.connection;
        let closed = recording.entries.iter().filter(same).find(is_over);
        let closed = closed.map_or(end, |it| it.at);
        spans.push((opened.at, closed, "connected".to_owned()));
    }
    let marks = recording
        .cuts()
        .into_iter()
        .map(|at| (at, "cut".to_owned()));
    TimelineLine {
        name: "The broker".to_owned(),
        marks: marks.collect(),
        spans,
    }
}

/// A server that refuses every client, and names another server. It ends only if it cannot go on.
async fn send_away(
    start: Instant,
    listener: &TcpListener,
    elsewhere: &str,
    visits: &mut Vec<Duration>,
) -> crate::lab::Error {
    loop {
        match refuse(listener, elsewhere).await {
            Ok(true) => visits.push(start.elapsed()),
            Ok(false) => {}
            Err(error) => return error,
        }
    }
}

/// Refuses a client. Returns whether one was there.
async fn refuse(listener: &TcpListener, elsewhere: &str) -> Result<bool> {
    let (stream, _) = listener.accept().await?;
    let mut socket = Socket::new(stream, ProtocolVersion::V5_0)?;
    let is_connect = |packet: &Packet<'_>| matches!(packet, Packet::Connect(_));
    // A client that goes away again is no reason to stop.
    let Ok(Ok(Some(true))) = timeout(PATIENCE, socket.next(is_connect)).await else {
        return Ok(false);
    };
    let reference = [Property::ServerReference(Text::new(elsewhere)?)];
    let connack = ConnAck {
        properties: Properties::new(&reference)?,
        ..ConnAck::new(ReasonCode::UseAnotherServer)
    };
    Ok(socket.write(&[connack.into()]).await.is_ok())
}
