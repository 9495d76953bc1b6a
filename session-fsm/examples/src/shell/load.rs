//! The work of the clients: each publishes numbered messages, each receives all of them, and
//! everything is counted.

use std::cell::Cell;
use std::error::Error;
use std::hash::{BuildHasher, RandomState};
use std::rc::Rc;
use std::time::Duration;

use mqtt5_session_fsm::codec::{
    Connect, Properties, Property, ProtocolVersion, Qos, ReasonCode, Text,
};
use mqtt5_session_fsm::reconnect::{ReconnectPolicy, ReconnectSettings};
use mqtt5_session_fsm::{Client, Event, Instant, Outcome, Publication, Token};
use tokio::task::spawn_local;
use tokio::time::timeout;

use crate::cut::{Cut, Fuse};
use crate::{client, stream};

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Per client and QoS. A broker that keeps no more than 1,000 messages for a Client that is away,
/// as mosquitto does, keeps all that two clients publish.
const MESSAGES: usize = 200;
/// How many messages may be published and not confirmed.
const WINDOW: usize = 50;
const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

/// One client's part, and what it has seen.
pub(crate) struct Load {
    pub(crate) name: String,
    group: String,
    number: usize,
    version: ProtocolVersion,
    /// How many clients there are, and how many of them have subscribed.
    clients: usize,
    ready: Rc<Cell<usize>>,
    subscription: Option<Token>,
    subscribed: bool,
    was_ready: bool,
    published: usize,
    /// How many messages had their outcome, and how many of these were not confirmed.
    settled: usize,
    failed: usize,
    /// How often each message came: those of the first client, those of the second, and so on. The
    /// QoS is the number's remainder by three.
    came: Vec<u32>,
    /// MQTT 3.1.1: the Session ends with the next connection.
    leaves: bool,
    done: bool,
    /// How many connections are still to be cut.
    cuts: usize,
    fuse: Rc<Fuse>,
    /// Whether the server may be cut off while it resumes the Session, too, so before its first
    /// answer.
    ///
    /// Not for mosquitto: after two such cuts in a row it has forgotten that it had sent a PUBREL,
    /// and sends the PUBLISH again, so that a message with QoS 2 comes twice. Seen with 2.0.11; the
    /// present `db__message_reconnect_reset_outgoing` reads the same.
    anywhere: bool,
    connections: usize,
    resumed: usize,
}

impl Load {
    /// Creates a part for each client, which offers this version, under a name that no other run
    /// has.
    pub(crate) fn of(
        versions: &[ProtocolVersion],
        cuts: usize,
        anywhere: bool,
        group: &str,
    ) -> Vec<Load> {
        let clients = versions.len();
        let ready = Rc::new(Cell::new(0));
        let part = |(number, &version)| Load {
            name: format!("{group}-{number}"),
            group: group.to_owned(),
            number,
            version,
            clients,
            ready: ready.clone(),
            subscription: None,
            subscribed: false,
            was_ready: false,
            published: 0,
            settled: 0,
            failed: 0,
            came: vec![0; clients * MESSAGES * QOS.len()],
            leaves: false,
            done: false,
            cuts,
            fuse: Rc::default(),
            anywhere,
            connections: 0,
            resumed: 0,
        };
        versions.iter().enumerate().map(part).collect()
    }

    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Begins a new Network Connection to a server that may have refused MQTT 5: it is not offered
    /// then.
    pub(crate) fn connect(
        &mut self,
        now: Instant,
        client: &mut Client,
        offer: ProtocolVersion,
    ) -> Result<()> {
        if offer == ProtocolVersion::V3_1_1 {
            self.version = offer;
        }
        self.fuse.left.set(match self.cuts {
            0 => usize::MAX,
            _ => 1 + random() as usize % 3000,
        });
        self.fuse.burns.set(self.anywhere);
        self.cuts = self.cuts.saturating_sub(1);
        let properties = match self.version {
            ProtocolVersion::V5_0 => &[
                Property::SessionExpiryInterval(600),
                Property::ReceiveMaximum(100.try_into()?),
            ][..],
            // It has none: the Session stays unless Clean Session is 1.
            _ => &[],
        };
        let connect = Connect {
            version: self.version,
            client_identifier: Text::new(&self.name)?,
            // In MQTT 5 the machine makes it true while it has no Session to go on with.
            clean_start: self.leaves,
            keep_alive: 30,
            properties: Properties::new(properties)?,
            ..Connect::default()
        };
        Ok(client.connect(now, &connect)?)
    }

    /// Notes an event.
    pub(crate) fn happened(&mut self, event: Event<'_>) {
        match event {
            Event::Connected(_) if self.leaves => {}
            Event::Connected(connack) => {
                self.connections += 1;
                self.resumed += usize::from(connack.session_present);
                // Subscriptions are part of the Session.
                self.subscribed &= connack.session_present;
            }
            Event::Refused(connack) => {
                let reason = connack.properties.reason_string();
                let reason = reason.map_or(String::new(), |reason| format!(", {reason}"));
                eprintln!(
                    "The server refused the connection: {}{reason}.",
                    connack.reason_code
                );
            }
            // Messages have their outcome once, over all connections. A SUBSCRIBE is not repeated:
            // if the connection was lost before the answer, it must be sent again.
            Event::Outcome(token, outcome) if Some(token) == self.subscription => {
                self.answered(outcome);
                self.subscription = None;
                self.subscribed = outcome.is_success();
            }
            Event::Outcome(_, outcome) => {
                self.answered(outcome);
                self.settled += 1;
                self.failed += usize::from(!outcome.is_success());
            }
            Event::Message(delivered) => {
                let number = std::str::from_utf8(delivered.publish.payload);
                let number = number.ok().and_then(|number| number.parse::<usize>().ok());
                if let Some(count) = number.and_then(|number| self.came.get_mut(number)) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }

    /// From the first answer on, the connection may be cut.
    fn answered(&self, outcome: Outcome) {
        if outcome.is_success() && outcome != Outcome::Sent {
            self.fuse.burns.set(true);
        }
    }

    /// Does one thing, if there is something to do.
    pub(crate) fn work(&mut self, now: Instant, client: &mut Client) -> Result<bool> {
        let all = MESSAGES * QOS.len();
        if !client.is_connected() {
            // One may publish nevertheless: the messages wait. A SUBSCRIBE does not.
            return Ok(false);
        }
        if self.leaves {
            client.disconnect(now, ReasonCode::NORMAL_DISCONNECTION, &[])?;
            self.done = true;
            return Ok(true);
        }
        if !self.subscribed {
            if self.subscription.is_some() {
                return Ok(false);
            }
            let filter = format!("{}/#", self.group);
            self.subscription = Some(client.subscribe_to(&filter, Qos::ExactlyOnce)?);
            return Ok(true);
        }
        if !std::mem::replace(&mut self.was_ready, true) {
            self.ready.update(|n| n + 1);
        }
        if self.ready.get() < self.clients {
            // The others wake nobody, but each has a first message to come.
            return Ok(false);
        }
        // What is sent once too often would come before the last message, which goes alone.
        let window = if self.published + 1 == all { 1 } else { WINDOW };
        if self.published < all && self.published - self.settled < window {
            let topic = format!("{}/{}", self.group, self.number);
            let payload = (self.number * all + self.published).to_string();
            let qos = qos_of(self.published);
            client.publish(now, Publication::of(&topic, payload.as_bytes(), qos)?)?;
            self.published += 1;
            return Ok(true);
        }
        let complete = |(number, &times): (usize, &u32)| times > 0 || number % QOS.len() == 0;
        if self.settled == all && self.came.iter().enumerate().all(complete) {
            // Leaves no Session behind.
            let zero = [Property::SessionExpiryInterval(0)];
            self.done = client.version() == ProtocolVersion::V5_0;
            self.leaves = !self.done;
            let properties = if self.done { &zero[..] } else { &[] };
            client.disconnect(now, ReasonCode::NORMAL_DISCONNECTION, properties)?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// The machines have no random source: the caller gives random numbers.
pub(crate) fn random() -> u32 {
    RandomState::new().hash_one(()) as u32
}

fn qos_of(number: usize) -> Qos {
    QOS[number % QOS.len()]
}

/// Prints the results, in a sentence for each QoS. Returns `false` if a promise was broken.
pub(crate) fn report(loads: &[Load]) -> bool {
    let mut good = true;
    for (index, qos) in QOS.into_iter().enumerate() {
        // How often each published message came to each client.
        let numbers = |load: &Load| (index..load.published).step_by(QOS.len());
        let published: usize = loads.iter().map(|load| numbers(load).count()).sum();
        let counts = || {
            loads.iter().flat_map(|receiver| {
                loads.iter().flat_map(move |publisher| {
                    let first = publisher.number * MESSAGES * QOS.len();
                    numbers(publisher).map(move |number| receiver.came[first + number])
                })
            })
        };
        let all = counts().count();
        let missing = counts().filter(|&times| times == 0).count();
        let again = counts().map(|times| times.saturating_sub(1)).sum::<u32>();
        let may_miss = qos == Qos::AtMostOnce;
        let may_repeat = qos == Qos::AtLeastOnce;
        good &= (missing == 0 || may_miss) && (again == 0 || may_repeat);
        let came = match missing {
            _ if all == 0 => "none was published".to_owned(),
            0 => format!("all {all} came"),
            _ => format!("{} of {all} came", all - missing),
        };
        let losses = match (missing, may_miss) {
            (0, _) => String::new(),
            (_, true) => format!("; {missing} were lost in a cut, which QoS {index} allows"),
            (_, false) => format!("; {missing} WERE LOST, which QoS {index} does not allow"),
        };
        let repeats = match (again, may_repeat) {
            (0, _) => String::new(),
            (_, true) => format!("; {again} of them again after a cut, which QoS {index} allows"),
            (_, false) => format!("; {again} CAME AGAIN, which QoS {index} does not allow"),
        };
        println!(
            "QoS {index}: {published} messages to {} clients, {came}{losses}{repeats}",
            loads.len()
        );
    }
    for load in loads {
        good &= load.done && load.failed == 0;
        println!("{}", sentence(load));
    }
    println!(
        "{}",
        if good {
            "Every promise was kept."
        } else if loads.iter().all(|load| load.done) {
            "A PROMISE WAS BROKEN."
        } else {
            "It did not come to its end, so it shows nothing."
        }
    );
    good
}

/// Describes the run of one client.
fn sentence(load: &Load) -> String {
    let all = MESSAGES * QOS.len();
    let rest = match (load.done, load.failed) {
        (true, 0) => "every message had its outcome".to_owned(),
        (true, failed) => format!("{failed} MESSAGES WERE NOT CONFIRMED"),
        (false, _) => format!("IT DID NOT FINISH: {} of {all} outcomes", load.settled),
    };
    format!(
        "Client {} ({}): {} connections, {} of them went on with the Session; {rest}",
        load.number + 1,
        load.version,
        load.connections,
        load.resumed,
    )
}

/// Runs the parts of the clients at the same time, and reports.
pub(crate) async fn run(
    server: &str,
    versions: &[ProtocolVersion],
    cuts: usize,
    anywhere: bool,
) -> Result<bool> {
    // The cuts are no sign of a server in trouble: the delay does not grow with them.
    let settings = ReconnectSettings {
        initial_delay: Duration::from_millis(20),
        stable_after: Duration::ZERO,
        give_up_after: Some(10),
        fall_back: true,
        ..ReconnectSettings::default()
    };
    let policy = ReconnectPolicy::new(settings, [server])?;
    let mut tasks = Vec::new();
    for mut load in Load::of(versions, cuts, anywhere, &format!("mqtt5-{:08x}", random())) {
        let policy = policy.clone();
        tasks.push(spawn_local(async move {
            let fuse = load.fuse.clone();
            let open = async |server: &str| {
                let (stream, fuse) = (stream::open(server).await?, fuse.clone());
                Ok(Cut { stream, fuse })
            };
            let running = client::run(policy, &mut load, open);
            match timeout(Duration::from_secs(30), running).await {
                Ok(Err(error)) => eprintln!("Client {}: {error}", load.number + 1),
                Err(_) => eprintln!(
                    "Client {}: it did not finish in 30 seconds",
                    load.number + 1
                ),
                Ok(Ok(())) => {}
            }
            load
        }));
    }
    let mut loads = Vec::new();
    for task in tasks {
        loads.push(task.await?);
    }
    Ok(report(&loads))
}
