//! The engines that sample runs instead of going through all of them: seeded simulation, and the
//! runs that proptest and libFuzzer make up.
//!
//! Each run has two phases. With faults, anything may happen. Then the faults stop, and the world
//! has to come to rest within a number of steps, whatever fair schedule it gets; if it does not,
//! that is a violation of [`Violation::CONVERGENCE`].

use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::choice::{Bytes, Choose, FiniteChoices, Numbers, Random, Recorder};
use super::coverage::{Coverage, CoverageTable, Thousands};
use super::log::Log;
use super::progress::Progress;
use super::trace::{Counterexample, Trace};
use super::world::{Step, Violation, World, perform};

/// Steps that a run from [`run_numbers`] or [`run_bytes`] may take to come to rest.
pub const DEFAULT_CONVERGENCE_STEPS: usize = 10_000;

/// How to simulate.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// The seed of the first run; the next runs use the numbers after it.
    pub first_seed: u64,
    /// How many runs.
    pub runs: u64,
    /// Steps with faults in each run.
    pub steps_with_faults: usize,
    /// Steps without faults within which the world has to come to rest.
    pub convergence_steps: usize,
    /// How many threads.
    pub threads: usize,
    /// Say each second on stderr how far it is.
    pub progress: bool,
}

impl Default for Simulation {
    /// A thousand runs of a thousand steps, from seed 0, on two threads, silent.
    fn default() -> Self {
        Self {
            first_seed: 0,
            runs: 1_000,
            steps_with_faults: 1_000,
            convergence_steps: DEFAULT_CONVERGENCE_STEPS,
            threads: 2,
            progress: false,
        }
    }
}

/// A simulation in numbers.
#[derive(Clone, Debug)]
pub struct SimulationReport {
    /// Name of the world.
    pub world: &'static str,
    /// Its configuration, as text.
    pub config: String,
    /// The seeds that were asked for.
    pub seeds: (u64, u64),
    /// Runs that were made.
    pub runs: u64,
    /// Steps in all runs.
    pub steps: u64,
    /// The most steps that a run took to come to rest after the faults had stopped.
    pub longest_convergence: u64,
    /// What was reached how often.
    pub coverage: CoverageTable,
    /// The lowest seed that failed, whatever the number of threads.
    pub failure: Option<Failure>,
    /// Wall clock.
    pub elapsed: Duration,
}

/// A run that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// [`Simulation::run_seed`] with this seed makes the same run.
    pub seed: u64,
    /// The run itself, not shortened.
    pub counterexample: Counterexample,
}

impl Simulation {
    /// Makes the runs, up to the first that fails.
    #[must_use]
    pub fn run<W: World>(&self, config: &W::Config) -> SimulationReport {
        let started = Instant::now();
        let points = W::coverage_points(config);
        let total = Mutex::new((Tally::new(points.len()), None::<Failure>));
        let next_run = AtomicU64::new(0);
        // Seeds are handed out in order, so a run that is below a failing one is always finished.
        let first_failing_run = AtomicU64::new(u64::MAX);
        let progress = Mutex::new(Progress::new(self.progress));
        let work = || {
            let mut tally = Tally::new(points.len());
            loop {
                let run = next_run.fetch_add(1, Ordering::Relaxed);
                if run >= self.runs.min(first_failing_run.load(Ordering::Relaxed)) {
                    break;
                }
                let seed = self.first_seed.wrapping_add(run);
                if let Err(counterexample) = self.run_counted::<W>(config, seed, &mut tally) {
                    first_failing_run.fetch_min(run, Ordering::Relaxed);
                    let (_, failure) = &mut *total.lock().expect("no worker panics");
                    let is_first = failure
                        .as_ref()
                        .is_none_or(|other| run < other.seed.wrapping_sub(self.first_seed));
                    if is_first {
                        *failure = Some(Failure {
                            seed,
                            counterexample,
                        });
                    }
                }
                let mut progress = progress.lock().expect("no worker panics");
                progress.tick(|_| format!("{run} of {} runs", self.runs));
            }
            let (sum, _) = &mut *total.lock().expect("no worker panics");
            sum.merge(&tally);
        };
        thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(work);
            }
            work();
        });
        progress.into_inner().expect("no worker panics").finish();
        let (tally, failure) = total.into_inner().expect("no worker panics");
        SimulationReport {
            world: W::NAME,
            config: config.to_string(),
            seeds: (
                self.first_seed,
                self.first_seed.wrapping_add(self.runs.saturating_sub(1)),
            ),
            runs: tally.runs,
            steps: tally.steps,
            longest_convergence: tally.longest_convergence,
            coverage: CoverageTable::new(points, &tally.coverage),
            failure,
            elapsed: started.elapsed(),
        }
    }

    /// Makes the run of one seed.
    ///
    /// # Errors
    ///
    /// If it goes wrong.
    pub fn run_seed<W: World>(&self, config: &W::Config, seed: u64) -> Result<(), Counterexample> {
        let mut tally = Tally::new(W::coverage_points(config).len());
        self.run_counted::<W>(config, seed, &mut tally)
    }

    fn run_counted<W: World>(
        &self,
        config: &W::Config,
        seed: u64,
        tally: &mut Tally,
    ) -> Result<(), Counterexample> {
        let mut random = Random::new(seed);
        let mut run = Run::<W>::new(config, tally);
        for _ in 0..self.steps_with_faults {
            if !run.step(&mut random)? {
                break;
            }
        }
        run.converge(&mut random, self.convergence_steps)
    }
}

/// The run that proptest's numbers describe: steps with faults until the numbers are used up, then
/// convergence.
///
/// The strategy to go with it is `proptest::collection::vec(any::<u16>(), 0..n)`; it shrinks by
/// leaving numbers out and making them smaller. [`Counterexample::minimised`] goes further, because
/// it knows where steps end.
///
/// # Errors
///
/// If the run goes wrong.
pub fn run_numbers<W: World>(config: &W::Config, numbers: &[u16]) -> Result<(), Counterexample> {
    run_finite::<W>(config, &mut Numbers::new(numbers))
}

/// The run that a fuzzer's bytes describe: steps with faults until the bytes are used up, then
/// convergence. The schedule of the convergence is fixed.
///
/// # Errors
///
/// If the run goes wrong.
pub fn run_bytes<W: World>(config: &W::Config, bytes: &[u8]) -> Result<(), Counterexample> {
    run_finite::<W>(config, &mut Bytes::new(bytes))
}

fn run_finite<W: World>(
    config: &W::Config,
    choices: &mut impl FiniteChoices,
) -> Result<(), Counterexample> {
    let mut tally = Tally::new(W::coverage_points(config).len());
    let mut run = Run::<W>::new(config, &mut tally);
    // Steps that ask nothing use nothing up; a world with only such steps left must not keep us
    // here.
    let mut silent_steps = 0;
    while !choices.is_used_up() && silent_steps < DEFAULT_CONVERGENCE_STEPS {
        if !run.step(choices)? {
            break;
        }
        silent_steps = if run.asked { 0 } else { silent_steps + 1 };
    }
    run.converge(&mut Random::fair_schedule(), DEFAULT_CONVERGENCE_STEPS)
}

/// What several runs add up to.
struct Tally {
    runs: u64,
    steps: u64,
    longest_convergence: u64,
    coverage: Coverage,
}

impl Tally {
    fn new(points: usize) -> Self {
        Self {
            runs: 0,
            steps: 0,
            longest_convergence: 0,
            coverage: Coverage::new(points),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.runs += other.runs;
        self.steps += other.steps;
        self.longest_convergence = self.longest_convergence.max(other.longest_convergence);
        self.coverage.merge(&other.coverage);
    }
}

/// A run in the making.
struct Run<'a, W> {
    world: W,
    trace: Trace,
    /// Whether the last step asked a question.
    asked: bool,
    tally: &'a mut Tally,
}

impl<'a, W: World> Run<'a, W> {
    fn new(config: &W::Config, tally: &'a mut Tally) -> Self {
        tally.runs += 1;
        Self {
            world: W::new(config),
            trace: Trace::default(),
            asked: false,
            tally,
        }
    }

    /// False if nothing can be done any more.
    fn step(&mut self, choose: &mut dyn Choose) -> Result<bool, Counterexample> {
        let mut choices = Vec::new();
        let mut recorder = Recorder::new(choose, &mut choices);
        let coverage = &mut self.tally.coverage;
        let step = perform(&mut self.world, &mut recorder, coverage, &mut Log::off());
        self.asked = !choices.is_empty();
        if step == Ok(Step::Nothing) {
            // With other answers there may be something to do.
            return Ok(self.asked);
        }
        self.trace.steps.push(choices);
        self.tally.steps += 1;
        match step {
            Ok(Step::Fault) if self.trace.faults_stopped_before.is_some() => {
                let message = "the world made a fault after the faults had stopped";
                Err(self.counterexample(Violation::new(Violation::CONVERGENCE, message)))
            }
            Ok(_) => Ok(true),
            Err(violation) => Err(self.counterexample(violation)),
        }
    }

    fn converge(mut self, choose: &mut dyn Choose, limit: usize) -> Result<(), Counterexample> {
        self.world.stop_faults();
        let begin = self.trace.steps.len();
        self.trace.faults_stopped_before = Some(begin);
        for _ in 0..limit {
            if self.world.is_quiescent() || !self.step(choose)? {
                break;
            }
        }
        let steps = self.trace.steps.len() - begin;
        if self.world.is_quiescent() {
            let longest = &mut self.tally.longest_convergence;
            *longest = (*longest).max(steps as u64);
            return Ok(());
        }
        let message = format!("not at rest {steps} steps after the faults have stopped");
        Err(self.counterexample(Violation::new(Violation::CONVERGENCE, message)))
    }

    fn counterexample(&mut self, violation: Violation) -> Counterexample {
        let trace = std::mem::take(&mut self.trace);
        Counterexample { violation, trace }
    }
}

/// What a prefix of steps leads to when the faults stop after it and the fixed schedule takes over.
pub(super) fn run_steps<W: World>(
    config: &W::Config,
    steps: &[Vec<u16>],
    convergence_steps: usize,
) -> Result<(), Counterexample> {
    let mut tally = Tally::new(W::coverage_points(config).len());
    let mut run = Run::<W>::new(config, &mut tally);
    for choices in steps {
        run.step(&mut super::choice::Script::new(choices))?;
    }
    run.converge(&mut Random::fair_schedule(), convergence_steps)
}

impl fmt::Display for SimulationReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "world        {} {}", self.world, self.config)?;
        match &self.failure {
            None => writeln!(out, "verdict      no run failed")?,
            Some(Failure {
                seed,
                counterexample,
            }) => writeln!(
                out,
                "verdict      VIOLATION with seed {seed} after {} steps: {}",
                counterexample.trace.steps.len(),
                counterexample.violation
            )?,
        }
        writeln!(out, "seeds        {} to {}", self.seeds.0, self.seeds.1)?;
        writeln!(out, "runs         {}", Thousands(self.runs))?;
        writeln!(out, "steps        {}", Thousands(self.steps))?;
        writeln!(
            out,
            "convergence  at most {} steps after the faults stopped",
            Thousands(self.longest_convergence)
        )?;
        writeln!(out, "time         {:.1} s", self.elapsed.as_secs_f64())?;
        write!(out, "{}", self.coverage)
    }
}
