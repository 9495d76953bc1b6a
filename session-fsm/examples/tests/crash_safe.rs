//! The example `crash_safe`: a crash at every single call of the disk, and processes that are killed at random.

#[path = "crash_safe/disk.rs"]
mod disk;
#[path = "../src/bin/crash_safe/files.rs"]
mod files;
#[path = "crash_safe/killed.rs"]
mod killed;
#[path = "../src/bin/crash_safe/network.rs"]
mod network;
#[path = "../src/bin/crash_safe/publisher.rs"]
mod publisher;
#[path = "../src/bin/crash_safe/receiver.rs"]
mod receiver;
#[path = "../src/bin/crash_safe/store.rs"]
mod store;
#[path = "crash_safe/world.rs"]
mod world;

use self::disk::Left;
use self::world::{Random, SIDES, World};

/// Without a crash it works, and there are enough calls, and compactions, to let fail.
#[test]
fn without_a_crash_every_task_is_carried_out() {
    let mut world = World::new();
    world.run();
    let [publisher, receiver] = world.calls();
    assert!(publisher > 60 && receiver > 60, "{publisher} {receiver}");
    assert!(world.compactions().iter().all(|it| *it > 2));
}

/// Each call of each disk is the last of a process, and the disk has kept more or less of what was not synced.
#[test]
fn a_crash_at_every_call() {
    let mut without = World::new();
    without.run();
    for side in SIDES {
        for call in 1..=without.calls()[side as usize] {
            for left in Left::ALL {
                let mut world = World::new();
                world.crash_at(side, call, left);
                world.run();
                assert_eq!(world.crashes(), 1, "{side:?} at call {call}, {left:?}");
            }
        }
    }
}

/// The next process dies in its recovery, too.
#[test]
fn a_crash_in_the_recovery() {
    let mut without = World::new();
    without.run();
    for side in SIDES {
        for call in (1..=without.calls()[side as usize]).step_by(5) {
            for next in 1..=6 {
                for left in [Left::Torn, Left::ZeroBytes] {
                    let mut world = World::new();
                    world.crash_at(side, call, left);
                    world.then_crash_after(next, left);
                    world.run();
                }
            }
        }
    }
}

/// Both sides crash again and again.
#[test]
fn crashes_at_random() {
    for seed in 1..=150 {
        let mut world = World::new();
        world.crash_at_random(Random::new(seed), 12);
        world.run();
        assert!(world.crashes() > 4, "seed {seed}");
    }
}
