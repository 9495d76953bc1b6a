//! Equality is that of what a store and its cursors will do.

use core::num::NonZeroU64;

use mqtt5_session_fsm::broker::retained::Ranks;

use super::*;

#[test]
fn stores_with_different_histories_are_equal() {
    let mut short = empty();
    put_until(&mut short, NOW, "b", "x", at(5));
    put(&mut short, "a", "x");
    let mut long = empty();
    for topic in ["c", "a", "b", "a", "b", "d"] {
        put(&mut long, topic, "former");
    }
    put(&mut long, "a", "x");
    put_until(&mut long, NOW, "b", "x", at(5));
    put(&mut long, "c", "");
    long.remove(name("d"));
    assert_eq!(short, long);
    assert_eq!(hash(&short), hash(&long));
    assert_ne!(short.iter().next(), long.iter().next()); // other numbers
    let none = Ranks::default();
    assert!(short.eq_ranked(&none, &long, &none));
}

#[test]
fn whatever_a_store_does_differently_makes_it_another() {
    let of = |topic, payload, qos, expires_at, body| {
        let mut store = empty();
        let message = message(topic, payload);
        let changes = store.retain(NOW, message, qos, expires_at, NonZeroU64::new(body), None);
        assert!(changes.unwrap().stored.is_some());
        store
    };
    let lower = RetainedStore::new(RetainedLimits {
        messages: 5,
        ..RetainedLimits::default()
    });
    let stores = [
        of("a", "x", Qos::AtLeastOnce, NEVER, 1),
        of("b", "x", Qos::AtLeastOnce, NEVER, 1),
        of("a", "y", Qos::AtLeastOnce, NEVER, 1),
        of("a", "x", Qos::AtMostOnce, NEVER, 1),
        of("a", "x", Qos::AtLeastOnce, at(9), 1),
        of("a", "x", Qos::AtLeastOnce, NEVER, 2),
        of("a", "x", Qos::AtLeastOnce, NEVER, 0),
        empty(),
        lower,
    ];
    for (i, one) in stores.iter().enumerate() {
        for (j, other) in stores.iter().enumerate() {
            assert_eq!(one == other, i == j, "{i} and {j}");
            assert_eq!(hash(one) == hash(other), i == j, "{i} and {j}");
        }
    }
}

#[test]
fn messages_of_one_instant_expire_in_an_order_that_does_not_depend_on_history() {
    let mut one = empty();
    let mut other = empty();
    for (a, b) in [("a", "c"), ("b", "b"), ("c", "a")] {
        put_until(&mut one, NOW, a, "x", at(5));
        put_until(&mut other, NOW, b, "x", at(5));
    }
    assert_eq!(one, other);
    while let Some(expired) = one.handle_timeout(at(5), &mut 1) {
        let same = other.handle_timeout(at(5), &mut 1).unwrap();
        assert_eq!(expired.message, same.message);
        assert_eq!(one, other);
    }
    assert!(other.is_empty());
}

#[test]
fn cursors_are_equal_by_filter_and_position() {
    let mut store = empty();
    put(&mut store, "a", "x");
    let early = store.cursor(filter("#"));
    put(&mut store, "b", "x");
    let late = store.cursor(filter("#"));
    assert_eq!((&early, hash(&early)), (&late, hash(&late)));
    assert_ne!(early.sequence(), late.sequence());
    assert_ne!(early, store.cursor(filter("+")));
    let mut moved = late.clone();
    assert!(matches!(
        store.next(NOW, &mut moved, &mut 1),
        Step::Found(_)
    ));
    assert_ne!(late, moved);
    let mut ended = moved.clone();
    walk(&store, NOW, &mut ended);
    assert_ne!(moved, ended);
}

/// A store with cursors over all of it.
#[derive(Clone)]
struct Owner {
    store: RetainedStore,
    cursors: Vec<Cursor>,
}

impl Owner {
    fn act(&mut self, action: u32) {
        match action {
            0 => put(&mut self.store, "a", "x"),
            1 => put(&mut self.store, "b", "x"),
            2 => put(&mut self.store, "a", ""),
            3 => drop(self.cursors.pop()),
            _ => self.cursors.push(self.store.cursor(filter("#"))),
        }
    }

    fn ranks(&self) -> Ranks {
        self.store.ranks(self.cursors.iter().map(Cursor::sequence))
    }

    /// What it does from here on.
    fn future(&self) -> Vec<Vec<String>> {
        let walks = self.cursors.iter();
        let walks = walks.map(|cursor| walk(&self.store, NOW, &mut cursor.clone()).0);
        walks.chain([matches(&self.store, NOW, "#")]).collect()
    }

    /// What an owner compares.
    fn ranked(&self) -> (u64, Vec<usize>) {
        let ranks = self.ranks();
        let mut hasher = DefaultHasher::new();
        self.store.hash_ranked(&ranks, &mut hasher);
        let cursors = self.cursors.iter().map(|it| ranks.of(it.sequence()));
        (hasher.finish(), cursors.collect())
    }
}

#[test]
fn owners_are_equal_exactly_if_they_will_do_the_same() {
    let mut owners = vec![Owner {
        store: empty(),
        cursors: Vec::new(),
    }];
    let mut done = 0;
    for _ in 0..5 {
        let until = owners.len();
        for of in done..until {
            for action in 0..5 {
                let mut owner = owners[of].clone();
                owner.act(action);
                owners.push(owner);
            }
        }
        done = until;
    }
    // One of each kind: there are few.
    let mut kinds: Vec<(&Owner, Vec<Vec<String>>)> = Vec::new();
    for owner in &owners {
        let future = owner.future();
        let Some((kind, _)) = kinds.iter().find(|kind| kind.1 == future) else {
            kinds.push((owner, future));
            continue;
        };
        assert_eq!(owner.ranked(), kind.ranked());
        let (ranks, others) = (owner.ranks(), kind.ranks());
        assert!(owner.store.eq_ranked(&ranks, &kind.store, &others));
    }
    assert!(
        kinds.len() < owners.len() / 10,
        "{} of {}",
        kinds.len(),
        owners.len()
    );
    for (i, (one, _)) in kinds.iter().enumerate() {
        for (other, _) in &kinds[..i] {
            assert_ne!(one.ranked(), other.ranked());
        }
    }
    // A message is passed over by the cursors whose rank is lower.
    for owner in &owners {
        let ranks = owner.ranks();
        for cursor in &owner.cursors {
            let found = owner
                .store
                .iter()
                .filter(|it| ranks.of(it.sequence) <= ranks.of(cursor.sequence()));
            let found: Vec<_> = found.map(|it| it.message.topic().to_string()).collect();
            assert_eq!(found, walk(&owner.store, NOW, &mut cursor.clone()).0);
        }
    }
}
