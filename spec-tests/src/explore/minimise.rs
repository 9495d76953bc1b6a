//! Makes a counterexample of a random engine short enough to read.
//!
//! Greedy: leave out runs of steps, long ones first, then make single choices 0, as long as the
//! same monitor still objects. What is left out changes the meaning of later choices, which is
//! fine: the trace that comes out is written down from the run that was really made, so it is exact
//! again.

use super::exhaustive::Exhaustive;
use super::log::Log;
use super::simulate::{DEFAULT_CONVERGENCE_STEPS, run_steps};
use super::trace::{Counterexample, Trace};
use super::world::{Violation, World};

impl Counterexample {
    /// The same objection with fewer and simpler steps; at most `attempts` runs are tried.
    ///
    /// Leave the traces of the exhaustive engine alone: they are shortest already.
    #[must_use]
    pub fn minimised<W: World>(&self, config: &W::Config, attempts: usize) -> Self {
        let mut search = Search::<W> {
            config,
            best: self.clone(),
            attempts,
        };
        // First of all, what comes after the objection or does nothing goes away.
        search.attempt(search.free_steps().to_vec());
        loop {
            let before = search.best.trace.clone();
            search.leave_out_steps();
            search.simplify_choices();
            if search.best.trace == before || search.attempts == 0 {
                return search.best.without_schedule::<W>(config);
            }
        }
    }

    /// If no schedule at all can bring the world to rest, one that does not is of no interest: it
    /// is left away, and the objection becomes the stronger [`Violation::STUCK`].
    fn without_schedule<W: World>(self, config: &W::Config) -> Self {
        let (Violation::CONVERGENCE, Some(stop)) =
            (self.violation.monitor, self.trace.faults_stopped_before)
        else {
            return self;
        };
        let trace = Trace {
            steps: self.trace.steps[..stop].to_vec(),
            faults_stopped_before: Some(stop),
        };
        let state = trace.replay::<W>(config, Log::off()).world;
        let search = Exhaustive {
            maximum_states: 100_000,
            ..Exhaustive::default()
        };
        if search.can_come_to_rest(config, &state) == Some(false) {
            let message = "after the faults have stopped, no continuation comes to rest";
            let violation = Violation::new(Violation::STUCK, message);
            return Self { violation, trace };
        }
        self
    }
}

struct Search<'a, W: World> {
    config: &'a W::Config,
    best: Counterexample,
    attempts: usize,
}

impl<W: World> Search<'_, W> {
    /// If the world does not come to rest, the steps after the faults stopped are not ours to
    /// choose: only a fair schedule may be blamed on the world.
    fn is_about_convergence(&self) -> bool {
        self.best.violation.monitor == Violation::CONVERGENCE
    }

    fn free_steps(&self) -> &[Vec<u16>] {
        let trace = &self.best.trace;
        match trace.faults_stopped_before {
            Some(stop) if self.is_about_convergence() => &trace.steps[..stop],
            _ => &trace.steps,
        }
    }

    fn leave_out_steps(&mut self) {
        let mut width = self.free_steps().len().next_power_of_two();
        while width > 0 {
            // From the end: late steps depend on early ones, seldom the other way round.
            let mut end = self.free_steps().len();
            while end > 0 {
                let begin = end.saturating_sub(width);
                let mut steps = self.free_steps().to_vec();
                steps.drain(begin..end.min(steps.len()));
                self.attempt(steps);
                end = begin.min(self.free_steps().len());
            }
            width /= 2;
        }
    }

    fn simplify_choices(&mut self) {
        let mut position = 0;
        while position < self.free_steps().len() {
            let mut index = 0;
            while self
                .free_steps()
                .get(position)
                .is_some_and(|step| index < step.len())
            {
                let mut steps = self.free_steps().to_vec();
                if steps[position][index] > 0 {
                    steps[position][index] = 0;
                    self.attempt(steps);
                }
                index += 1;
            }
            position += 1;
        }
    }

    /// Keeps these steps if they are better and still show the same.
    fn attempt(&mut self, steps: Vec<Vec<u16>>) {
        if self.attempts == 0 {
            return;
        }
        self.attempts -= 1;
        let Some(found) = self.run(steps) else {
            return;
        };
        let weight = |counterexample: &Counterexample| {
            let trace = &counterexample.trace;
            let sum = |step: &Vec<u16>| step.iter().map(|choice| u64::from(*choice)).sum::<u64>();
            let free = match trace.faults_stopped_before {
                Some(stop) if self.is_about_convergence() => stop,
                _ => trace.steps.len(),
            };
            (free, trace.steps[..free].iter().map(sum).sum::<u64>())
        };
        // Also if it is not smaller than before: the first attempt only puts the run into its exact
        // form.
        if weight(&found) <= weight(&self.best) {
            self.best = found;
        }
    }

    fn run(&self, steps: Vec<Vec<u16>>) -> Option<Counterexample> {
        let found = if self.is_about_convergence() {
            let trace = &self.best.trace;
            let stop = trace.faults_stopped_before.unwrap_or(trace.steps.len());
            let limit = DEFAULT_CONVERGENCE_STEPS.max(trace.steps.len() - stop);
            run_steps::<W>(self.config, &steps, limit).err()
        } else {
            // The place where the faults stop moves with the steps before it; later is always
            // allowed.
            let trace = Trace {
                faults_stopped_before: self
                    .best
                    .trace
                    .faults_stopped_before
                    .filter(|stop| *stop <= steps.len()),
                steps,
            };
            let replay = trace.replay::<W>(self.config, Log::off());
            let trace = replay.trace;
            replay
                .violation
                .map(|violation| Counterexample { violation, trace })
        };
        found.filter(|found| found.violation.monitor == self.best.violation.monitor)
    }
}
