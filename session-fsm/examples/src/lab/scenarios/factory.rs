//! A factory: readings, alerts and commands, each at the level that fits it, and the same traffic at the other levels.

mod story;

use std::time::Duration;

use mqtt5_tokio::Qos;
use tokio::time::{interval, timeout};

use self::story::{Kind, LIMIT, MACHINES, Message, SECONDS, story};
use super::mishap::{self, Mishap};
use crate::lab::context::numbered;
use crate::lab::counting::{Tally, promise, thousands};
use crate::lab::observers::Notebook;
use crate::lab::outcome::TimelineLine;
use crate::lab::{Chart, Lab, Outcome, Result, Table};

/// How long a second of the factory takes.
const SECOND: Duration = Duration::from_millis(8);
/// How long the last messages may take.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    lab.step("a minute of a factory, at each level");
    let story = story(lab);
    let count = |kind: Kind| story.iter().filter(|it| it.kind == kind).count() as u64;
    let mut outcome = Outcome::default();
    outcome.say(format!(
        "{MACHINES} machines report their temperature every second, for {SECONDS} seconds. Time runs faster here: a second takes {} ms.",
        SECOND.as_millis()
    ));
    outcome.say(format!(
        "A machine that has {LIMIT} degrees raises an alert, and gets the command to cool by one step more. That made {} readings, {} alerts and {} commands. The network failed {} times: for each kind once before a message had arrived, and once when it had, before its acknowledgement.",
        count(Kind::Reading),
        count(Kind::Alert),
        count(Kind::Command),
        story.iter().filter(|it| it.mishap != Mishap::None).count(),
    ));
    // The same story at the levels of the guide, and at each level, all at once.
    let (guide, zero, one, two) = tokio::try_join!(
        play(lab, &story, "guide", Kind::level),
        play(lab, &story, "qos0", |_| Qos::AtMostOnce),
        play(lab, &story, "qos1", |_| Qos::AtLeastOnce),
        play(lab, &story, "qos2", |_| Qos::ExactlyOnce),
    )?;
    for kind in Kind::ALL {
        let level = kind.level();
        outcome.deliveries(
            format!("{} with QoS {}", kind.name(), level as u8),
            level,
            guide.tally(kind),
        );
    }
    let levels = [
        (Qos::AtMostOnce, &zero),
        (Qos::AtLeastOnce, &one),
        (Qos::ExactlyOnce, &two),
    ];
    let mut table = Table {
        title: "The same traffic at each level; a star marks what the guide chooses".to_owned(),
        columns: vec![
            "",
            "sent",
            "lost at QoS 0",
            "repeated at 0",
            "lost at 1",
            "repeated at 1",
            "lost at 2",
            "repeated at 2",
        ],
        rows: Vec::new(),
    };
    for kind in Kind::ALL {
        let mut row = vec![kind.name().to_owned(), thousands(count(kind))];
        for (level, run) in levels {
            let tally = run.tally(kind);
            let star = if level == kind.level() { " *" } else { "" };
            row.push(format!("{}{star}", tally.lost));
            row.push(format!("{}{star}", tally.repeated));
        }
        table.rows.push(row);
    }
    outcome.tables.push(table);
    for (level, run) in levels {
        outcome.check(
            format!("All with QoS {}", level as u8),
            promise(level),
            Kind::ALL
                .into_iter()
                .all(|kind| run.tally(kind).keeps(level)),
        );
    }
    say_what_would_have_been(&mut outcome, &guide, [&zero, &one, &two]);
    outcome.charts.push(Chart::Timeline {
        title: "When the network failed".to_owned(),
        lines: vec![guide.line, zero.line, one.line, two.line],
    });
    Ok(outcome)
}

fn say_what_would_have_been(outcome: &mut Outcome, guide: &Run, [zero, one, two]: [&Run; 3]) {
    let readings = guide.tally(Kind::Reading);
    outcome.say(format!(
        "Readings lost at QoS 0: {} of {}. The next one came a second later. QoS 2 loses none, but all messages of the story take {} packets more with it.",
        readings.lost,
        readings.sent,
        thousands(two.packets.saturating_sub(zero.packets)),
    ));
    outcome.say(format!(
        "Alerts: at QoS 1 all arrived, with {} repeated. Lost at QoS 0: {}.",
        guide.tally(Kind::Alert).repeated,
        zero.tally(Kind::Alert).lost,
    ));
    let steps = |run: &Run| {
        let tally = run.tally(Kind::Command);
        tally.delivered + tally.repeated
    };
    let sent = guide.tally(Kind::Command).sent;
    outcome.say(format!(
        "Commands: {sent} steps of cooling were meant. The machines would have made {} at QoS 0 and {} at QoS 1. At QoS 2 they made {}.",
        steps(zero),
        steps(one),
        steps(guide),
    ));
}

/// What came out of the story, played once.
struct Run {
    tallies: [Tally; 3],
    packets: u64,
    line: TimelineLine,
}

impl Run {
    const fn tally(&self, kind: Kind) -> Tally {
        self.tallies[kind as usize]
    }
}

/// Plays the story, with each kind at a level.
async fn play(
    lab: &Lab,
    story: &[Message],
    name: &str,
    level: impl Fn(Kind) -> Qos,
) -> Result<Run> {
    let topic = |kind: Kind| lab.topic(&format!("factory/{name}/{}", kind.name()));
    let all = lab.topic(&format!("factory/{name}/+"));
    let witness = lab
        .witness(&format!("hall-{name}"), &all, Qos::ExactlyOnce)
        .await?;
    let observer = lab.observer().await?;
    let (hall, _messages) = lab.client(observer.address(), name).connect().await?;
    let began = lab.start.elapsed();
    let mut ticks = interval(SECOND);
    let mut second = None;
    for (number, message) in (0..).zip(story) {
        if second.replace(message.second) != Some(message.second) {
            ticks.tick().await;
        }
        let publication = numbered(&topic(message.kind), number, level(message.kind))?;
        mishap::publish(&hall, &observer, publication, message.mishap).await?;
    }
    let end = story.len() as u64;
    let end_topic = lab.topic(&format!("factory/{name}/end"));
    let last = numbered(&end_topic, end, Qos::ExactlyOnce)?;
    timeout(PATIENCE, hall.send(last).await?).await??;
    witness.notebook().wait_for_all([end], PATIENCE).await;
    hall.disconnect().await;
    let ended = lab.start.elapsed();
    Ok(Run {
        tallies: Kind::ALL.map(|kind| tally(story, kind, &topic(kind), witness.notebook())),
        packets: observer.look(|it| it.packets_and_bytes().0),
        line: TimelineLine {
            name: match name {
                "guide" => "As the guide says".to_owned(),
                _ => format!("All with QoS {}", level(Kind::Alert) as u8),
            },
            marks: observer
                .look(|it| it.cuts())
                .into_iter()
                .map(|at| (at, "cut".to_owned()))
                .collect(),
            spans: vec![(began, ended, "a minute of the factory".to_owned())],
        },
    })
}

fn tally(story: &[Message], kind: Kind, topic: &str, notebook: &Notebook) -> Tally {
    let sent = (0..)
        .zip(story)
        .filter(|it| it.1.kind == kind)
        .map(|it| it.0);
    let heard = notebook.heard().into_iter().filter(|it| it.topic == topic);
    Tally::of(sent, None, heard.filter_map(|it| it.number()))
}
