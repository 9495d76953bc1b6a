//! What a Server keeps of the identifiers that a Client uses for QoS 2: its memory, whichever they are and
//! however many, its allocations, and its work. A Client may choose them as it likes.

mod counted;
mod pair;

use std::collections::VecDeque;

use allocation_counter::measure;

use counted::{difference, task};
use pair::{NOW, Pair, Settings};

/// What an identifier may take.
const EACH: i64 = 96;

/// One after the other, for the numbers from 1: each identifier once.
type Order = (&'static str, fn(u16) -> u16);

const ORDERS: [Order; 4] = [
    ("ascending", |number| number),
    ("descending", u16::wrapping_neg),
    ("257 apart", |number| number.wrapping_mul(257)),
    ("scattered", |number| number.wrapping_mul(0x9E37)),
];

struct Receiver {
    pair: Pair,
    answer: Vec<u8>,
}

impl Receiver {
    fn new() -> Self {
        let mut receiver = Receiver {
            pair: Pair::new(&Settings::default()),
            answer: Vec::with_capacity(4),
        };
        // With QoS 1 nothing is kept, but the answers then have the memory that they need.
        receiver.packet(&[0x32, 6, 0, 1, b'a', 0, 1, 0], 0x40);
        receiver.ping();
        receiver
    }

    /// Receives a packet, and sends its answer.
    fn packet(&mut self, packet: &[u8], answer: u8) {
        let mut input = packet;
        self.pair.server.receive(NOW, &mut input);
        assert!(input.is_empty());
        assert_eq!(self.pair.server.poll(NOW, &mut self.answer), None);
        assert_eq!(self.answer.first(), Some(&answer));
        assert!(self.answer.len() <= 4, "one answer");
        self.answer.clear();
    }

    fn publish(&mut self, identifier: u16) {
        let [high, low] = identifier.to_be_bytes();
        self.packet(&[0x34, 6, 0, 1, b'a', high, low, 0], 0x50);
    }

    fn release(&mut self, identifier: u16) {
        let [high, low] = identifier.to_be_bytes();
        self.packet(&[0x62, 2, high, low], 0x70);
    }

    /// Says that nothing else is going on: memory is given back.
    fn ping(&mut self) {
        self.packet(&[0xC0, 0], 0xD0);
    }
}

/// After each message, and at the most while it came.
#[test]
fn memory_of_received_identifiers() {
    println!("QoS 2 received          count     bytes      each      peak");
    for (order, identifier) in ORDERS {
        let mut receiver = Receiver::new();
        let mut bytes = 0;
        for count in 1..=u16::MAX {
            let counted = measure(|| receiver.publish(identifier(count)));
            let peak = bytes + i64::try_from(counted.bytes_max).expect("not so much");
            bytes += counted.bytes_current;
            if [1, 2, 3, 5, 16, 100, 341, 342, 1_024, 1_025, 65_535].contains(&count) {
                let each = bytes as f64 / f64::from(count);
                println!("{order:<20}{count:>9}{bytes:>10}{each:>10.1}{peak:>10}");
            }
            let allowed = EACH * i64::from(count);
            assert!(bytes <= allowed, "{order}: {bytes} bytes for {count}");
            assert!(peak <= allowed, "{order}: {peak} bytes for {count}, peak");
        }
    }
}

/// What many identifiers took is given back, but for what those that are left may take.
#[test]
fn memory_of_released_identifiers() {
    for (order, identifier) in ORDERS {
        for most in [400, 65_535] {
            for left in [0, 1, 2, 3, 5, 16, 100, 341, 342, 1_024, 1_025] {
                let mut receiver = Receiver::new();
                let counted = measure(|| {
                    (1..=most).for_each(|number| receiver.publish(identifier(number)));
                    (left + 1..=most).for_each(|number| receiver.release(identifier(number)));
                    receiver.ping();
                });
                let bytes = counted.bytes_current;
                let left = left.min(most);
                println!("{order}, {left} of {most} left: {bytes} bytes");
                let allowed = EACH * i64::from(left);
                assert!(bytes <= allowed, "{order}: {bytes} bytes for {left}");
            }
        }
    }
}

/// The number in use goes up and down, and the identifiers all the way round: nothing is taken once the
/// number was at its highest, wherever the border is from which they are kept in another way.
#[test]
fn allocations_up_and_down() {
    let swings = [
        (0, 1),
        (99, 100),
        (1_023, 1_024),
        (1_024, 1_025),
        (0, 1_100),
        (300, 400),
        (330, 1_050),
        (65_000, 65_535),
    ];
    for (least, most) in swings {
        let mut receiver = Receiver::new();
        let mut in_use = VecDeque::with_capacity(65_536);
        let mut last = 0_u16;
        let mut up_and_down = || {
            while in_use.len() < most {
                last = last.checked_add(1).unwrap_or(1);
                receiver.publish(last);
                in_use.push_back(last);
            }
            while in_use.len() > least {
                receiver.release(in_use.pop_front().expect("some"));
            }
        };
        up_and_down();
        let rounds = 2 * 65_535 / (most - least);
        let counted = measure(|| (0..rounds).for_each(|_| up_and_down()));
        let count = counted.count_total;
        println!("{least} to {most} in use: {count} allocations");
        assert_eq!(count, 0, "{least} to {most} in use");
    }
}

/// The worst choice: always in the middle of as many as are not in a table yet.
#[test]
fn work_in_the_middle() {
    const EXCHANGES: u32 = 2_000;
    const IN_USE: [u16; 5] = [0, 16, 100, 1_023, 2_000];
    let mut each = Vec::new();
    for in_use in IN_USE {
        let task = |exchanges| format!("{in_use} {exchanges}");
        let Some(instructions) = difference(&task(0), &task(EXCHANGES)) else {
            return;
        };
        each.push(instructions as f64 / f64::from(EXCHANGES));
    }
    println!("{each:.0?} instructions with {IN_USE:?} in use");
    for now in &each {
        assert!(*now <= 3.0 * each[0], "{each:.0?} instructions");
    }
}

/// Carries out a task of [`work_in_the_middle`].
#[test]
fn child() {
    let Some(task) = task() else {
        return;
    };
    let number = |position: usize| -> u16 { task[position].parse().expect("a number") };
    let mut receiver = Receiver::new();
    // Half of them below.
    for identifier in 1..=number(0) / 2 {
        receiver.publish(identifier);
        receiver.publish(u16::MAX - identifier);
    }
    for _ in 0..number(1) {
        receiver.publish(30_000);
        receiver.release(30_000);
    }
}
