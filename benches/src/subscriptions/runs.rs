//! What is timed.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use super::mix::{self, Random, Subscription};
use super::{Index, SIZES, filled};
use crate::contender::{BoxedRun, Run};

/// How many join one filter, and leave it.
pub(super) const CROWD: u32 = 100_000;

/// The Topic Names of a run: their number, and how often each is used in one turn. What a match needs
/// from memory stays in the caches if they are few.
pub(super) struct Names {
    pub(super) title: &'static str,
    pub(super) count: u32,
    passes: usize,
}

/// From those that fit into the caches to those that do not.
pub(super) const NAMES: [Names; 3] = [
    Names {
        title: "hot: 100 Topic Names",
        count: 100,
        passes: 500,
    },
    Names {
        title: "warm: 1,000 Topic Names",
        count: 1_000,
        passes: 50,
    },
    Names {
        title: "cold: 20,000 Topic Names",
        count: 20_000,
        passes: 1,
    },
];

/// A contender with an index of each size.
pub(super) trait Contender {
    /// What it is called in tables.
    fn name(&self) -> &'static str;

    /// Matches: for each size, each of [`NAMES`].
    fn matching(&self) -> Vec<BoxedRun>;

    /// Nanoseconds of an insertion when it was filled, at each size.
    fn insertion(&self) -> Vec<f64>;

    /// Nanoseconds of a removal, at each size, in another order than that of the insertions.
    fn empty(self: Box<Self>, subscriptions: &[Vec<Subscription>]) -> Vec<f64>;

    /// Nanoseconds to join one filter, and to leave it in another order.
    fn crowd(&self, filter: &str) -> [f64; 2];
}

pub(super) struct Filled<I> {
    pub(super) indexes: Vec<Rc<I>>,
    insertion: Vec<f64>,
}

impl<I: Index> Filled<I> {
    pub(super) fn new(subscriptions: &[Vec<Subscription>]) -> Self {
        let mut all = Self {
            indexes: Vec::new(),
            insertion: Vec::new(),
        };
        for subscriptions in subscriptions {
            let start = Instant::now();
            let index = filled(subscriptions);
            all.insertion.push(each(start, subscriptions.len()));
            all.indexes.push(Rc::new(index));
        }
        all
    }
}

impl<I: Index> Contender for Filled<I> {
    fn name(&self) -> &'static str {
        I::NAME
    }

    fn matching(&self) -> Vec<BoxedRun> {
        let sizes = self.indexes.iter().zip(SIZES);
        let runs = sizes.flat_map(|(index, size)| {
            NAMES.map(|names| -> BoxedRun {
                let topics = mix::names(size, names.count).into_iter();
                Box::new(Matching {
                    index: Rc::clone(index),
                    topics: topics.map(I::topic).collect(),
                    scratch: I::Scratch::default(),
                    passes: names.passes,
                })
            })
        });
        runs.collect()
    }

    fn insertion(&self) -> Vec<f64> {
        self.insertion.clone()
    }

    fn empty(self: Box<Self>, subscriptions: &[Vec<Subscription>]) -> Vec<f64> {
        let both = self.indexes.into_iter().zip(subscriptions);
        let times = both.map(|(index, subscriptions)| {
            let mut index = Rc::into_inner(index).expect("nothing else uses it");
            let mut order: Vec<_> = subscriptions.iter().collect();
            Random::new(3).shuffle(&mut order);
            let start = Instant::now();
            for subscription in &order {
                index.remove(&subscription.filter, subscription.subscriber);
            }
            each(start, order.len())
        });
        times.collect()
    }

    fn crowd(&self, filter: &str) -> [f64; 2] {
        let mut index = I::new();
        let mut order: Vec<u32> = (0..CROWD).collect();
        let start = Instant::now();
        for subscriber in &order {
            index.insert(filter, *subscriber);
        }
        let joins = each(start, order.len());
        Random::new(4).shuffle(&mut order);
        let start = Instant::now();
        for subscriber in &order {
            index.remove(filter, *subscriber);
        }
        [joins, each(start, order.len())]
    }
}

fn each(start: Instant, count: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / count as f64
}

struct Matching<I: Index> {
    index: Rc<I>,
    topics: Vec<I::Topic>,
    scratch: I::Scratch,
    passes: usize,
}

impl<I: Index> Run for Matching<I> {
    fn run(&mut self) -> usize {
        let mut sum = 0;
        for _ in 0..self.passes {
            for topic in &self.topics {
                let add = |subscriber| sum += u64::from(subscriber);
                self.index.matches(topic, &mut self.scratch, add);
            }
        }
        black_box(sum);
        self.passes * self.topics.len()
    }
}
