//! Counts the instructions of a delivery, from the PUBLISH of one publisher to the acknowledgement of each
//! subscriber: through the broker, and through the machines alone. Needs `valgrind` to be installed.

use std::io::Error;
use std::process::ExitCode;
use std::time::Instant;

use mqtt5_benches::callgrind::instructions;
use mqtt5_benches::contender::BoxedRun;
use mqtt5_benches::report::table;
use mqtt5_benches::routing::run;
use mqtt5_codec::Qos;

const USAGE: &str = "usage: routing";
const SUBSCRIBERS: [usize; 4] = [1, 10, 1_000, 100_000];
const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => match rows() {
            Ok(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("Cannot count instructions; is valgrind installed? {error}");
                ExitCode::FAILURE
            }
        },
        ["--count", alone, subscribers, qos] => {
            let subscribers = subscribers.parse().expect("a number");
            let mut run = prepared(alone == "alone", subscribers, QOS[qos.len()]);
            for _ in 0..runs(subscribers) {
                counted_run(&mut run);
            }
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// How many messages are counted.
fn runs(subscribers: usize) -> usize {
    (1_000 / subscribers).max(2)
}

/// After messages enough for all collections to have their size.
fn prepared(alone: bool, subscribers: usize, qos: Qos) -> BoxedRun {
    let mut run = run(alone, subscribers, qos);
    for _ in 0..8 {
        run.run();
    }
    run
}

/// Where Callgrind counts: it knows this function by its name.
#[inline(never)]
fn counted_run(run: &mut BoxedRun) -> usize {
    run.run()
}

fn counted(alone: bool, subscribers: usize, qos: Qos) -> Result<f64, Error> {
    let who = if alone { "alone" } else { "broker" };
    let qos = &"qq"[..qos as usize];
    let count = instructions(&["--count", who, &subscribers.to_string(), qos])?;
    Ok(count as f64 / (runs(subscribers) * subscribers) as f64)
}

/// Nanoseconds per delivery, the best of some rounds.
fn timed(alone: bool, subscribers: usize, qos: Qos) -> f64 {
    let mut run = prepared(alone, subscribers, qos);
    let rounds = 20_000usize.div_ceil(subscribers).max(2);
    let best = (0..9).map(|_| {
        let begun = Instant::now();
        for _ in 0..rounds {
            run.run();
        }
        begun.elapsed().as_nanos() as f64 / (rounds * subscribers) as f64
    });
    best.fold(f64::MAX, f64::min)
}

fn rows() -> Result<String, Error> {
    let head = [
        "per delivery",
        "instructions, broker",
        "machines alone",
        "routing adds",
        "ns, broker",
        "machines alone",
    ];
    let mut rows = Vec::new();
    for qos in QOS {
        for subscribers in SUBSCRIBERS {
            let broker = counted(false, subscribers, qos)?;
            let alone = counted(true, subscribers, qos)?;
            rows.push(vec![
                format!("QoS {}, {subscribers} subscribers", qos as u8),
                format!("{broker:.0}"),
                format!("{alone:.0}"),
                format!("{:.0} %", 100.0 * (broker / alone - 1.0)),
                format!("{:.0}", timed(false, subscribers, qos)),
                format!("{:.0}", timed(true, subscribers, qos)),
            ]);
        }
    }
    Ok(table(&head.map(str::to_owned), rows))
}
