//! Measures the contenders of sessions in turn and makes tables of it.

use std::time::Duration;

use crate::contender::BoxedRun;
use crate::goals::met;
use crate::measure::{by_long_turns, by_turns, long_turns, median};
use crate::report::table;
use crate::sessions::contender::Contender;
use crate::sessions::rows::{RESUME, Row, Shape, WINDOWS, shaped};
use crate::sessions::{OURS, RIVAL};

/// How many times as long as ours the rival is to take for an exchange.
const EXCHANGE_FACTOR: f64 = 8.0;

/// How much the cost of a message may depend on how many are in flight.
const WINDOW_FACTOR: f64 = 1.3;

/// Nanoseconds per message in single exchanges, and how many times as long as
/// ours that is; `with_goal` if there is one.
pub fn exchanges(
    contenders: &[Contender],
    rows: &[Row],
    with_goal: bool,
    budget: Duration,
) -> String {
    let mut head = vec!["exchange".to_owned()];
    head.extend(contenders.iter().map(|c| format!("{}, ns", c.name)));
    head.extend(
        contenders
            .iter()
            .filter(|c| has_ours(contenders) && c.name != OURS)
            .map(|c| format!("{} ÷ ours", c.name)),
    );
    if with_goal {
        head.push("goal".to_owned());
    }
    let rows = rows.iter().map(|&row| {
        let (names, mut runs) = runs(contenders, row);
        let times = by_turns(&mut runs, budget);
        let time = |name| Some(times[names.iter().position(|n| *n == name)?]);
        let mut cells = vec![row.title.to_owned()];
        cells.extend(contenders.iter().map(|c| number(time(c.name))));
        let ratio = |name| Some(time(name)? / time(OURS)?);
        if has_ours(contenders) {
            let others = contenders.iter().filter(|c| c.name != OURS);
            cells.extend(others.map(|c| number(ratio(c.name))));
        }
        if with_goal {
            let reached = ratio(RIVAL).map(|ratio| ratio >= EXCHANGE_FACTOR);
            cells.push(goal(&format!("≥ {EXCHANGE_FACTOR}"), reached));
        }
        cells
    });
    table(&head, rows)
}

/// Nanoseconds per message in windows, and how flat they are: the most that a
/// message costs in any window, divided by the least.
pub fn windows(contenders: &[Contender], rows: &[Row], budget: Duration) -> String {
    let mut head = vec!["window".to_owned(), "contender".to_owned()];
    head.extend(WINDOWS.map(|window| format!("{window} in flight, ns")));
    head.extend(["most ÷ least", "goal"].map(str::to_owned));
    let mut table_rows = Vec::new();
    for &row in rows {
        for contender in contenders {
            // One contender after the other, and in each round its windows: what
            // disturbs one of them mostly disturbs the others of the round.
            let run = |window| contender.run(shaped(row, Shape::Window(window)));
            let Some(mut runs) = WINDOWS.into_iter().map(run).collect::<Option<Vec<_>>>() else {
                continue;
            };
            let mut rounds = long_turns(&mut runs, budget);
            let flatness = flatness(&rounds);
            let mut cells = vec![row.title.to_owned(), contender.name.to_owned()];
            cells.extend(rounds.iter_mut().map(|times| number(Some(median(times)))));
            cells.push(number(Some(flatness)));
            let reached = (contender.name == OURS).then_some(flatness <= WINDOW_FACTOR);
            cells.push(goal(&format!("≤ {WINDOW_FACTOR}"), reached));
            table_rows.push(cells);
        }
    }
    table(&head, table_rows)
}

/// The most divided by the least, of times that were taken in rounds: the median
/// of what each is in comparison to the first one of the same round.
fn flatness(rounds: &[Vec<f64>]) -> f64 {
    let ratios = rounds.iter().map(|times| {
        let pairs = times.iter().zip(&rounds[0]);
        let mut ratios: Vec<_> = pairs.map(|(time, first)| time / first).collect();
        median(&mut ratios)
    });
    let (least, most) = ratios.fold((f64::MAX, 0.0), |(least, most), ratio| {
        (ratio.min(least), ratio.max(most))
    });
    most / least
}

/// Milliseconds to resume a session.
pub fn resume(contenders: &[Contender], budget: Duration) -> String {
    let head = [RESUME.title, "ms", "÷ ours"].map(str::to_owned);
    let Shape::Resume(messages) = RESUME.shape else {
        unreachable!("it is a resumption");
    };
    let (names, mut runs) = runs(contenders, RESUME);
    let times = by_long_turns(&mut runs, budget);
    let ours = names.iter().position(|name| *name == OURS);
    let rows = names.iter().zip(&times).map(|(name, time)| {
        let total = time * f64::from(messages) / 1e6;
        let ratio = ours.map(|ours| time / times[ours]);
        vec![(*name).to_owned(), number(Some(total)), number(ratio)]
    });
    table(&head, rows)
}

/// Names and runs of all that take part in a row.
fn runs(contenders: &[Contender], row: Row) -> (Vec<&'static str>, Vec<BoxedRun>) {
    let taking_part = contenders
        .iter()
        .filter_map(|c| Some((c.name, c.run(row)?)));
    taking_part.unzip()
}

fn has_ours(contenders: &[Contender]) -> bool {
    contenders.iter().any(|contender| contender.name == OURS)
}

fn goal(goal: &str, reached: Option<bool>) -> String {
    match reached {
        Some(reached) => format!("{goal}: {}", met(reached)),
        None => goal.to_owned(),
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value < 100.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.0}"),
    }
}
