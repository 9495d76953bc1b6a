//! A run as the list of its choices: small, exact, and repeatable.

use super::chart;
use super::choice::{Recorder, Script};
use super::coverage::Coverage;
use super::exhaustive::Exhaustive;
use super::log::Log;
use super::world::{Step, Violation, World, perform};

/// The choices of a run, from the initial state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace {
    /// For each step the answers to the questions that had more than one.
    pub steps: Vec<Vec<u16>>,
    /// Before the step at this position the environment was told to behave; the number of steps if
    /// that came last.
    pub faults_stopped_before: Option<usize>,
}

/// A trace and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterexample {
    /// The objection.
    pub violation: Violation,
    /// The run; a monitor objects in its last step, or its last state does not come to rest.
    pub trace: Trace,
}

/// A run that was repeated.
#[derive(Clone, Debug)]
pub struct Replay<W> {
    /// The last state. After a violation it is of no interest.
    pub world: W,
    /// What happened, if it was asked for.
    pub log: Log,
    /// The objection that ended the run.
    pub violation: Option<Violation>,
    /// The run as it was really made: cut off at the violation, without steps that did nothing,
    /// each choice as it was understood.
    pub trace: Trace,
    /// Whether every question was the one that the trace was written for. Otherwise the world has
    /// changed since.
    pub fitted: bool,
}

impl Trace {
    /// Makes the run again.
    #[must_use]
    pub fn replay<W: World>(&self, config: &W::Config, mut log: Log) -> Replay<W> {
        let mut world = W::new(config);
        let mut coverage = Coverage::new(W::coverage_points(config).len());
        let mut trace = Self::default();
        let mut violation = None;
        let mut fitted = true;
        for position in 0..=self.steps.len() {
            if self.faults_stopped_before == Some(position) {
                world.stop_faults();
                log.faults_stopped();
                trace.faults_stopped_before = Some(trace.steps.len());
            }
            let Some(script) = self.steps.get(position) else {
                break;
            };
            let mut script = Script::new(script);
            let mut choices = Vec::new();
            let mut recorder = Recorder::new(&mut script, &mut choices);
            log.step(trace.steps.len() + 1);
            let step = perform(&mut world, &mut recorder, &mut coverage, &mut log);
            fitted &= script.fitted();
            match step {
                Ok(Step::Nothing) => {}
                Ok(Step::Progress | Step::Fault) => trace.steps.push(choices),
                Err(objection) => {
                    trace.steps.push(choices);
                    log.verdict(&objection);
                    violation = Some(objection);
                    break;
                }
            }
        }
        Replay {
            world,
            log,
            violation,
            trace,
            fitted,
        }
    }
}

impl<W: World> Replay<W> {
    /// What happened, as a sequence chart.
    #[must_use]
    pub fn chart(&self) -> String {
        chart::text(W::LANES, self.log.entries())
    }
}

impl Counterexample {
    /// The objection, and the run as a sequence chart.
    #[must_use]
    pub fn drawn<W: World>(&self, config: &W::Config) -> String {
        format!("{}\n{}", self.violation, self.replay::<W>(config).chart())
    }

    /// Makes the run again with the log on. The last entry is the objection, also if it concerns
    /// what cannot happen afterwards.
    #[must_use]
    pub fn replay<W: World>(&self, config: &W::Config) -> Replay<W> {
        let mut replay = self.trace.replay::<W>(config, Log::on());
        if replay.violation.is_none() {
            replay.log.verdict(&self.violation);
        }
        replay
    }

    /// Whether the world still does what it should not: the same monitor objects, or, for an
    /// objection about coming to rest, the last state cannot come to rest without faults (looked
    /// for in at most a million states).
    #[must_use]
    pub fn is_reproduced<W: World>(&self, config: &W::Config) -> bool {
        let mut replay = self.trace.replay::<W>(config, Log::off());
        match (self.violation.monitor, replay.violation) {
            (monitor, Some(violation)) => violation.monitor == monitor,
            (Violation::STUCK, None) => {
                replay.world.stop_faults();
                let search = Exhaustive {
                    maximum_states: 1_000_000,
                    ..Exhaustive::default()
                };
                search.can_come_to_rest(config, &replay.world) == Some(false)
            }
            (Violation::CONVERGENCE, None) => !replay.world.is_quiescent(),
            (_, None) => false,
        }
    }
}
