//! What a run reached: proof that a check which found nothing had something to look at.
//!
//! A world names its points once ([`World::coverage_points`](super::World::coverage_points)): the
//! transitions of its tables, its monitors (a monitor is *armed* when it saw something that it
//! could have refused), its actions. While it runs it counts them by position. A required point
//! that was never reached makes a report vacuous, whatever else it says.

use std::fmt;

/// Something that a run should reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoveragePoint {
    /// The heading in the report: `"monitors"`, `"sender transitions"`, …
    pub group: &'static str,
    /// The name within the group.
    pub name: String,
    /// Whether a complete exploration of this configuration has to reach it.
    pub required: bool,
}

impl CoveragePoint {
    /// A point that has to be reached.
    pub fn required(group: &'static str, name: impl Into<String>) -> Self {
        Self {
            group,
            name: name.into(),
            required: true,
        }
    }

    /// A point that this configuration cannot, or need not, reach.
    pub fn optional(group: &'static str, name: impl Into<String>) -> Self {
        Self {
            required: false,
            ..Self::required(group, name)
        }
    }
}

/// How often each point was reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    counts: Vec<u64>,
}

impl Coverage {
    /// Counters for `points` points, all at zero.
    #[must_use]
    pub fn new(points: usize) -> Self {
        Self {
            counts: vec![0; points],
        }
    }

    /// Counts the point at this position.
    ///
    /// # Panics
    ///
    /// If the world did not name such a point.
    pub fn reach(&mut self, point: usize) {
        self.counts[point] += 1;
    }

    /// Adds what another thread counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
    }

    /// Starts again.
    pub fn clear(&mut self) {
        self.counts.fill(0);
    }

    /// How often each point was reached, by position.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }
}

/// The points together with their counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageTable {
    /// In the order in which the world named them.
    pub rows: Vec<(CoveragePoint, u64)>,
}

impl CoverageTable {
    /// Puts names to counts.
    #[must_use]
    pub fn new(points: Vec<CoveragePoint>, coverage: &Coverage) -> Self {
        let rows = points.into_iter().zip(coverage.counts.iter().copied());
        Self {
            rows: rows.collect(),
        }
    }

    /// The required points that were not reached.
    pub fn missing(&self) -> impl Iterator<Item = &CoveragePoint> {
        let missing = |(point, count): &&(CoveragePoint, u64)| point.required && *count == 0;
        self.rows.iter().filter(missing).map(|(point, _)| point)
    }

    /// Adds the counts of another run of the same world, so that several configurations can share
    /// the duty. A point is required if it is required in one of them.
    ///
    /// # Panics
    ///
    /// If the other table names other points.
    pub fn merge(&mut self, other: &Self) {
        if self.rows.is_empty() {
            *self = other.clone();
            return;
        }
        assert_eq!(self.rows.len(), other.rows.len(), "another world's table");
        for ((mine, count), (theirs, more)) in self.rows.iter_mut().zip(&other.rows) {
            assert_eq!(mine.name, theirs.name, "another world's table");
            mine.required |= theirs.required;
            *count += more;
        }
    }

    fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<&'static str> = Vec::new();
        for (point, _) in &self.rows {
            if !groups.contains(&point.group) {
                groups.push(point.group);
            }
        }
        groups
    }
}

impl fmt::Display for CoverageTable {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.groups() {
            let rows = || self.rows.iter().filter(|(point, _)| point.group == group);
            let reached = rows().filter(|(_, count)| *count > 0).count();
            writeln!(out, "{group}: {reached} of {} reached", rows().count())?;
            for (point, count) in rows() {
                let remark = match (*count, point.required) {
                    (0, true) => "  NEVER REACHED",
                    (0, false) => "  not in this configuration",
                    _ => "",
                };
                let count = Thousands(*count);
                writeln!(out, "  {count:>15}  {}{remark}", point.name)?;
            }
        }
        Ok(())
    }
}

/// A number as people read it: `1,234,567`.
#[derive(Clone, Copy, Debug)]
pub struct Thousands(pub u64);

impl fmt::Display for Thousands {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::with_capacity(digits.len() * 4 / 3);
        for (position, digit) in digits.chars().enumerate() {
            if position > 0 && (digits.len() - position) % 3 == 0 {
                text.push(',');
            }
            text.push(digit);
        }
        out.pad(&text)
    }
}
