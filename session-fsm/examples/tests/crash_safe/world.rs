//! The publisher and the receiver of the example with a network in memory; either process may die at any call of its disk.

use std::io;

use mqtt5_session_fsm::Instant;

use super::disk::{Disk, Left};
use super::publisher::Publisher;
use super::receiver::Receiver;

const TASKS: u64 = 100;
/// Small, so that journals are written anew several times.
const COMPACT_AT: u64 = 600;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Side {
    Publisher,
    Receiver,
}

pub(crate) const SIDES: [Side; 2] = [Side::Publisher, Side::Receiver];

pub(crate) struct World {
    now: Instant,
    disks: [Disk; 2],
    publisher: Option<Publisher<Disk>>,
    receiver: Option<Receiver<Disk>>,
    is_connected: bool,
    /// What the next crash leaves.
    left: Left,
    /// How many calls later the next process dies, too, and what that leaves.
    then: Option<(usize, Left)>,
    random: Option<(Random, usize)>,
    crashes: usize,
    calls: [usize; 2],
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            now: Instant::from_millis(1_794_000_000_000),
            disks: [Disk::default(), Disk::default()],
            publisher: None,
            receiver: None,
            is_connected: false,
            left: Left::Nothing,
            then: None,
            random: None,
            crashes: 0,
            calls: [0; 2],
        }
    }

    pub(crate) fn crash_at(&mut self, side: Side, call: usize, left: Left) {
        self.disks[side as usize].crash_at(Some(call));
        self.left = left;
    }

    pub(crate) fn then_crash_after(&mut self, calls: usize, left: Left) {
        self.then = Some((calls, left));
    }

    pub(crate) fn crash_at_random(&mut self, random: Random, crashes: usize) {
        self.random = Some((random, crashes));
        SIDES.into_iter().for_each(|side| self.plan(side));
    }

    /// When the next crash of this side is.
    fn plan(&mut self, side: Side) {
        let disk = &self.disks[side as usize];
        if let Some((calls, left)) = self.then.take() {
            disk.crash_at(Some(disk.calls() + calls));
            self.left = left;
        } else if let Some((random, left)) = &mut self.random
            && *left > 0
        {
            *left -= 1;
            disk.crash_at(Some(disk.calls() + 1 + random.below(20)));
            self.left = Left::ALL[random.below(Left::ALL.len())];
        }
    }

    pub(crate) fn crashes(&self) -> usize {
        self.crashes
    }

    /// How often each disk was called until all was done.
    pub(crate) fn calls(&self) -> [usize; 2] {
        self.calls
    }

    pub(crate) fn compactions(&self) -> [usize; 2] {
        [self.disks[0].compactions(), self.disks[1].compactions()]
    }

    /// Until all is done; then what is stored is looked at.
    pub(crate) fn run(&mut self) {
        for _ in 0..5_000 {
            self.now += core::time::Duration::from_millis(1);
            if self.publisher.as_ref().is_some_and(Publisher::is_done)
                && self.receiver.is_some()
                && !self.is_connected
            {
                self.calls = [self.disks[0].calls(), self.disks[1].calls()];
                return self.judge();
            }
            for side in SIDES {
                if self.turn(side).is_err() {
                    self.crash(side);
                }
            }
        }
        panic!("it does not come to an end");
    }

    /// This side opens its store, or sends what it has.
    fn turn(&mut self, side: Side) -> io::Result<()> {
        let (now, disk) = (self.now, self.disks[side as usize].clone());
        match side {
            Side::Publisher => {
                let Some(publisher) = &mut self.publisher else {
                    let opened = Publisher::open(disk, now, COMPACT_AT, TASKS)?;
                    self.publisher = Some(opened);
                    return Ok(());
                };
                if !self.is_connected {
                    let Some(receiver) = &mut self.receiver else {
                        return Ok(());
                    };
                    receiver.connect(now);
                    publisher.connect(now)?;
                    self.is_connected = true;
                }
                if publisher.is_done() {
                    publisher.disconnect(now);
                }
                let wire = publisher.flush(now)?;
                let is_over = publisher.is_over();
                self.carry(Side::Receiver, &wire);
                if is_over {
                    self.cut();
                }
            }
            Side::Receiver => {
                let Some(receiver) = &mut self.receiver else {
                    self.receiver = Some(Receiver::open(disk, now, COMPACT_AT)?);
                    return Ok(());
                };
                let wire = receiver.flush(now)?;
                self.carry(Side::Publisher, &wire);
            }
        }
        Ok(())
    }

    /// Bytes come to this side, if they have not been lost.
    fn carry(&mut self, to: Side, wire: &[u8]) {
        if !self.is_connected {
            return;
        }
        let now = self.now;
        let result = match (to, &mut self.publisher, &mut self.receiver) {
            (Side::Publisher, Some(publisher), _) => publisher.receive(now, wire),
            (Side::Receiver, _, Some(receiver)) => receiver.receive(now, wire),
            _ => Ok(()),
        };
        result.expect("nothing is stored here");
    }

    fn cut(&mut self) {
        self.is_connected = false;
        let now = self.now;
        if let Some(publisher) = &mut self.publisher {
            publisher.lost(now);
        }
        if let Some(receiver) = &mut self.receiver {
            receiver.lost(now);
        }
    }

    fn crash(&mut self, side: Side) {
        self.crashes += 1;
        match side {
            Side::Publisher => self.publisher = None,
            Side::Receiver => self.receiver = None,
        }
        self.disks[side as usize].crash(self.left);
        self.cut();
        self.plan(side);
    }

    /// Each task was carried out once, in its order, and its outcome came once; so says what is stored.
    fn judge(&mut self) {
        let expected: Vec<u64> = (0..TASKS).collect();
        for _ in 0..2 {
            let publisher = self.publisher.as_ref().expect("it is there");
            let done = &publisher.tasks().done;
            assert!(done.keys().eq(&expected) && done.values().all(|times| *times == 1));
            assert!(publisher.tasks().under_way.is_empty());
            let receiver = self.receiver.as_ref().expect("it is there");
            assert_eq!(receiver.ledger().tasks, expected);
            // Once more, by other processes.
            for disk in &self.disks {
                disk.crash(Left::Nothing);
            }
            let [first, second] = self.disks.clone();
            let publisher = Publisher::open(first, self.now, COMPACT_AT, TASKS);
            self.publisher = Some(publisher.expect("a good journal"));
            let receiver = Receiver::open(second, self.now, COMPACT_AT);
            self.receiver = Some(receiver.expect("a good journal"));
        }
    }
}

/// Xorshift.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15))
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }
}
