//! A client and a server of any types, to be run alike.

use std::any::Any;

use crate::contender::{BoxedRun, Run};
use crate::sessions::link::Link;
use crate::sessions::rows::{Row, Shape};
use crate::sessions::{Client, Seen, Server, Setup};

/// Somebody who takes part.
pub struct Contender {
    /// The name of the crate.
    pub name: &'static str,
    run: fn(Row) -> Option<BoxedRun>,
    verify: fn(Row) -> Option<Seen>,
    idle_clients: fn(Setup, usize) -> Idle,
    idle_servers: fn(Setup, usize) -> Idle,
}

/// Sessions that are connected and idle.
pub type Idle = Box<dyn Any>;

impl Contender {
    /// The contender with this client and this server.
    pub const fn of<C: Client, S: Server>(name: &'static str) -> Self {
        Self {
            name,
            run: |row| takes_part::<C>(row).then(|| run::<C, S>(row)),
            verify: |row| takes_part::<C>(row).then(|| verify::<C, S>(row)),
            idle_clients: |setup, count| idle(count, || Link::<C, S>::new(setup).into_client()),
            idle_servers: |setup, count| idle(count, || Link::<C, S>::new(setup).into_server()),
        }
    }

    /// What is timed for this row, if the contender takes part; it counts
    /// messages.
    pub fn run(&self, row: Row) -> Option<BoxedRun> {
        (self.run)(row)
    }

    /// Does once what is timed for this row, and returns what the applications
    /// saw, every message included.
    pub fn verify(&self, row: Row) -> Option<Seen> {
        (self.verify)(row)
    }

    /// That many connected clients.
    pub fn idle_clients(&self, setup: Setup, count: usize) -> Idle {
        (self.idle_clients)(setup, count)
    }

    /// That many connected servers.
    pub fn idle_servers(&self, setup: Setup, count: usize) -> Idle {
        (self.idle_servers)(setup, count)
    }
}

fn takes_part<C: Client>(row: Row) -> bool {
    C::RESUMES || !matches!(row.shape, Shape::Resume(_))
}

/// How many single exchanges a run consists of.
const EXCHANGES_PER_RUN: usize = 64;

/// How many messages a run of a window consists of: as many in each of them, and
/// enough to fill the largest.
const MESSAGES_IN_WINDOWS: usize = 65_535;

fn run<C: Client, S: Server>(row: Row) -> BoxedRun {
    let link = Link::<C, S>::new(row.setup());
    let qos = row.qos;
    match row.shape {
        Shape::Single => Box::new(OnLink {
            link,
            before: |_: &mut Link<C, S>| (),
            timed: move |link: &mut Link<C, S>| {
                for _ in 0..EXCHANGES_PER_RUN {
                    link.exchange(qos);
                }
                EXCHANGES_PER_RUN
            },
        }),
        Shape::Window(window) => Box::new(OnLink {
            link,
            before: |_: &mut Link<C, S>| (),
            timed: move |link: &mut Link<C, S>| {
                link.window(qos, window.into(), MESSAGES_IN_WINDOWS);
                MESSAGES_IN_WINDOWS
            },
        }),
        Shape::Resume(window) => Box::new(OnLink {
            link,
            before: move |link: &mut Link<C, S>| link.publish_and_lose(qos, window.into()),
            timed: move |link: &mut Link<C, S>| {
                link.resume();
                window.into()
            },
        }),
    }
}

struct OnLink<C, S, B, T> {
    link: Link<C, S>,
    before: B,
    timed: T,
}

impl<C, S, B, T> Run for OnLink<C, S, B, T>
where
    C: Client,
    S: Server,
    B: FnMut(&mut Link<C, S>),
    T: FnMut(&mut Link<C, S>) -> usize,
{
    fn reset(&mut self) {
        self.link.check();
        (self.before)(&mut self.link);
    }

    fn run(&mut self) -> usize {
        (self.timed)(&mut self.link)
    }
}

fn verify<C: Client, S: Server>(row: Row) -> Seen {
    let mut link = Link::<C, S>::new(row.setup());
    link.seen.recorded = Some(Vec::new());
    // Twice: what is left over from the first time must do no harm.
    for _ in 0..2 {
        match row.shape {
            Shape::Single => link.exchange(row.qos),
            Shape::Window(window) => {
                // The window is filled, then moves on as far.
                link.window(row.qos, window.into(), 2 * usize::from(window));
            }
            Shape::Resume(window) => {
                link.publish_and_lose(row.qos, window.into());
                link.resume();
            }
        }
        link.check();
    }
    link.seen
}

fn idle<T: 'static>(count: usize, mut connected: impl FnMut() -> T) -> Idle {
    let mut sessions = Vec::with_capacity(count);
    sessions.extend((0..count).map(|_| connected()));
    Box::new(sessions)
}
