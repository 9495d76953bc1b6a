//! Beside a model, with few and with many in use, and on the way from one to the other.

extern crate std;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<u16, u8>;

/// How a peer chooses identifiers, one for each number.
#[derive(Clone, Copy, Debug)]
enum Order {
    Ascending,
    Descending,
    /// Every identifier once, each far from the one before.
    Spread,
    /// Some next to each other, at places far apart.
    Clustered,
}

const ORDERS: [Order; 4] = [
    Order::Ascending,
    Order::Descending,
    Order::Spread,
    Order::Clustered,
];

impl Order {
    fn identifier(self, number: u16) -> PacketIdentifier {
        let identifier = match self {
            Order::Ascending => number,
            Order::Descending => number.wrapping_neg(),
            Order::Spread => number.wrapping_mul(257),
            Order::Clustered => (number % 8).wrapping_add((number / 8).wrapping_mul(0x9E38)),
        };
        PacketIdentifier::new(identifier).unwrap_or(PacketIdentifier::MAX)
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// So many from a number on, in an order.
    Set(Order, u16, u16, u8),
    /// So many of those in use, from this share of them on.
    Release(u16, u8),
    /// All get another state, but those with one of these bits are over.
    ChangeAll(u8),
    Shrink,
}

fn step() -> impl Strategy<Value = Step> {
    let order = || prop::sample::select(&ORDERS[..]);
    let start = || prop_oneof![Just(1), Just(65_500), any::<u16>()];
    let set = |count| (order(), start(), count, 1..=15_u8);
    prop_oneof![
        4 => set(1..20_u16).prop_map(|(order, start, count, state)| Step::Set(order, start, count, state)),
        3 => set(100..700_u16).prop_map(|(order, start, count, state)| Step::Set(order, start, count, state)),
        2 => (1..20_u16, any::<u8>()).prop_map(|(count, from)| Step::Release(count, from)),
        3 => (100..700_u16, any::<u8>()).prop_map(|(count, from)| Step::Release(count, from)),
        1 => (0..=8_u8).prop_map(Step::ChangeAll),
        2 => Just(Step::Shrink),
    ]
}

fn apply(identifiers: &mut Identifiers, model: &mut Model, step: &Step) {
    match *step {
        Step::Set(order, start, count, state) => {
            for number in 0..count {
                let identifier = order.identifier(start.wrapping_add(number));
                let before = model.insert(identifier.get(), state).unwrap_or(0);
                assert_eq!(identifiers.state(identifier), before);
                identifiers.set(identifier, state);
                assert_eq!(identifiers.state(identifier), state);
            }
        }
        Step::Release(count, from) => {
            let skipped = model.len() * usize::from(from) / 256;
            let chosen = model.keys().skip(skipped).take(usize::from(count));
            for number in chosen.copied().collect::<Vec<_>>() {
                let identifier = PacketIdentifier::new(number).expect("not 0");
                assert_eq!(identifiers.state(identifier), model[&number]);
                // Twice is once.
                for _ in 0..2 {
                    identifiers.set(identifier, 0);
                    assert_eq!(identifiers.state(identifier), 0);
                }
                model.remove(&number);
            }
        }
        Step::ChangeAll(over) => {
            let change = |state: u8| if state & over != 0 { 0 } else { 16 - state };
            identifiers.change_all(change);
            model.retain(|_, state| {
                *state = change(*state);
                *state != 0
            });
        }
        Step::Shrink => {
            identifiers.shrink();
            let is_table = matches!(identifiers.kept, Kept::Table(_));
            assert!(!is_table || identifiers.in_use >= TABLE_FROM);
        }
    }
}

fn assert_same(identifiers: &Identifiers, model: &Model) {
    let kept = identifiers
        .iter()
        .map(|(identifier, state)| (identifier.get(), state));
    assert!(kept.eq(model.iter().map(|(number, state)| (*number, *state))));
    assert_eq!(usize::from(identifiers.in_use), model.len());
    if let Kept::List(list) = &identifiers.kept {
        assert!(list.len() == model.len() && list.len() <= LIST_TO);
    }
    for number in 1..=u16::MAX {
        let identifier = PacketIdentifier::new(number).expect("not 0");
        let state = model.get(&number).copied().unwrap_or(0);
        assert_eq!(identifiers.state(identifier), state, "{number}");
    }
}

fn hash(identifiers: &Identifiers) -> u64 {
    BuildHasherDefault::<DefaultHasher>::new().hash_one(identifiers)
}

fn assert_equal(one: &Identifiers, other: &Identifiers) {
    assert_eq!(one, other);
    assert_eq!(hash(one), hash(other));
    assert_eq!(format!("{one:?}"), format!("{other:?}"));
}

/// A list if there is room in one.
fn listed(model: &Model) -> Identifiers {
    let mut identifiers = Identifiers::new();
    for (number, state) in model {
        identifiers.set(PacketIdentifier::new(*number).expect("not 0"), *state);
    }
    identifiers
}

/// A table, from the last to the first.
fn tabled(model: &Model) -> Identifiers {
    let mut identifiers = Identifiers::new();
    for number in 1..=u16::MAX {
        identifiers.set(PacketIdentifier::new(number).expect("not 0"), 15);
    }
    for number in (1..=u16::MAX).rev() {
        let state = model.get(&number).copied().unwrap_or(0);
        identifiers.set(PacketIdentifier::new(number).expect("not 0"), state);
    }
    assert!(matches!(identifiers.kept, Kept::Table(_)));
    identifiers
}

proptest! {
    #[test]
    fn it_behaves_like_a_map(steps in vec(step(), 1..12)) {
        let mut identifiers = Identifiers::new();
        let mut model = Model::new();
        for step in &steps {
            apply(&mut identifiers, &mut model, step);
            assert_same(&identifiers, &model);
        }
        assert_equal(&identifiers, &identifiers.clone());
        let others = [listed(&model), tabled(&model)];
        for mut other in others {
            assert_equal(&identifiers, &other);
            other.shrink();
            assert_equal(&identifiers, &other);
            // One state more, or another, and it is not the same.
            let state = if other.state(PacketIdentifier::MIN) == 7 { 8 } else { 7 };
            other.set(PacketIdentifier::MIN, state);
            prop_assert_ne!(&identifiers, &other);
            // The explorer knows states by their hashes.
            prop_assert_ne!(hash(&identifiers), hash(&other));
        }
    }
}

/// With few in use and with many, what was released leaves nothing, and the others stay in order,
/// wherever the peer began to count.
#[test]
fn what_is_released_leaves_nothing() {
    let id = |number| PacketIdentifier::new(number).expect("not 0");
    let kept = [(id(1), 3), (id(2), 4), (id(65_535), 2)];
    let mut few = Identifiers::new();
    for (number, state) in [(65_534, 1), (65_535, 2), (1, 3), (2, 4), (65_534, 0)] {
        few.set(id(number), state);
    }
    let mut many = tabled(&Model::from([(1, 3), (2, 4), (3, 9), (65_535, 2)]));
    many.change_all(|state| if state == 9 { 0 } else { state });
    for identifiers in [&few, &many] {
        assert_eq!(identifiers.iter().collect::<Vec<_>>(), kept);
    }
    assert_equal(&few, &many);
    // The explorer knows states by their hashes.
    assert_ne!(hash(&few), hash(&Identifiers::new()));
}

/// A peer that releases identifiers in the order in which it used them, and uses them again: each
/// comes at the back, and goes at the front, wherever the numbers begin anew.
#[test]
fn round_and_round() {
    for (count, in_use) in [(1, 1), (7, 1), (105, 100), (u16::MAX, 1000)] {
        let mut identifiers = Identifiers::new();
        let mut used = Vec::new();
        for number in 0..70_000 {
            let identifier = PacketIdentifier::new((number % u32::from(count)) as u16 + 1);
            let identifier = identifier.expect("not 0");
            if let Some(released) = used.len().checked_sub(in_use) {
                assert_eq!(position(&identifiers, used[released]), Ok(0));
                identifiers.set(used[released], 0);
            }
            assert_eq!(
                position(&identifiers, identifier),
                Err(identifiers.in_use.into())
            );
            identifiers.set(identifier, 1);
            used.push(identifier);
        }
        let last = used.split_off(used.len() - in_use);
        let last: Model = last.into_iter().map(|last| (last.get(), 1)).collect();
        assert_same(&identifiers, &last);
        assert_equal(&identifiers, &listed(&last));
    }
}

fn position(identifiers: &Identifiers, identifier: PacketIdentifier) -> Result<usize, usize> {
    match &identifiers.kept {
        Kept::List(list) => find(list, identifier),
        Kept::Table(_) => panic!("a list"),
    }
}

/// In each order as many as there are, and back to none; few are in a list, and many in a table.
#[test]
fn from_none_to_all_and_back() {
    for order in ORDERS {
        let mut identifiers = Identifiers::new();
        let mut model = Model::new();
        for number in 1..=u16::MAX {
            let step = Step::Set(order, number, 1, (number % 15) as u8 + 1);
            apply(&mut identifiers, &mut model, &step);
            let is_table = matches!(identifiers.kept, Kept::Table(_));
            assert_eq!(is_table, model.len() > LIST_TO);
        }
        assert_same(&identifiers, &model);
        for number in 1..=u16::MAX {
            if model.len() < LIST_TO {
                apply(&mut identifiers, &mut model, &Step::Shrink);
                let is_table = matches!(identifiers.kept, Kept::Table(_));
                assert_eq!(is_table, model.len() >= usize::from(TABLE_FROM));
            }
            let identifier = order.identifier(number);
            identifiers.set(identifier, 0);
            model.remove(&identifier.get());
            assert_eq!(usize::from(identifiers.in_use), model.len());
        }
        assert_equal(&identifiers, &Identifiers::new());
    }
}
