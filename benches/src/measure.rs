//! Times the contenders of one row in turn, so that whatever disturbs the
//! machine disturbs all of them alike.

use std::time::{Duration, Instant};

use mqtt5_codec::ProtocolVersion;

use crate::contender::{BoxedRun, Contender};
use crate::{contenders, is_peer, ours};

/// How long a contender runs before it is the next one's turn.
const TURN: Duration = Duration::from_micros(150);

/// Fewer rounds than this are not taken, however little time is given.
const FEWEST_ROUNDS: usize = 9;

/// What a row is measured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Decoding a packet.
    Decode,
    /// Encoding a packet.
    Encode,
    /// Decoding the mixed stream.
    Stream,
}

/// The times of all contenders for one row.
#[derive(Debug)]
pub struct Comparison {
    /// The row's title.
    pub title: &'static str,
    /// The factor by which the fastest peer is to be slower than ours.
    pub goal: Option<f64>,
    /// Name and nanoseconds per packet of every contender that takes part.
    pub times: Vec<(&'static str, f64)>,
}

impl Comparison {
    /// Runs the contenders of this version by turns for about as long as `budget` says.
    pub fn measure(
        version: ProtocolVersion,
        title: &'static str,
        goal: Option<f64>,
        run: impl Fn(&Contender) -> Option<BoxedRun>,
        budget: Duration,
    ) -> Self {
        let (names, mut runs): (Vec<_>, Vec<_>) = contenders(version)
            .iter()
            .filter_map(|contender| Some((contender.name, run(contender)?)))
            .unzip();
        let times = by_turns(&mut runs, budget);
        Self {
            title,
            goal,
            times: names.into_iter().zip(times).collect(),
        }
    }

    /// Nanoseconds per packet of the contender with the given name.
    pub fn time(&self, name: &str) -> Option<f64> {
        let mut times = self.times.iter();
        times.find(|(found, _)| *found == name).map(|&(_, ns)| ns)
    }

    /// Nanoseconds per packet of our codec.
    ///
    /// # Panics
    ///
    /// Panics if our codec was not measured.
    pub fn ours(&self) -> f64 {
        self.time(ours::NAME).expect("our codec does everything")
    }

    /// How many times as long as our codec the contender takes.
    pub fn ratio(&self, name: &str) -> Option<f64> {
        self.time(name).map(|ns| ns / self.ours())
    }

    /// Names and ratios of all peers, the fastest first.
    pub fn peers(&self) -> Vec<(&'static str, f64)> {
        let mut peers: Vec<_> = self
            .times
            .iter()
            .filter(|(name, _)| is_peer(name))
            .map(|&(name, ns)| (name, ns / self.ours()))
            .collect();
        peers.sort_by(|a, b| a.1.total_cmp(&b.1));
        peers
    }
}

/// Nanoseconds per packet of each run: the median over many rounds in which
/// every run has its turn.
pub fn by_turns(runs: &mut [BoxedRun], budget: Duration) -> Vec<f64> {
    let clock = cost_of_clock();
    let repeats: Vec<usize> = runs.iter_mut().map(repeats_per_turn).collect();
    let mut rounds = vec![Vec::new(); runs.len()];
    let start = Instant::now();
    let mut round = 0;
    while round < FEWEST_ROUNDS || start.elapsed() < budget {
        for turn in 0..runs.len() {
            // The order of the contenders changes from round to round.
            let index = (turn + round) % runs.len();
            rounds[index].push(take_turn(&mut runs[index], repeats[index], clock));
        }
        round += 1;
    }
    rounds.iter_mut().map(|times| median(times)).collect()
}

/// Nanoseconds per packet of each run, for runs that are so long that neither the
/// clock nor what is in the caches at their beginning counts: a turn is one run.
/// The first round, in which memory is new, counts only for a run that takes
/// longer than `budget`: it has no other turn.
pub fn by_long_turns(runs: &mut [BoxedRun], budget: Duration) -> Vec<f64> {
    let mut rounds = long_turns(runs, budget);
    rounds.iter_mut().map(|times| median(times)).collect()
}

/// As [`by_long_turns`], but the times of every round.
pub fn long_turns(runs: &mut [BoxedRun], budget: Duration) -> Vec<Vec<f64>> {
    let mut rounds = vec![Vec::new(); runs.len()];
    let mut slow = vec![false; runs.len()];
    let mut start = Instant::now();
    let mut round = 0;
    while round < 2 || start.elapsed() < budget {
        if round == 1 {
            start = Instant::now();
            let fast = rounds.iter_mut().zip(&slow).filter(|(_, slow)| !**slow);
            fast.for_each(|(times, _)| times.clear());
        }
        for turn in 0..runs.len() {
            let index = (turn + round) % runs.len();
            if slow[index] {
                continue;
            }
            runs[index].reset();
            let start = Instant::now();
            let packets = runs[index].run();
            let time = start.elapsed();
            slow[index] = round == 0 && time > budget;
            rounds[index].push(time.as_nanos() as f64 / packets as f64);
        }
        round += 1;
    }
    rounds
}

/// Nanoseconds per packet over `repeats` runs, after one that only brings code
/// and data back into the caches.
fn take_turn(run: &mut BoxedRun, repeats: usize, clock: Duration) -> f64 {
    run.reset();
    run.run();
    let mut time = Duration::ZERO;
    let mut packets = 0;
    for _ in 0..repeats {
        run.reset();
        let start = Instant::now();
        packets += run.run();
        time += start.elapsed().saturating_sub(clock);
    }
    time.as_nanos() as f64 / packets as f64
}

/// How many runs fill a [`TURN`].
fn repeats_per_turn(run: &mut BoxedRun) -> usize {
    let mut shortest = Duration::MAX;
    for _ in 0..5 {
        run.reset();
        let start = Instant::now();
        run.run();
        shortest = shortest.min(start.elapsed());
    }
    let repeats = TURN.as_nanos() / shortest.as_nanos().max(1);
    repeats.clamp(1, 1000) as usize
}

/// How long it takes to read the clock twice.
fn cost_of_clock() -> Duration {
    let mut costs: Vec<f64> = (0..1001)
        .map(|_| Instant::now().elapsed().as_nanos() as f64)
        .collect();
    Duration::from_nanos(median(&mut costs) as u64)
}

/// The one in the middle; of an even number the higher one.
pub fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_is_the_middle() {
        assert_eq!(median(&mut [5.0, 1.0, 4.0]), 4.0);
        assert_eq!(median(&mut [3.0]), 3.0);
    }
}
