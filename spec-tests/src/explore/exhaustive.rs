//! The exhaustive engine: every reachable state, breadth first.
//!
//! What it says is about *all* runs within the budgets of the configuration:
//!
//! - **Safety**: no monitor objects in any step of any reachable state. A counterexample is a
//!   shortest one.
//! - **Liveness**: from every reachable state a quiescent one can be reached, and without any
//!   fault. The report says how far that is at most.
//! - **Non-vacuity**: every required coverage point was reached.
//!
//! If a limit stops it first, the verdict is [`Verdict::Truncated`], never [`Verdict::Verified`].
//!
//! Everything in the report but the time is the same for any number of threads.

use std::collections::VecDeque;
use std::time::Instant;

use super::choice::{Odometer, Recorder};
use super::coverage::{Coverage, CoverageTable};
use super::expand::{Candidate, Expansion, Target, Worker, expand_all};
use super::fingerprint::{Fingerprint, Fingerprinter, StateSet};
use super::graph::{Edge, Graph, Liveness};
use super::log::Log;
use super::progress::Progress;
use super::report::{Report, Stuck, Verdict};
use super::trace::{Counterexample, Trace};
use super::world::{Step, Violation, World, perform};

/// States that one worker expands without looking up.
const BLOCK: usize = 64;
/// Blocks between two merges: enough to be worth starting threads for, few enough that the
/// candidates do not need much memory.
const BLOCKS_AT_ONCE: usize = 64;

/// How to explore.
#[derive(Clone, Debug)]
pub struct Exhaustive {
    /// How many threads make steps.
    pub threads: usize,
    /// Stop when there are more states than this.
    pub maximum_states: usize,
    /// Do not make steps from states this far from the initial one.
    pub maximum_depth: usize,
    /// Look for stuck states and the bound. Costs 8 bytes for an edge.
    pub liveness: bool,
    /// Say each second on stderr how far it is.
    pub progress: bool,
}

impl Default for Exhaustive {
    /// Two threads, no limit of its own, with liveness, silent.
    fn default() -> Self {
        Self {
            threads: 2,
            maximum_states: Edge::MAXIMUM_STATES,
            maximum_depth: usize::MAX,
            liveness: true,
            progress: false,
        }
    }
}

impl Exhaustive {
    /// Explores the world of this configuration.
    #[must_use]
    pub fn explore<W: World>(&self, config: &W::Config) -> Report {
        let initial = W::new(config);
        let mut search = Search::new(self, config, initial.clone());
        let stop = search.run();
        search.finish(stop, &initial, config)
    }

    /// Whether quiescence can be reached from this state at all, if that can be found out within
    /// the limits.
    #[must_use]
    pub fn can_come_to_rest<W: World>(&self, config: &W::Config, state: &W) -> Option<bool> {
        let mut search = Search::new(self, config, state.clone());
        search.stop_at_quiescence = true;
        match search.run() {
            Stop::Quiescence => Some(true),
            Stop::Complete => Some(false),
            Stop::Violation { .. } | Stop::Truncated(_) => None,
        }
    }
}

enum Stop {
    Complete,
    Quiescence,
    Violation {
        state: u32,
        choices: Vec<u16>,
        violation: Violation,
    },
    Truncated(String),
}

struct Search<'a, W> {
    settings: &'a Exhaustive,
    started: Instant,
    progress: Progress,
    known: StateSet,
    graph: Graph,
    coverage: Coverage,
    workers: Vec<Worker<W>>,
    /// The worlds of the level that is being expanded, in the order of their numbers.
    level: VecDeque<Vec<W>>,
    /// The worlds of the next level.
    next: Vec<Vec<W>>,
    levels: Vec<u64>,
    transitions: u64,
    expanded: u32,
    stop_at_quiescence: bool,
}

impl<'a, W: World> Search<'a, W> {
    fn new(settings: &'a Exhaustive, config: &W::Config, initial: W) -> Self {
        let points = W::coverage_points(config).len();
        let workers = (0..settings.threads.max(1)).map(|_| Worker::new(points));
        let mut search = Self {
            settings,
            started: Instant::now(),
            progress: Progress::new(settings.progress),
            known: StateSet::default(),
            graph: Graph::default(),
            coverage: Coverage::new(points),
            workers: workers.collect(),
            level: VecDeque::new(),
            next: Vec::new(),
            levels: Vec::new(),
            transitions: 0,
            expanded: 0,
            stop_at_quiescence: false,
        };
        search.number(
            Candidate {
                fingerprint: Fingerprinter::default().of(&initial),
                is_quiescent: initial.is_quiescent(),
                world: initial,
            },
            0,
        );
        search
    }

    fn run(&mut self) -> Stop {
        while !self.next.is_empty() {
            self.levels
                .push(self.next.iter().map(|block| block.len() as u64).sum());
            self.level = self.next.drain(..).collect();
            if self.stop_at_quiescence && !self.graph.quiescent.is_empty() {
                return Stop::Quiescence;
            }
            if self.levels.len() > self.settings.maximum_depth {
                let limit = self.settings.maximum_depth;
                return Stop::Truncated(format!("the states {limit} steps away were not expanded"));
            }
            while !self.level.is_empty() {
                if let Err(stop) = self.advance() {
                    return stop;
                }
                self.report_progress();
            }
        }
        Stop::Complete
    }

    /// Expands the next blocks of the level.
    fn advance(&mut self) -> Result<(), Stop> {
        let count = self.level.len().min(BLOCKS_AT_ONCE);
        let blocks: Vec<Vec<W>> = self.level.drain(..count).collect();
        let expansions = expand_all(&mut self.workers, &blocks, &self.known);
        expansions
            .into_iter()
            .try_for_each(|expansion| self.merge(expansion))
    }

    fn merge(&mut self, expansion: Expansion<W>) -> Result<(), Stop> {
        self.coverage.merge(&expansion.coverage);
        let mut edges = expansion.edges.into_iter();
        let mut candidates = expansion.candidates.into_iter();
        // The numbers of the candidates so far.
        let mut numbers: Vec<u32> = Vec::with_capacity(candidates.len());
        for count in expansion.edge_counts {
            let source = self.expanded;
            self.expanded += 1;
            if self.settings.liveness {
                self.graph.begin_state();
            }
            for (target, is_fault) in edges.by_ref().take(count as usize) {
                let target = match target {
                    Target::Known(number) => number,
                    Target::Candidate(position) if (position as usize) < numbers.len() => {
                        numbers[position as usize]
                    }
                    Target::Candidate(_) => {
                        let candidate = candidates.next().expect("each candidate has an edge");
                        let number = self.number(candidate, source);
                        numbers.push(number);
                        number
                    }
                };
                self.transitions += 1;
                if self.settings.liveness {
                    self.graph.push_edge(Edge::new(target, is_fault));
                }
            }
            self.check_limits()?;
        }
        match expansion.violation {
            None => Ok(()),
            Some((choices, violation)) => Err(Stop::Violation {
                state: self.expanded - 1,
                choices,
                violation,
            }),
        }
    }

    fn check_limits(&self) -> Result<(), Stop> {
        // The edges of one more state must not get over the end of the numbers.
        if self.known.len() >= Edge::MAXIMUM_STATES - BLOCK || self.graph.is_full() {
            let reason = "no more room for states and edges".to_owned();
            return Err(Stop::Truncated(reason));
        }
        let limit = self.settings.maximum_states;
        if self.known.len() > limit {
            let reason = format!("there are more than {limit} states");
            return Err(Stop::Truncated(reason));
        }
        Ok(())
    }

    /// The number of a state that may be new.
    fn number(&mut self, candidate: Candidate<W>, parent: u32) -> u32 {
        let (number, is_new) = self.known.insert(candidate.fingerprint);
        if is_new {
            self.graph.parents.push(parent);
            if candidate.is_quiescent {
                self.graph.quiescent.push(number);
            }
            match self.next.last_mut() {
                Some(block) if block.len() < BLOCK => block.push(candidate.world),
                _ => {
                    let mut block = Vec::with_capacity(BLOCK);
                    block.push(candidate.world);
                    self.next.push(block);
                }
            }
        }
        number
    }

    fn report_progress(&mut self) {
        let (states, transitions, depth) = (self.known.len(), self.transitions, self.levels.len());
        let waiting = states - self.expanded as usize;
        self.progress.tick(|elapsed| {
            format!(
                "depth {depth}, {states} states, {waiting} waiting, {transitions} steps, {:.0} steps/s",
                transitions as f64 / elapsed.as_secs_f64()
            )
        });
    }

    fn finish(mut self, stop: Stop, initial: &W, config: &W::Config) -> Report {
        self.progress.finish();
        // The next phase needs the room.
        self.level = VecDeque::new();
        self.next = Vec::new();
        let mut report = Report {
            world: W::NAME,
            config: config.to_string(),
            verdict: Verdict::Verified,
            states: self.known.len() as u64,
            transitions: self.transitions,
            depth: self.levels.len().saturating_sub(1),
            widest_level: self.levels.iter().copied().max().unwrap_or(0),
            quiescent: self.graph.quiescent.len() as u64,
            bound: None,
            coverage: CoverageTable::new(W::coverage_points(config), &self.coverage),
            elapsed: self.started.elapsed(),
        };
        report.verdict = match stop {
            Stop::Violation {
                state,
                choices,
                violation,
            } => {
                let mut trace = self.trace_to(initial, state);
                trace.steps.push(choices);
                Verdict::Violation(Counterexample { violation, trace })
            }
            Stop::Truncated(reason) => Verdict::Truncated(reason),
            Stop::Complete | Stop::Quiescence => self.judge(&mut report, initial),
        };
        report.elapsed = self.started.elapsed();
        report
    }

    fn judge(&self, report: &mut Report, initial: &W) -> Verdict {
        if self.settings.liveness {
            let liveness = Liveness::of(&self.graph);
            if let (states, Some(first)) = liveness.stuck {
                let message = "no continuation of this run comes to rest";
                return self.stuck(states, first, message, initial);
            }
            if let (states, Some(first)) = liveness.needs_fault {
                let message = "only a fault can bring this run to rest";
                return self.stuck(states, first, message, initial);
            }
            report.bound = Some(liveness.bound);
        }
        if report.coverage.missing().next().is_some() {
            return Verdict::Vacuous;
        }
        Verdict::Verified
    }

    fn stuck(&self, states: u64, first: u32, message: &str, initial: &W) -> Verdict {
        Verdict::Stuck(Stuck {
            states,
            example: Counterexample {
                violation: Violation::new(Violation::STUCK, message),
                trace: self.trace_to(initial, first),
            },
        })
    }

    /// Only the numbers of the states on the way are kept. The choices are found by trying.
    fn trace_to(&self, initial: &W, state: u32) -> Trace {
        let mut trace = Trace::default();
        let mut world = initial.clone();
        let points = self.coverage.counts().len();
        for number in self.graph.path_to(state).into_iter().skip(1) {
            let wanted = self.known.fingerprint(number);
            let (choices, next) = step_to(&world, wanted, points);
            trace.steps.push(choices);
            world = next;
        }
        trace
    }
}

/// The choices that lead from `world` to the state with this fingerprint.
fn step_to<W: World>(world: &W, wanted: Fingerprint, points: usize) -> (Vec<u16>, W) {
    let mut odometer = Odometer::default();
    let mut fingerprinter = Fingerprinter::default();
    let mut coverage = Coverage::new(points);
    odometer.start();
    loop {
        odometer.rewind();
        let mut next = world.clone();
        let mut choices = Vec::new();
        let mut recorder = Recorder::new(&mut odometer, &mut choices);
        let step = perform(&mut next, &mut recorder, &mut coverage, &mut Log::off());
        if matches!(step, Ok(Step::Progress | Step::Fault)) && fingerprinter.of(&next) == wanted {
            return (choices, next);
        }
        assert!(
            odometer.advance(),
            "the world is not deterministic: a step cannot be repeated"
        );
    }
}
