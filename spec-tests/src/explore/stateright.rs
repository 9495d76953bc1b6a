//! The same worlds as models for the model checker `stateright`: a second opinion about the number
//! of states, and a web page to walk through them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::ToSocketAddrs;

use stateright::{Checker, Model, Property};

use super::choice::{Odometer, Script};
use super::coverage::Coverage;
use super::fingerprint::{Fingerprint, Fingerprinter};
use super::log::{Entry, Log};
use super::world::{Step, Violation, World, perform};

/// A world as a `stateright` model.
#[derive(Clone, Debug)]
pub struct WorldModel<W: World> {
    config: W::Config,
    points: usize,
}

/// A state of the model: equal if the fingerprints are equal, as for our own engine.
#[derive(Clone)]
pub struct ModelState<W> {
    /// The world itself.
    pub world: W,
    /// Why it ends here.
    pub violation: Option<Violation>,
    fingerprint: Fingerprint,
}

/// The choices of a step.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Choices(pub Vec<u16>);

impl<W: World> WorldModel<W> {
    /// The world with this configuration.
    #[must_use]
    pub fn new(config: &W::Config) -> Self {
        Self {
            config: config.clone(),
            points: W::coverage_points(config).len(),
        }
    }

    /// How many states `stateright` counts when it searches breadth first, and whether it found
    /// fault with none.
    #[must_use]
    pub fn count(self, threads: usize) -> (usize, bool)
    where
        W: 'static,
        W::Config: 'static,
    {
        let checker = self.checker().threads(threads).spawn_bfs().join();
        let is_fine = checker.discovery(NO_OBJECTION).is_none();
        (checker.unique_state_count(), is_fine)
    }

    /// Serves the web Explorer, until the process ends.
    pub fn serve(self, address: impl ToSocketAddrs)
    where
        W: fmt::Debug + 'static,
        W::Config: 'static,
    {
        self.checker().serve(address);
    }

    fn perform(&self, world: &W, choices: &[u16], log: &mut Log) -> Option<ModelState<W>> {
        let mut world = world.clone();
        let mut coverage = Coverage::new(self.points);
        match perform(&mut world, &mut Script::new(choices), &mut coverage, log) {
            Ok(Step::Nothing) => None,
            Ok(Step::Progress | Step::Fault) => Some(ModelState::new(world, None)),
            Err(violation) => Some(ModelState::new(world, Some(violation))),
        }
    }
}

const NO_OBJECTION: &str = "no monitor objects";

impl<W: World> Model for WorldModel<W> {
    type State = ModelState<W>;
    type Action = Choices;

    fn init_states(&self) -> Vec<Self::State> {
        vec![ModelState::new(W::new(&self.config), None)]
    }

    fn actions(&self, state: &Self::State, actions: &mut Vec<Choices>) {
        if state.violation.is_some() {
            return;
        }
        let mut odometer = Odometer::default();
        odometer.start();
        loop {
            odometer.rewind();
            let mut coverage = Coverage::new(self.points);
            let mut world = state.world.clone();
            let step = perform(&mut world, &mut odometer, &mut coverage, &mut Log::off());
            if step != Ok(Step::Nothing) {
                actions.push(Choices(odometer.choices().to_vec()));
            }
            // After an objection the questions may have been cut short.
            if step.is_err() || !odometer.advance() {
                return;
            }
        }
    }

    fn next_state(&self, state: &Self::State, Choices(choices): Choices) -> Option<Self::State> {
        self.perform(&state.world, &choices, &mut Log::off())
    }

    fn format_step(&self, state: &Self::State, Choices(choices): Choices) -> Option<String>
    where
        Self::State: fmt::Debug,
    {
        let mut log = Log::on();
        let next = self.perform(&state.world, &choices, &mut log)?;
        let lines: Vec<String> = log.entries().iter().map(Entry::text).collect();
        Some(format!("{}\n\n{next:#?}", lines.join("\n")))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // The second is there to be seen in the Explorer; stuck states are the business of our own
        // engine, because "eventually" of stateright does not see through cycles.
        vec![
            Property::always(NO_OBJECTION, |_, state: &ModelState<W>| {
                state.violation.is_none()
            }),
            Property::sometimes("quiescent", |_, state: &ModelState<W>| {
                state.world.is_quiescent()
            }),
        ]
    }
}

impl<W: World> ModelState<W> {
    fn new(world: W, violation: Option<Violation>) -> Self {
        let fingerprint = Fingerprinter::default().of(&world);
        Self {
            world,
            violation,
            fingerprint,
        }
    }
}

impl<W> PartialEq for ModelState<W> {
    fn eq(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint && self.violation == other.violation
    }
}

impl<W> Eq for ModelState<W> {}

impl<W> Hash for ModelState<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.fingerprint.hash(state);
        self.violation.is_some().hash(state);
    }
}

impl<W: fmt::Debug> fmt::Debug for ModelState<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(violation) = &self.violation {
            writeln!(out, "VIOLATION: {violation}")?;
        }
        self.world.fmt(out)
    }
}
