//! The Will Message and its Will Delay Interval, in every way in which a connection can end.

use std::time::Duration;

use mqtt5_tokio::codec::PacketType;
use mqtt5_tokio::{Client, Messages, Qos, ReasonCode, Will};
use tokio::time::timeout;

use crate::lab::context::wait_until;
use crate::lab::counting::milliseconds;
use crate::lab::observers::{Entry, Happening, Observer, Recording};
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Table};

/// The shortest Will Delay Interval that there is.
const DELAY: Duration = Duration::from_secs(1);
/// A Will Delay Interval that nobody waits for: the end of the Session comes first.
const LONG: Duration = Duration::from_secs(60);
/// A Session Expiry Interval that is longer than the Will Delay Interval.
const EXPIRY: Duration = Duration::from_secs(60);
/// How long any step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a Will Message that is not to come could take from the broker to the witness.
const GRACE: Duration = Duration::from_millis(150);

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// The network fails, and the client comes back.
    CutAndBack,
    /// The network fails for good.
    Cut,
    /// DISCONNECT with this Reason Code.
    Disconnect(ReasonCode),
}

/// When the Will Message comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Never,
    AtOnce,
    AfterDelay,
}

struct Case {
    name: &'static str,
    promise: &'static str,
    ending: Ending,
    delay: Duration,
    expiry: Duration,
    expected: Expected,
}

/// In the order in which the connections end: when the Will Messages of the last two are there, those of all others would be.
const CASES: [Case; 6] = [
    Case {
        name: "cut, back in time",
        promise: "The client is back before the Will Delay Interval has passed: there is no Will Message.",
        ending: Ending::CutAndBack,
        delay: DELAY,
        expiry: EXPIRY,
        expected: Expected::Never,
    },
    Case {
        name: "0x00",
        promise: "After a normal disconnection there is no Will Message.",
        ending: Ending::Disconnect(ReasonCode::Success),
        delay: DELAY,
        expiry: EXPIRY,
        expected: Expected::Never,
    },
    Case {
        name: "cut, no Session",
        promise: "The Session ends with the connection, and the Will Message does not wait any longer.",
        ending: Ending::Cut,
        delay: LONG,
        expiry: Duration::ZERO,
        expected: Expected::AtOnce,
    },
    Case {
        name: "0x04, no Session",
        promise: "DISCONNECT with 0x04 asks for the Will Message, and the Session ends: it comes at once.",
        ending: Ending::Disconnect(ReasonCode::DisconnectWithWillMessage),
        delay: LONG,
        expiry: Duration::ZERO,
        expected: Expected::AtOnce,
    },
    Case {
        name: "0x04",
        promise: "DISCONNECT with 0x04 asks for the Will Message, and the Session goes on: it comes after the delay, and not before.",
        ending: Ending::Disconnect(ReasonCode::DisconnectWithWillMessage),
        delay: DELAY,
        expiry: EXPIRY,
        expected: Expected::AfterDelay,
    },
    Case {
        name: "cut",
        promise: "The client does not come back: the Will Message comes after the delay, and not before.",
        ending: Ending::Cut,
        delay: DELAY,
        expiry: EXPIRY,
        expected: Expected::AfterDelay,
    },
];

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let topic = lab.topic("will");
    let filter = format!("{topic}/+");
    let witness = lab.witness("will", &filter, Qos::AtLeastOnce).await?;
    lab.step(format!("{} clients, each with a Will Message", CASES.len()));
    let mut members = Vec::new();
    for (number, case) in CASES.iter().enumerate() {
        members.push(Member::connect(lab, &topic, number, case).await?);
    }
    lab.step("all connections end, each in its way");
    for member in &mut members {
        member.end(lab).await?;
    }
    let to_come = |it: &&Member| it.case.expected != Expected::Never;
    let expected = members.iter().filter(to_come).count();
    wait_until(PATIENCE, || {
        let heard = witness.notebook().heard();
        members
            .iter()
            .filter(to_come)
            .all(|it| heard.iter().any(|will| will.topic == it.topic))
    })
    .await;
    tokio::time::sleep(GRACE).await;

    let mut outcome = Outcome::default();
    outcome.say(format!(
        "{} clients have a Will Message. The connection of each ends in another way, at the same time; {expected} Will Messages are due.",
        CASES.len(),
    ));
    let mut table = Table {
        title: "From the end of the connection to the Will Message".to_owned(),
        columns: vec![
            "",
            "Will Delay Interval",
            "Session Expiry Interval",
            "Will Message",
        ],
        rows: Vec::new(),
    };
    let mut lines = Vec::new();
    for member in &members {
        let heard = witness.notebook().heard();
        let wills = heard.iter().filter(|it| it.topic == member.topic);
        let wills: Vec<Duration> = wills.map(|it| it.at).collect();
        let case = member.case;
        let came = wills.first().map(|at| at.saturating_sub(member.ended));
        table.rows.push(vec![
            case.name.to_owned(),
            format!("{} s", case.delay.as_secs()),
            format!("{} s", case.expiry.as_secs()),
            came.map_or("none".to_owned(), milliseconds),
        ]);
        outcome.check(case.name, case.promise, member.is_kept(&wills));
        let mut marks = vec![(member.ended, "the connection ends".to_owned())];
        marks.extend(
            wills
                .iter()
                .map(|at| (*at, "the Will Message comes".to_owned())),
        );
        let mut spans = vec![(member.connected, member.ended, "connected".to_owned())];
        if let Some(back) = member.back {
            spans.push((
                back,
                back.max(member.ended + DELAY),
                "connected again".to_owned(),
            ));
        }
        lines.push(TimelineLine {
            name: case.name.to_owned(),
            marks,
            spans,
        });
        member.client.disconnect().await;
    }
    outcome.tables.push(table);
    outcome.charts.push(Chart::Timeline {
        title: "When connections ended, and when Will Messages came".to_owned(),
        lines,
    });
    Ok(outcome)
}

/// One of the clients. All times are those of the lab.
struct Member {
    case: &'static Case,
    topic: String,
    observer: Observer,
    client: Client,
    _messages: Messages,
    connected: Duration,
    ended: Duration,
    /// When it was connected again.
    back: Option<Duration>,
}

impl Member {
    async fn connect(lab: &Lab, topic: &str, number: usize, case: &'static Case) -> Result<Self> {
        let topic = format!("{topic}/{number}");
        let observer = lab.observer().await?;
        let mut will = Will::new(&topic, format!("{number} of the lab"), Qos::AtLeastOnce);
        will.delay = case.delay;
        let client = lab.client(observer.address(), &format!("will-{number}"));
        let client = client.will(will).session_expiry(case.expiry);
        let (client, messages) = timeout(PATIENCE, client.connect()).await??;
        let connected = lab.start.elapsed();
        Ok(Member {
            case,
            topic,
            observer,
            client,
            _messages: messages,
            connected,
            ended: connected,
            back: None,
        })
    }

    /// When the broker accepted a connection of the client.
    fn accepted(&self) -> Vec<Duration> {
        let connack = |entry: &Entry| match entry.what {
            Happening::Packet {
                packet_type: PacketType::ConnAck,
                ..
            } => Some(entry.at),
            _ => None,
        };
        let accepted = |it: &Recording| it.entries.iter().filter_map(connack).collect();
        self.observer.look(accepted)
    }

    /// Ends the connection.
    async fn end(&mut self, lab: &Lab) -> Result<()> {
        // The broker does not know it before.
        self.ended = lab.start.elapsed();
        match self.case.ending {
            Ending::Disconnect(reason_code) => self.client.disconnect_with(reason_code).await,
            Ending::Cut => self.observer.set_down(true),
            Ending::CutAndBack => {
                self.observer.cut();
                wait_until(PATIENCE, || self.accepted().len() == 2).await;
                self.back = self.accepted().get(1).copied();
            }
        }
        Ok(())
    }

    /// Whether what the witness has heard is what was promised.
    fn is_kept(&self, wills: &[Duration]) -> bool {
        // A slow computer may bring the client back too late: then it is a client that does not come back in time.
        let expected = match self.back {
            Some(back) if back >= self.ended + DELAY => return true,
            None if self.case.ending == Ending::CutAndBack => return false,
            _ => self.case.expected,
        };
        match (expected, wills) {
            (Expected::Never, []) => true,
            // The long delay has not passed when the lab looks.
            (Expected::AtOnce, [_]) => true,
            // A broker may count whole milliseconds.
            (Expected::AfterDelay, [at]) => *at + Duration::from_millis(1) >= self.ended + DELAY,
            _ => false,
        }
    }
}
