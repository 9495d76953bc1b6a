//! The program that measures ours, and peers if there are any.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use super::mix::{Subscription, names, subscriptions};
use super::ours::Ours;
use super::runs::{Contender, Filled};
use super::{Index, SIZES, filled, report};
use crate::callgrind;
use crate::measure::long_turns;

const USAGE: &str = "\
usage: subscriptions [--times | --instructions] [--seconds N]

  --times, --instructions   measure only this
  --seconds N               how long matches are timed, 30 by default";

/// The argument with which the program calls itself.
const COUNT: &str = "--count";

/// How many matches are counted.
const COUNTED: u32 = 10_000;

/// Fills the indexes of a peer.
pub struct Peer(fn(&[Vec<Subscription>]) -> Box<dyn Contender>);

/// A peer that is measured beside ours.
pub fn peer<I: Index>() -> Peer {
    Peer(|subscriptions| Box::new(Filled::<I>::new(subscriptions)))
}

/// Reads the arguments, and prints what was measured.
pub fn main(peers: &[Peer]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (tasks, seconds) = match arguments[..] {
        [COUNT, size] => return count(size),
        [ref tasks @ .., "--seconds", seconds] => (tasks, seconds.parse()),
        ref tasks => (tasks, Ok(30)),
    };
    let (times, instructions) = match tasks {
        [] => (true, true),
        ["--times"] => (true, false),
        ["--instructions"] => (false, true),
        _ => return usage(),
    };
    let Ok(seconds) = seconds else {
        return usage();
    };
    if times {
        print_times(peers, Duration::from_secs(seconds));
    }
    if instructions {
        print_instructions();
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

fn print_times(peers: &[Peer], budget: Duration) {
    let all = SIZES.map(subscriptions);
    let ours = Filled::<Ours>::new(&all);
    println!("## Work and memory\n\n{}", report::visits(&ours));
    let mut contenders: Vec<Box<dyn Contender>> = vec![Box::new(ours)];
    contenders.extend(peers.iter().map(|Peer(fill)| fill(&all)));
    let mut runs: Vec<_> = contenders.iter().flat_map(|it| it.matching()).collect();
    // Whatever disturbs a turn makes it longer.
    let fastest = |turns: Vec<f64>| turns.into_iter().fold(f64::MAX, f64::min);
    let turns = long_turns(&mut runs, budget).into_iter();
    let measured: Vec<f64> = turns.map(fastest).collect();
    drop(runs);
    let names = contenders.iter().map(|it| it.name()).collect();
    let times = report::Times::new(names, &measured);
    println!("## Time of a match\n\n{}", times.matches());
    println!("## Growth\n\n{}", times.growth());
    println!("## Changes\n\n{}", report::changes(contenders, &all));
}

fn print_instructions() {
    println!("## Instructions\n");
    let counts = SIZES.map(|size| callgrind::instructions(&[COUNT, &size.to_string()]));
    let counts: Result<Vec<u64>, _> = counts.into_iter().collect();
    match counts {
        Ok(counts) => {
            let each = |count| count as f64 / f64::from(COUNTED);
            let counts: Vec<f64> = counts.into_iter().map(each).collect();
            println!("{}", report::instructions(&counts));
        }
        Err(error) => println!("They were not counted. Is valgrind installed? {error}"),
    }
}

/// What [`COUNT`] asks for.
fn count(size: &str) -> ExitCode {
    let Ok(size) = size.parse() else {
        return usage();
    };
    let index: Ours = filled(&subscriptions(size));
    let topics: Vec<_> = names(size, COUNTED).into_iter().map(Ours::topic).collect();
    let mut scratch = <Ours as Index>::Scratch::default();
    // The first ones allocate the scratch.
    for topic in topics.iter().take(10) {
        index.matches(topic, &mut scratch, |_| {});
    }
    black_box(counted_run(&index, &topics, &mut scratch));
    ExitCode::SUCCESS
}

/// Where Callgrind counts: it knows this function by its name.
#[inline(never)]
fn counted_run(
    index: &Ours,
    topics: &[<Ours as Index>::Topic],
    scratch: &mut <Ours as Index>::Scratch,
) -> u64 {
    let mut sum = 0;
    for topic in topics {
        index.matches(topic, scratch, |subscriber| sum += u64::from(subscriber));
    }
    sum
}
