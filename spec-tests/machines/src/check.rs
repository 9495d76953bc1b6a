//! Checks, and the record of those that passed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

/// What a check does: it says how many states or cases it has judged. It fails by an error or a
/// panic.
pub type Outcome = Result<u64, String>;

/// What kind of evidence a check is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A golden byte vector.
    Vector,
    /// The decoded form of the vectors of a file.
    Snapshot,
    /// Chosen cases.
    Example,
    /// Random cases.
    Property,
    /// Every state of a set that is small enough.
    Domain,
    /// About the ledger itself.
    Ledger,
}

/// A named check.
pub struct Check {
    /// The name by which a ledger knows it.
    pub name: String,
    kind: Kind,
    ignored: bool,
    run: Box<dyn FnOnce() -> Outcome + Send>,
}

impl Check {
    /// A check that does this when it runs.
    pub fn new(
        kind: Kind,
        name: impl Into<String>,
        run: impl FnOnce() -> Outcome + Send + 'static,
    ) -> Self {
        Check {
            name: name.into(),
            kind,
            ignored: false,
            run: Box::new(run),
        }
    }

    /// Another check that does the same within something else.
    pub fn wrapped(
        self,
        prefix: &str,
        around: impl FnOnce(Box<dyn FnOnce() -> Outcome + Send>) -> Outcome + Send + 'static,
    ) -> Self {
        let run = self.run;
        Check {
            name: format!("{prefix}::{}", self.name),
            kind: self.kind,
            ignored: self.ignored,
            run: Box::new(move || around(run)),
        }
    }

    /// Takes long: runs only when asked for, with `--ignored`.
    #[must_use]
    pub fn long(mut self) -> Self {
        self.ignored = true;
        self
    }

    /// For the harness: what the check says goes into the record.
    pub fn into_trial(self, record: &Arc<Record>) -> Trial {
        let record = Arc::clone(record);
        let name = self.name.clone();
        let (kind, run) = (self.kind, self.run);
        Trial::test(self.name, move || {
            let started = Instant::now();
            let states = run().map_err(Failed::from)?;
            record.add(Passed {
                name,
                kind,
                states,
                time: started.elapsed(),
            });
            Ok(())
        })
        .with_ignored_flag(self.ignored)
    }
}

/// What a check returns: the number of cases it has judged, or nothing for a single case.
pub trait Judged {
    /// As a check says it.
    fn outcome(self) -> Outcome;
}

impl Judged for () {
    fn outcome(self) -> Outcome {
        Ok(1)
    }
}

impl Judged for u64 {
    fn outcome(self) -> Outcome {
        Ok(self)
    }
}

impl Judged for Outcome {
    fn outcome(self) -> Outcome {
        self
    }
}

/// The checks of a subject, named after their functions: those of both sides, of a Client, of a Server,
/// of a Server between its Clients.
macro_rules! checks {
    ($subject:literal:
        $(both { $($both_kind:ident $both:ident,)* })?
        $(client { $($client_kind:ident $client:ident,)* })?
        $(server { $($server_kind:ident $server:ident,)* })?
        $(broker { $($broker_kind:ident $broker:ident,)* })?
    ) => {
        pub(crate) fn checks() -> Vec<crate::check::Check> {
            use crate::check::check;
            vec![
                $($(
                    check!($both_kind "client" $subject $both::<mqtt5_session_fsm::Client>),
                    check!($both_kind "server" $subject $both::<mqtt5_session_fsm::Server>),
                )*)?
                $($(check!($client_kind "client" $subject $client),)*)?
                $($(check!($server_kind "server" $subject $server),)*)?
                $($(check!($broker_kind "broker" $subject $broker),)*)?
            ]
        }
    };
}
pub(crate) use checks;

/// One check.
macro_rules! check {
    ($kind:ident $side:literal $subject:literal $name:ident $(:: <$machine:ty>)?) => {
        crate::check::Check::new(
            crate::check::Kind::$kind,
            concat!($side, "::", $subject, "::", stringify!($name)),
            || crate::check::Judged::outcome($name $(::<$machine>)? ()),
        )
    };
}
pub(crate) use check;

/// A check that ran and passed.
#[derive(Clone, Debug)]
pub struct Passed {
    /// Its name.
    pub name: String,
    /// What kind of evidence it is.
    pub kind: Kind,
    /// How many states or cases it has judged.
    pub states: u64,
    /// How long it took.
    pub time: Duration,
}

/// All checks that have passed so far.
pub struct Record {
    passed: Mutex<Vec<Passed>>,
    prints: bool,
}

impl Record {
    /// An empty one, that may print what passes.
    pub fn new(prints: bool) -> Arc<Self> {
        Arc::new(Record {
            passed: Mutex::default(),
            prints,
        })
    }

    fn add(&self, passed: Passed) {
        if self.prints && matches!(passed.kind, Kind::Domain | Kind::Property) {
            let Passed {
                name, states, time, ..
            } = &passed;
            println!("{name}: {states} states in {:.2} s", time.as_secs_f64());
        }
        self.passed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(passed);
    }

    /// Everything that passed, by name.
    pub fn all(&self) -> Vec<Passed> {
        let passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = passed.clone();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The names of everything that passed.
    pub fn passed(&self) -> BTreeSet<String> {
        self.all().into_iter().map(|passed| passed.name).collect()
    }
}
