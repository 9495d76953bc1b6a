//! A crash at every change, on both sides, while each connection has limits of its own.

use super::world::{Crash, SIDES, World};

const SEEDS: u64 = 10;

/// The seeds are neither so narrow nor so short that nothing happens.
#[test]
fn without_a_crash_it_works() {
    let (mut delivered, mut lost) = (0, 0);
    for seed in 1..=SEEDS {
        let mut world = World::new(seed);
        world.run();
        delivered += world.delivered();
        lost += world.lost();
    }
    assert!(delivered > 10 * SEEDS as usize, "{delivered}");
    assert!(lost > 10, "{lost} identifiers were lost");
}

/// With what an event does and its change stored together, QoS 2 is exactly once, QoS 1 at least once, and every
/// message that was accepted has one outcome, which is true.
#[test]
fn a_crash_at_every_change() {
    for seed in 1..=SEEDS {
        let mut without = World::new(seed);
        without.run();
        for side in SIDES {
            for change in 1..=without.changes(side) {
                for (torn, flushed) in [(false, true), (true, false), (false, false)] {
                    let mut world = World::new(seed);
                    world.plan(Crash {
                        side,
                        change,
                        torn,
                        flushed,
                    });
                    world.run();
                    assert_eq!(world.crashes(), 1, "seed {seed}, {side:?}, change {change}");
                }
            }
        }
    }
}

/// Crashes of both sides, one after the other.
#[test]
fn many_crashes() {
    for seed in 1..=120 {
        let mut world = World::new(seed);
        world.crash_often();
        world.run();
    }
}
