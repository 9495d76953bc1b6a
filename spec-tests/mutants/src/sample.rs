//! Which changes are tried.

use serde::Deserialize;

/// How many are tried if nothing is said.
const COUNT: usize = 40;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    count: usize,
    seed: u64,
    file: Option<String>,
    numbers: Vec<usize>,
}

impl Chosen {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut chosen = Chosen {
            count: COUNT,
            seed: 1,
            file: None,
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
                "--file" => chosen.file = Some(value()?.clone()),
                _ => chosen.numbers.push(number(argument)? as usize),
            }
        }
        Ok(chosen)
    }
}

/// Some of the candidates, in ascending order.
pub(crate) fn choose(
    chosen: &Chosen,
    candidates: &[usize],
    file_of: impl Fn(usize) -> String,
) -> Vec<usize> {
    if !chosen.numbers.is_empty() {
        let known = |number: &&usize| candidates.contains(number);
        return chosen.numbers.iter().filter(known).copied().collect();
    }
    let matches = |number: &usize| {
        let part = chosen.file.as_deref();
        part.is_none_or(|part| file_of(*number).contains(part))
    };
    let mut left: Vec<usize> = candidates.iter().copied().filter(matches).collect();
    let mut random = chosen.seed;
    let mut taken = Vec::new();
    while taken.len() < chosen.count && !left.is_empty() {
        let position = next(&mut random) % left.len() as u64;
        taken.push(left.swap_remove(position as usize));
    }
    taken.sort_unstable();
    taken
}

/// SplitMix64.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (*state ^ (*state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
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
        let file = |_| String::new();
        let first = choose(&chosen("--count 30 --seed 7"), &candidates, file);
        assert_eq!(
            first,
            choose(&chosen("--count 30 --seed 7"), &candidates, file)
        );
        assert_ne!(
            first,
            choose(&chosen("--count 30 --seed 8"), &candidates, file)
        );
        assert_eq!(first.len(), 30);
        assert!(first.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(choose(&chosen("--all"), &candidates, file), candidates);
    }

    #[test]
    fn the_list_of_equivalent_ones_can_be_read() {
        equivalent().expect("equivalent.toml");
    }
}
