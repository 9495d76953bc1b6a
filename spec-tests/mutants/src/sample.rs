//! Which changes are tried.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

/// How many are tried if nothing is said.
const COUNT: usize = 40;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    count: usize,
    seed: u64,
    /// With no more survivors than this the program succeeds.
    pub(crate) allowed: usize,
    /// How long each change is tried; `None` if until the last check.
    pub(crate) within: Option<Duration>,
    file: Option<String>,
    /// Where the page goes.
    pub(crate) report: Option<String>,
    numbers: Vec<usize>,
}

impl Chosen {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut chosen = Chosen {
            count: COUNT,
            seed: 1,
            allowed: 0,
            within: None,
            file: None,
            report: None,
            numbers: Vec::new(),
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value."));
            let number = |text: &String| {
                let number = text.parse::<u64>();
                number.map_err(|_| format!("{text} is not a number."))
            };
            match argument.as_str() {
                "--all" => chosen.count = usize::MAX,
                "--count" => chosen.count = number(value()?)? as usize,
                "--seed" => chosen.seed = number(value()?)?,
                "--allow" => chosen.allowed = number(value()?)? as usize,
                "--within" => chosen.within = Some(Duration::from_secs(number(value()?)?)),
                "--report" => chosen.report = Some(value()?.clone()),
                "--file" => chosen.file = Some(value()?.clone()),
                _ => chosen.numbers.push(number(argument)? as usize),
            }
        }
        Ok(chosen)
    }
}

/// Some of the candidates, in ascending order: those that come first in an order that seed and description of each
/// decide. So a change of the sources exchanges only the part of a sample that it touches.
pub(crate) fn choose(
    chosen: &Chosen,
    candidates: &[usize],
    description_of: impl Fn(usize) -> String,
) -> Vec<usize> {
    if !chosen.numbers.is_empty() {
        let known = |number: &&usize| candidates.contains(number);
        return chosen.numbers.iter().filter(known).copied().collect();
    }
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let mut order = Vec::new();
    for number in candidates {
        let description = description_of(*number);
        let part = chosen.file.as_deref();
        if !part.is_none_or(|part| description.contains(part)) {
            continue;
        }
        // The same may be written in several places.
        let before = found.entry(description.clone()).or_default();
        order.push((rank(chosen.seed, *before, &description), *number));
        *before += 1;
    }
    order.sort_unstable();
    order.truncate(chosen.count);
    let mut taken: Vec<usize> = order.into_iter().map(|(_, number)| number).collect();
    taken.sort_unstable();
    taken
}

/// FNV-1a, mixed as SplitMix64 does.
fn rank(seed: u64, before: u64, description: &str) -> u64 {
    let numbers = [seed.to_le_bytes(), before.to_le_bytes()].concat();
    let bytes = numbers.into_iter().chain(description.bytes());
    let sum = bytes.fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    let mixed = (sum ^ (sum >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

/// A change that nobody can notice.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Equivalent {
    pub(crate) file: String,
    pub(crate) change: String,
    /// For people.
    #[serde(rename = "reason")]
    _reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    mutant: Vec<Equivalent>,
}

/// Those of `equivalent.toml`.
pub(crate) fn equivalent() -> Result<Vec<Equivalent>, String> {
    let list: List =
        toml::from_str(include_str!("../equivalent.toml")).map_err(|error| error.to_string())?;
    Ok(list.mutant)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(text: &str) -> Chosen {
        let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Chosen::parse(&arguments).expect("arguments")
    }

    #[test]
    fn a_sample_is_the_same_each_time_and_has_nothing_twice() {
        let candidates: Vec<usize> = (0..100).collect();
        let text = |number: usize| format!("change {}", number / 2);
        let first = choose(&chosen("--count 30 --seed 7"), &candidates, text);
        assert_eq!(
            first,
            choose(&chosen("--count 30 --seed 7"), &candidates, text)
        );
        assert_ne!(
            first,
            choose(&chosen("--count 30 --seed 8"), &candidates, text)
        );
        assert_eq!(first.len(), 30);
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(choose(&chosen("--all"), &candidates, text), candidates);
    }

    #[test]
    fn another_change_of_the_sources_leaves_a_sample_alone() {
        let candidates: Vec<usize> = (0..100).collect();
        let text = |number: usize| format!("change {number}");
        let before = choose(&chosen("--count 30"), &candidates, text);
        let after = choose(&chosen("--count 30"), &candidates[1..], text);
        let lost = before.iter().filter(|it| !after.contains(it)).count();
        assert!(lost <= 1, "{before:?}, {after:?}");
    }

    #[test]
    fn the_list_of_equivalent_ones_can_be_read() {
        equivalent().expect("equivalent.toml");
    }
}
