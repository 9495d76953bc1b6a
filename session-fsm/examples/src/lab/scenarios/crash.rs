//! A client that dies, and goes on from its journal.

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use mqtt5_tokio::{Client, Qos, RedbJournal};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::lab::context::numbered;
use crate::lab::observers::{Direction, Observer};
use crate::lab::{Lab, Options, Outcome, Result, Tally};

/// How often it is killed.
const KILLS: u64 = 3;
/// How many messages each life publishes before it is killed.
const EACH: u64 = 60;
/// The numbers of a life begin here, times its own number.
const APART: u64 = 1_000_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let topic = lab.topic("crash");
    let observer = lab.observer().await?;
    let witness = lab
        .witness("crash-witness", &topic, Qos::ExactlyOnce)
        .await?;
    let mut confirmed = BTreeSet::new();
    for life in 0..KILLS {
        lab.step(format!("the publisher has died {life} times"));
        let mut publisher = start(lab, &observer, &topic, life)?;
        let lines = publisher
            .stdout
            .take()
            .ok_or("The publisher has no output.")?;
        let mut lines = BufReader::new(lines).lines();
        while confirmed.len() < ((life + 1) * EACH) as usize {
            match timeout(PATIENCE, lines.next_line()).await?? {
                Some(line) => confirmed.insert(line.parse::<u64>()?),
                None => return Err("The publisher ended by itself.".into()),
            };
        }
        publisher.kill().await?;
        // What it had written before.
        while let Some(line) = lines.next_line().await? {
            if let Ok(number) = line.parse() {
                confirmed.insert(number);
            }
        }
    }
    lab.step("the journal is finished");
    // The last life publishes nothing of its own: it finishes what the others have begun.
    let journal = RedbJournal::open(lab.file("crash.redb"))?;
    let (client, _messages) = lab
        .client(observer.address(), "crash")
        .journal(journal)
        .connect()
        .await?;
    let seen = observer.look(|it| it.first_seen(Direction::ToServer));
    let begun: BTreeSet<u64> = seen.keys().chain(&confirmed).copied().collect();
    witness
        .notebook()
        .wait_for_all(begun.iter().copied(), PATIENCE)
        .await;
    // An outcome that comes behind all others.
    client
        .publish(&lab.topic("crash/end"), "", Qos::ExactlyOnce)
        .await?;
    client.disconnect().await;

    let mut outcome = Outcome::default();
    outcome.say(format!(
        "A publisher with a journal is killed by SIGKILL {KILLS} times, each time with messages on their way, and started again."
    ));
    outcome.say("What a Client has sent once is in its journal: the next life finishes it, and does not send it as a new message.");
    // The journal of a life that was killed may hold messages that were not on the wire yet: the next one sends them.
    let seen = observer.look(|it| it.first_seen(Direction::ToServer));
    let all: BTreeSet<u64> = seen.into_keys().chain(confirmed.iter().copied()).collect();
    let tally = Tally::of(
        all,
        Some(confirmed.len() as u64),
        witness.notebook().numbers(),
    );
    outcome.deliveries("QoS 2", Qos::ExactlyOnce, tally);
    let present = observer.look(|it| it.sessions_present());
    outcome.check(
        "Session",
        "Each life goes on with the Session of the one before.",
        present.len() > KILLS as usize && present.iter().skip(1).all(|it| *it),
    );
    Ok(outcome)
}

fn start(lab: &Lab, observer: &Observer, topic: &str, life: u64) -> Result<Child> {
    let child = Command::new(lab.program())
        .arg("--publish-at")
        .arg(observer.address())
        .arg("--journal")
        .arg(lab.file("crash.redb"))
        .arg("--name")
        .arg(lab.name("crash"))
        .arg("--topic")
        .arg(topic)
        .arg("--first")
        .arg((life * APART).to_string())
        // It ends when the pipe does.
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// What the process of the publisher does: it publishes one message after the other, some at once, and prints the numbers of
/// those that are confirmed. It ends when standard input does.
///
/// # Errors
///
/// The journal cannot be used, or the server refuses.
pub async fn publishing_process(address: &str, options: &Options) -> Result<()> {
    let role = &options.role;
    let journal = RedbJournal::open(&role.journal)?;
    let builder = Client::builder(address, &role.name).journal(journal);
    let (client, _messages) = builder.connect().await?;
    let publish = async {
        let mut pending = VecDeque::new();
        for number in role.first.. {
            pending.push_back((
                number,
                client
                    .send(numbered(&role.topic, number, Qos::ExactlyOnce)?)
                    .await?,
            ));
            if pending.len() >= 8
                && let Some((number, outcome)) = pending.pop_front()
            {
                outcome.await?;
                let mut out = std::io::stdout();
                writeln!(out, "{number}")?;
                out.flush()?;
            }
        }
        Ok(())
    };
    let mut nothing = [0];
    tokio::select! {
        ended = publish => ended,
        _ = async { while !matches!(tokio::io::stdin().read(&mut nothing).await, Ok(0) | Err(_)) {} } => Ok(()),
    }
}
