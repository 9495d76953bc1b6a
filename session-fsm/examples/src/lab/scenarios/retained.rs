//! Retained messages: what subscribers get that come late, and what Retain Handling and Retain As Published change.

mod late;

use mqtt5_tokio::{Client, Qos};

use self::late::{CASES, Live, late_subscriber};
use crate::lab::{Chart, Lab, Outcome, Result, Table};

/// The topics that have a retained message.
const TOPICS: [&str; 3] = ["boiler", "pump", "valve"];

pub(super) async fn run(lab: &Lab) -> Result<Outcome> {
    let (publisher, _messages) = lab.client(lab.server(), "retainer").connect().await?;
    // Whatever happens, nothing is left at a broker that is not the lab's own.
    let outcome = scenario(lab, &publisher).await;
    for topic in TOPICS {
        publisher
            .publish_retained(&topic_of(lab, topic), "", Qos::AtLeastOnce)
            .await?;
    }
    publisher.disconnect().await;
    outcome
}

fn topic_of(lab: &Lab, name: &str) -> String {
    lab.topic(&format!("retained/{name}"))
}

async fn scenario(lab: &Lab, publisher: &Client) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    lab.step("retained messages");
    // Number 1 makes room for number 2.
    for (topic, number) in [(0, 1), (0, 2), (1, 3), (2, 4)] {
        retain(lab, publisher, TOPICS[topic], number).await?;
    }
    outcome.say("A publisher retained a message in each of three topics, and in one of them two: the later one counts. All subscribers came afterwards, each twice with the same Topic Filter.");

    let mut table = Table {
        title: "Messages with RETAIN that a late subscriber got, by their numbers".to_owned(),
        columns: vec![
            "",
            "first SUBSCRIBE",
            "second SUBSCRIBE",
            "a message that is retained later",
        ],
        rows: Vec::new(),
    };
    let later = Live { lab, publisher };
    for case in CASES {
        let seen = late_subscriber(&later, case).await?;
        table.rows.push(vec![
            case.name.to_owned(),
            text(&seen.first),
            text(&seen.second),
            match seen.live {
                Some(true) => "RETAIN 1",
                Some(false) => "RETAIN 0",
                None => "did not come",
            }
            .to_owned(),
        ]);
        let expected = |sends: bool| if sends { vec![2, 3, 4] } else { Vec::new() };
        outcome.check(
            case.name,
            case.promise,
            seen.first == expected(case.first) && seen.second == expected(case.second),
        );
        outcome.check(
            case.name,
            match case.options.retain_as_published {
                true => "With Retain As Published, RETAIN arrives as it was published.",
                false => {
                    "RETAIN is 0 on a message that is published while the subscription exists."
                }
            },
            seen.live == Some(case.options.retain_as_published),
        );
    }
    outcome.tables.push(table);

    publisher
        .publish_retained(&topic_of(lab, TOPICS[1]), "", Qos::AtLeastOnce)
        .await?;
    let after = late_subscriber(&later, &CASES[0]).await?;
    outcome.say(format!(
        "Then an empty payload removed the message number 3. The next subscriber got {}.",
        text(&after.first)
    ));
    outcome.check(
        "Empty payload",
        "A message with an empty payload and RETAIN removes the retained message.",
        after.first == [2, 4],
    );
    outcome.charts.push(Chart::Sequence {
        title: "A late subscriber, after a retained message was removed".to_owned(),
        recording: after.recording,
    });
    Ok(outcome)
}

fn text(numbers: &[u64]) -> String {
    match numbers {
        [] => "none".to_owned(),
        _ => {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(", ")
        }
    }
}

async fn retain(lab: &Lab, publisher: &Client, topic: &str, number: u64) -> Result<()> {
    let payload = format!("{number} of the lab");
    publisher
        .publish_retained(&topic_of(lab, topic), payload, Qos::AtLeastOnce)
        .await?;
    Ok(())
}
