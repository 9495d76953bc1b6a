//! Tables of what was measured, with the goals.

use mqtt5_session_fsm::broker::subscriptions::Scratch;

use super::mix::{self, Subscription};
use super::ours::Ours;
use super::runs::{CROWD, Contender, Filled, NAMES};
use super::{Index, SIZES, number};
use crate::goals::met;
use crate::report::table;

/// How many times as long as ours a peer is to take for a match.
const FACTOR: f64 = 3.0;

/// How much longer a match may take among the most subscriptions than among the fewest, for [`NAMES`].
const GROWTH: [Option<f64>; 3] = [Some(3.0), None, Some(8.0)];

/// How many more instructions.
const MORE_INSTRUCTIONS: f64 = 1.1;

/// What a subscription may take, in bytes.
const BYTES: f64 = 128.0;

/// How many Topic Names visits are counted for.
const COUNTED: u32 = 10_000;

/// Nanoseconds of a match, by contender, size, and [`NAMES`]; ours first.
pub(super) struct Times {
    names: Vec<&'static str>,
    times: Vec<Vec<Vec<f64>>>,
}

impl Times {
    /// From those of all runs, contender by contender.
    pub(super) fn new(names: Vec<&'static str>, times: &[f64]) -> Self {
        let of_size = |times: &[f64]| times.chunks(NAMES.len()).map(<[f64]>::to_vec).collect();
        let times = times.chunks(NAMES.len() * SIZES.len()).map(of_size);
        Self {
            names,
            times: times.collect(),
        }
    }

    /// A match at each size.
    pub(super) fn matches(&self) -> String {
        let mut head = vec!["a match, subscriptions".to_owned()];
        head.extend(self.names.iter().map(|name| format!("{name}, ns")));
        for name in self.names.iter().skip(1) {
            head.extend([format!("{name} ÷ ours"), "goal".to_owned()]);
        }
        let mut rows = Vec::new();
        for (size_at, size) in SIZES.iter().enumerate() {
            for (at, names) in NAMES.iter().enumerate() {
                let times: Vec<f64> = self.times.iter().map(|of| of[size_at][at]).collect();
                let mut cells = vec![format!("{}, {}", number(*size), names.title)];
                cells.extend(times.iter().map(|time| format!("{time:.0}")));
                for peer in times.iter().skip(1) {
                    let ratio = peer / times[0];
                    let verdict = met(ratio >= FACTOR);
                    cells.extend([format!("{ratio:.1}"), format!("≥ {FACTOR}: {verdict}")]);
                }
                rows.push(cells);
            }
        }
        table(&head, rows)
    }

    /// How much longer a match takes at the largest size than at the smallest.
    pub(super) fn growth(&self) -> String {
        let mut head = vec!["a match, 1,000,000 ÷ 10,000 subscriptions".to_owned()];
        head.extend(self.names.iter().map(|name| (*name).to_owned()));
        head.push("goal".to_owned());
        let rows = NAMES.iter().enumerate().map(|(at, names)| {
            let growth = |of: &Vec<Vec<f64>>| of[SIZES.len() - 1][at] / of[0][at];
            let mut cells = vec![names.title.to_owned()];
            cells.extend(self.times.iter().map(|of| format!("{:.2}", growth(of))));
            let verdict = GROWTH[at].map(|goal| {
                let verdict = met(growth(&self.times[0]) <= goal);
                format!("≤ {goal}: {verdict}")
            });
            cells.push(verdict.unwrap_or_else(|| "–".to_owned()));
            cells
        });
        table(&head, rows)
    }
}

/// Nodes that a publish visits, the subscriptions that it finds, and the bytes of a subscription.
pub(super) fn visits(ours: &Filled<Ours>) -> String {
    let mut scratch = Scratch::new();
    let mut counted = Vec::new();
    for (index, size) in ours.indexes.iter().zip(SIZES) {
        let names = mix::names(size, COUNTED);
        let (mut visits, mut found, mut most) = (0, 0, 0);
        for name in &names {
            let visited = (index.0).matches(Ours::topic(name), &mut scratch, |matched| {
                found += matched.subscriptions().len();
            });
            visits += visited;
            most = most.max(visited);
        }
        let each = |sum: usize| sum as f64 / names.len() as f64;
        let bytes = index.0.bytes() as f64 / f64::from(size);
        counted.push((each(visits), most, each(found), bytes));
    }
    let same = counted
        .windows(2)
        .all(|two| (two[0].0, two[0].1) == (two[1].0, two[1].1));
    let head = [
        "subscriptions",
        "nodes visited by a publish",
        "by the dearest one",
        "goal",
        "subscriptions found",
        "bytes of a subscription",
        "goal",
    ];
    let rows = counted
        .iter()
        .zip(SIZES)
        .map(|((visits, most, found, bytes), size)| {
            vec![
                number(size),
                format!("{visits:.2}"),
                most.to_string(),
                format!("equal: {}", met(same)),
                format!("{found:.2}"),
                format!("{bytes:.1}"),
                format!("≤ {BYTES}: {}", met(*bytes <= BYTES)),
            ]
        });
    table(&head.map(str::to_owned), rows)
}

/// Insertions and removals. Empties the indexes.
pub(super) fn changes(
    contenders: Vec<Box<dyn Contender>>,
    subscriptions: &[Vec<Subscription>],
) -> String {
    let mut head = vec!["a change, in one run".to_owned()];
    head.extend(contenders.iter().map(|it| format!("{}, ns", it.name())));
    let peers = contenders.iter().skip(1);
    head.extend(peers.map(|it| format!("{} ÷ ours", it.name())));
    let mut rows = Vec::new();
    let mut add = |title: String, times: Vec<f64>| {
        let mut cells = vec![title];
        cells.extend(times.iter().map(|time| format!("{time:.0}")));
        cells.extend(
            times
                .iter()
                .skip(1)
                .map(|time| format!("{:.1}", time / times[0])),
        );
        rows.push(cells);
    };
    for filter in ["news", "news/#"] {
        let times: Vec<_> = contenders.iter().map(|it| it.crowd(filter)).collect();
        for (at, what) in ["join", "leave"].iter().enumerate() {
            let title = format!("each of {} that {what} `{filter}`", number(CROWD));
            add(title, times.iter().map(|times| times[at]).collect());
        }
    }
    let insertion: Vec<_> = contenders.iter().map(|it| it.insertion()).collect();
    let removal = contenders.into_iter().map(|it| it.empty(subscriptions));
    let removal: Vec<_> = removal.collect();
    for (what, times) in [("insertion", insertion), ("removal", removal)] {
        for (at, size) in SIZES.iter().enumerate() {
            let title = format!("{what}, {} subscriptions", number(*size));
            add(title, times.iter().map(|times| times[at]).collect());
        }
    }
    table(&head, rows)
}

/// Instructions of a match at each size.
pub(super) fn instructions(counts: &[f64]) -> String {
    let most = counts.iter().copied().fold(0.0, f64::max);
    let least = counts.iter().copied().fold(f64::MAX, f64::min);
    let growth = most / least;
    let mut head = vec!["instructions of a match".to_owned()];
    head.extend(SIZES.map(|size| format!("{} subscriptions", number(size))));
    head.extend(["most ÷ least", "goal"].map(str::to_owned));
    let mut cells = vec![Ours::NAME.to_owned()];
    cells.extend(counts.iter().map(|count| format!("{count:.0}")));
    let verdict = met(growth <= MORE_INSTRUCTIONS);
    cells.extend([
        format!("{growth:.3}"),
        format!("≤ {MORE_INSTRUCTIONS}: {verdict}"),
    ]);
    table(&head, [cells])
}
