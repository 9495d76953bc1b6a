//! Subscriptions of a plant: 70 % to one topic, 10 % to all of a device, 10 % to the state of a
//! device in any site, 5 % to one value of all devices of a site, 5 % to one value of anything in a
//! site.
//!
//! Filters and Topic Names are equally long at all sizes, and a Topic Name meets as many
//! subscriptions and nodes.

use std::collections::HashSet;

/// One subscription. No two have the same filter.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The Topic Filter.
    pub filter: String,
    /// One of a tenth as many subscribers as there are subscriptions.
    pub subscriber: u32,
}

/// The values of each device.
const KEYS: [&str; 10] = [
    "state", "power", "level", "speed", "alarm", "valve", "motor", "pumps", "inlet", "fault",
];

/// How many devices each site has.
const DEVICES: u32 = 20;

/// A sequence of numbers that looks random, the same in each run.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// One of many sequences.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, which is below `limit`.
    pub fn below(&mut self, limit: u32) -> u32 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (((mixed >> 32) * u64::from(limit)) >> 32) as u32
    }

    /// Brings a list into another order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for last in (1..list.len()).rev() {
            list.swap(last, self.below(last as u32 + 1) as usize);
        }
    }
}

/// The topic with this number: one of ten of each device.
fn topic(number: u32) -> String {
    let device = number / 10;
    let (site, key) = (device / DEVICES, KEYS[number as usize % 10]);
    format!("plant/{site:05}/dev/{device:06}/{key}")
}

/// This many subscriptions in random order, a multiple of 1,000.
pub fn subscriptions(count: u32) -> Vec<Subscription> {
    let mut random = Random::new(1);
    let mut topics: Vec<u32> = (0..count).collect();
    random.shuffle(&mut topics);
    let exact = topics.iter().take(count as usize / 10 * 7);
    let mut filters: Vec<String> = exact.map(|number| topic(*number)).collect();
    for device in 0..count / 10 {
        let site = device / DEVICES;
        filters.push(format!("plant/{site:05}/dev/{device:06}/#"));
        filters.push(format!("plant/+/dev/{device:06}/state"));
    }
    for number in 0..count / 20 {
        let (site, key) = (number / 10, KEYS[number as usize % 10]);
        filters.push(format!("plant/{site:05}/dev/+/{key}"));
        filters.push(format!("plant/{site:05}/+/+/{key}"));
    }
    random.shuffle(&mut filters);
    let numbered = (0..).zip(filters);
    let subscriptions = numbered.map(|(number, filter)| Subscription {
        filter,
        subscriber: number % (count / 10),
    });
    subscriptions.collect()
}

/// Topic Names of different devices among this many subscriptions, the ten keys in turn; never
/// freed. No more than there are devices and keys.
pub fn names(subscriptions: u32, count: u32) -> Vec<&'static str> {
    let mut random = Random::new(2);
    let mut seen = HashSet::new();
    let devices = subscriptions / 10;
    let mut names = Vec::new();
    for number in 0..count.min(subscriptions) {
        let key = number % 10;
        let fresh = loop {
            let name = random.below(devices) * 10 + key;
            if seen.insert(name) {
                break name;
            }
        };
        names.push(&*topic(fresh).leak());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_as_described() {
        let all = subscriptions(10_000);
        let distinct: HashSet<_> = all.iter().map(|it| &it.filter).collect();
        assert_eq!((all.len(), distinct.len()), (10_000, 10_000));
        let count = |test: fn(&str) -> bool| all.iter().filter(|it| test(&it.filter)).count();
        assert_eq!(count(|it| !it.contains(['+', '#'])), 7_000);
        assert_eq!(count(|it| it.ends_with("/#")), 1_000);
        assert_eq!(count(|it| it.starts_with("plant/+/dev/")), 1_000);
        assert_eq!(count(|it| it.contains("/dev/+/")), 500);
        assert_eq!(count(|it| it.contains("/+/+/")), 500);
    }
}
