//! The configurations of the normal test run and of the long one.

use super::config::Config;

/// A configuration with a name.
#[derive(Clone, Debug)]
pub struct Named {
    /// What it is about.
    pub name: &'static str,
    /// Its settings.
    pub config: Config,
}

const NORMAL: &str = "
one-subscriber            start=1020 publishes=1 qos=21 cuts=1
";

fn read(text: &'static str) -> impl Iterator<Item = Named> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| {
        let (name, settings) = line.split_once(' ')?;
        let config = settings.parse().expect("a good configuration");
        Some(Named { name, config })
    })
}

/// The normal run.
#[must_use]
pub fn normal() -> Vec<Named> {
    read(NORMAL).collect()
}
