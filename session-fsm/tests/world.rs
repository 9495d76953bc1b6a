//! A Client and a Server of this library, a network that breaks again and again, and a disk each. Anything may happen in
//! any order, also the end of a process.
//!
//! In every run: no side finds a fault with the other; no packet is larger than allowed; each message arrives with its own
//! topic and has one outcome, and that is true; QoS 0 and QoS 2 arrive no more than once; what is stored is what there
//! is, and can be read again at each change; when the network lasts, everything comes to its end.

#![cfg_attr(
    not(feature = "persistence"),
    allow(
        dead_code,
        unused_variables,
        reason = "without a disk there are no crashes"
    )
)]

#[path = "world/host.rs"]
mod host;
#[path = "world/network.rs"]
mod network;
#[path = "world/steps.rs"]
mod steps;

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

use mqtt5_session_fsm::Server;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::network::World;
use self::steps::{May, Setting, Step};

fn run(setting: &Setting, steps: &[Step]) -> World {
    let mut world = World::new(setting);
    steps.iter().for_each(|step| world.step(step));
    world.converge();
    world
}

/// The same cases each time, so that it can be told how much happens in them.
fn for_each<T: Debug>(cases: u32, strategy: impl Strategy<Value = T>, check: impl Fn(&T)) {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let result = TestRunner::new_with_rng(config, random).run(&strategy, |case| {
        check(&case);
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

fn add(counter: &Cell<usize>, more: usize) {
    counter.set(counter.get() + more);
}

/// Receive Maximum, Maximum Packet Size, Topic Alias Maximum, Maximum QoS, Retain Available and Request Problem Information
/// are wider or narrower than on the connection before.
#[test]
fn nothing_is_lost_or_doubled_where_limits_change() {
    let may = May {
        limit: true,
        starve: true,
        ..May::default()
    };
    let (cases, delivered) = (300, Cell::new(0));
    for_each(cases, steps::run(may, 400..900), |(setting, steps)| {
        add(&delivered, run(setting, steps).delivered());
    });
    // Neither so narrow nor so short that nothing is checked.
    let delivered = delivered.get();
    assert!(delivered > 30 * cases as usize, "{delivered}");
}

/// The last states of a machine, or of a part of one, with their hashes.
struct Seen<T>(VecDeque<(T, u64)>);

impl<T: Clone + Debug + Eq + Hash> Seen<T> {
    /// What is equal has the same hash, and what differs has another one, as far as a sum of 64 bits can tell.
    fn see(&mut self, state: &T) {
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(state);
        for (before, other) in &self.0 {
            assert_eq!(state == before, hash == *other, "{before:?} {state:?}");
        }
        self.0.push_back((state.clone(), hash));
        if self.0.len() > 8 {
            self.0.pop_front();
        }
    }
}

/// An explorer may know states by their hashes. Sessions are looked at alone, too: in a machine, a time differs nearly
/// always.
#[test]
fn hashes_tell_states_apart() {
    let may = May {
        limit: true,
        starve: true,
        ..May::default()
    };
    for_each(40, steps::run(may, 60..120), |(setting, steps)| {
        let mut world = World::new(setting);
        let (mut clients, mut servers) = (Seen(VecDeque::new()), Seen(VecDeque::new()));
        let (mut ours, mut theirs) = (Seen(VecDeque::new()), Seen(VecDeque::new()));
        for step in steps {
            world.step(step);
            let (client, server) = world.machines();
            clients.see(client);
            servers.see(server);
            ours.see(client.session());
            theirs.see(&server.as_ref().and_then(Server::session).cloned());
        }
    });
}

#[cfg(feature = "persistence")]
mod crashes {
    use mqtt5_session_fsm::codec::Qos;
    use mqtt5_session_fsm::{Acknowledgement, SessionConfig, TopicAliases};

    use super::steps::{Connection, Crash, Extras, SIDES, Side};
    use super::*;

    const LIMITS: May = May {
        lose: false,
        crash: false,
        limit: true,
        starve: false,
    };

    /// The cases are neither so narrow nor so short that nothing happens.
    #[test]
    fn without_a_crash_it_works() {
        let [delivered, lost] = [0, 0].map(Cell::new);
        for_each(10, steps::run(LIMITS, 100..200), |(setting, steps)| {
            let world = run(setting, steps);
            add(&delivered, world.delivered());
            add(&lost, world.lost());
        });
        let (delivered, lost) = (delivered.get(), lost.get());
        assert!(delivered > 100, "{delivered}");
        assert!(lost > 10, "{lost} identifiers were lost");
    }

    #[test]
    fn a_crash_at_every_change() {
        let torn = [(None, true), (Some(20), false), (None, false)];
        for_each(10, steps::run(LIMITS, 100..200), |(setting, steps)| {
            let without = run(setting, steps);
            for side in SIDES {
                for change in 1..=without.changes(side) {
                    for (torn, flushed) in torn {
                        let mut world = World::new(setting);
                        world.plan(side, change, Crash { torn, flushed });
                        steps.iter().for_each(|step| world.step(step));
                        world.converge();
                        assert_eq!(world.crashes(), 1, "{side:?}, change {change}");
                    }
                }
            }
        });
    }

    /// Crashes of both sides, one after the other.
    #[test]
    fn many_crashes() {
        let crashes = Cell::new(0);
        let may = May {
            crash: true,
            ..LIMITS
        };
        for_each(120, steps::run(may, 100..200), |(setting, steps)| {
            add(&crashes, run(setting, steps).crashes());
        });
        assert!(crashes.get() > 120 * 3, "{}", crashes.get());
    }

    /// Accepted messages are stored in the order of their identifiers, whether their PUBREC was sent or not.
    #[test]
    fn decisions_without_a_connection_are_stored() {
        let session = SessionConfig {
            persistent: true,
            acknowledgement: Acknowledgement::Manual,
            ..SessionConfig::default()
        };
        let mut world = World::new(&Setting {
            may: May::default(),
            sessions: [session; 2],
            aliases: TopicAliases::Off,
        });
        world.converge();
        let publish = || Step::Publish(Side::Server, Qos::ExactlyOnce, 4, Extras::default());
        let deliver = |side| Step::Deliver(side, usize::MAX);
        let accept = |which| Step::Decide(Side::Client, which, true, 0);
        let crash = Crash {
            torn: None,
            flushed: false,
        };
        for step in [
            publish(),
            publish(),
            deliver(Side::Client),
            Step::Crash(Side::Client, 1, crash),
            // The second one; the first one comes again.
            accept(1),
            Step::Connect(Connection::PLAIN),
            deliver(Side::Server),
            deliver(Side::Client),
            Step::Cut,
            accept(0),
        ] {
            world.step(&step);
        }
        assert_eq!(world.crashes(), 1);
        world.converge();
        world.all_arrived();
        assert_eq!(world.delivered(), 2);
    }

    proptest! {
        /// With messages that give way, Sessions that end, Wills, and connections that are closed because they are late.
        #[test]
        fn what_is_stored_is_what_there_is(
            (setting, steps) in steps::run(May { lose: true, crash: true, limit: false, starve: false }, 0..60),
        ) {
            run(&setting, &steps);
        }

        /// Either side crashes at any change: with messages and changes stored together, QoS 2 is exactly once.
        #[test]
        fn a_crash_loses_nothing_and_doubles_nothing(
            (setting, steps) in steps::run(May { crash: true, ..May::default() }, 0..60),
        ) {
            let mut world = World::new(&setting);
            world.converge();
            steps.iter().for_each(|step| world.step(step));
            world.converge();
            world.all_arrived();
        }

        #[test]
        fn everything_at_once(
            (setting, steps) in steps::run(May { lose: true, crash: true, limit: true, starve: true }, 0..200),
        ) {
            run(&setting, &steps);
        }
    }
}
