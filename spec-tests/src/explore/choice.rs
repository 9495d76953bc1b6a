//! Where all nondeterminism of a world comes from.
//!
//! A world asks [`Choose::choose`] and does nothing random itself, so the list of answers *is* the
//! run. The engines differ only in who answers: the [`Odometer`] goes through all answers,
//! [`Random`] draws them from a seed, [`Numbers`] and [`Bytes`] read what proptest or libFuzzer
//! made up, and [`Script`] repeats a trace.
//!
//! A question with a single answer is no choice: no source consumes or records anything for it.

/// Answers the questions of a world.
pub trait Choose {
    /// A number below `alternatives`.
    ///
    /// # Panics
    ///
    /// If there are no alternatives, or more than [`MAXIMUM_ALTERNATIVES`].
    fn choose(&mut self, alternatives: usize) -> usize;
}

/// The most answers that a question can have: a choice is kept in 16 bits.
pub const MAXIMUM_ALTERNATIVES: usize = 1 << 16;

fn check(alternatives: usize) {
    assert!(
        (1..=MAXIMUM_ALTERNATIVES).contains(&alternatives),
        "a world asked for one of {alternatives} alternatives"
    );
}

/// Fits: `check` has been there.
fn narrow(choice: usize) -> u16 {
    u16::try_from(choice).expect("a choice is below 65,536")
}

/// Goes through every sequence of answers that a step can ask for, in lexicographic order.
///
/// Use: `start`, then for each run `rewind`, let the step ask, and go on while `advance` says so.
#[derive(Debug, Default)]
pub struct Odometer {
    choices: Vec<u16>,
    // One less than the number of alternatives, so that 65,536 fits.
    last_alternatives: Vec<u16>,
    position: usize,
}

impl Odometer {
    /// Begins with the first sequence.
    pub fn start(&mut self) {
        self.choices.clear();
        self.last_alternatives.clear();
        self.position = 0;
    }

    /// Before each run of the step.
    pub fn rewind(&mut self) {
        self.position = 0;
    }

    /// Turns to the next sequence; `false` after the last one.
    ///
    /// # Panics
    ///
    /// If the run asked fewer questions than the run before it made it expect: the world is not
    /// deterministic.
    pub fn advance(&mut self) -> bool {
        assert!(
            self.position == self.choices.len(),
            "the world is not deterministic: same state, same choices, but fewer questions"
        );
        while let (Some(choice), Some(last)) =
            (self.choices.last_mut(), self.last_alternatives.last())
        {
            if *choice < *last {
                *choice += 1;
                return true;
            }
            self.choices.pop();
            self.last_alternatives.pop();
        }
        false
    }

    /// The answers of the present sequence.
    #[must_use]
    pub fn choices(&self) -> &[u16] {
        &self.choices
    }
}

impl Choose for Odometer {
    fn choose(&mut self, alternatives: usize) -> usize {
        check(alternatives);
        if alternatives == 1 {
            return 0;
        }
        let last = narrow(alternatives - 1);
        let position = self.position;
        self.position += 1;
        if let Some(choice) = self.choices.get(position) {
            assert!(
                self.last_alternatives[position] == last,
                "the world is not deterministic: same state, same choices, but another question"
            );
            return usize::from(*choice);
        }
        self.choices.push(0);
        self.last_alternatives.push(last);
        0
    }
}

/// Answers drawn from a seed (`SplitMix64`). The same seed gives the same answers on every platform
/// and in every version of this package.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// Starts at `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A schedule for convergence when nobody gives a seed. Round-robin would be simpler, but it
    /// falls into step with worlds that ask the same number of questions each time, and then it is
    /// not fair.
    #[must_use]
    pub fn fair_schedule() -> Self {
        Self::new(0x6d71_7474)
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Choose for Random {
    fn choose(&mut self, alternatives: usize) -> usize {
        check(alternatives);
        if alternatives == 1 {
            return 0;
        }
        // The high half of the product is below `alternatives`; the bias is less than 2^-48.
        let product = u128::from(self.next()) * alternatives as u128;
        (product >> 64) as usize
    }
}

/// Answers that can run out.
pub trait FiniteChoices: Choose {
    /// Whether all answers have been used; from then on each answer is 0.
    fn is_used_up(&self) -> bool;
}

/// Answers from numbers that somebody else made up, each taken modulo the number of alternatives:
/// every list is a run, and a smaller list of smaller numbers is a simpler run, which is what
/// proptest shrinks to.
#[derive(Clone, Debug)]
pub struct Numbers<'a> {
    left: &'a [u16],
}

impl<'a> Numbers<'a> {
    /// Reads `numbers` from the first to the last.
    #[must_use]
    pub fn new(numbers: &'a [u16]) -> Self {
        Self { left: numbers }
    }
}

impl Choose for Numbers<'_> {
    fn choose(&mut self, alternatives: usize) -> usize {
        check(alternatives);
        match (alternatives, self.left) {
            (1, _) | (_, []) => 0,
            (_, [first, rest @ ..]) => {
                self.left = rest;
                usize::from(*first) % alternatives
            }
        }
    }
}

impl FiniteChoices for Numbers<'_> {
    fn is_used_up(&self) -> bool {
        self.left.is_empty()
    }
}

/// Answers from the bytes of a fuzzer: one byte for up to 256 alternatives, otherwise two.
#[derive(Clone, Debug)]
pub struct Bytes<'a> {
    left: &'a [u8],
}

impl<'a> Bytes<'a> {
    /// Reads `bytes` from the first to the last.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }
}

impl Choose for Bytes<'_> {
    fn choose(&mut self, alternatives: usize) -> usize {
        check(alternatives);
        match (alternatives, self.left) {
            (1, _) | (_, []) => 0,
            (257.., [first, second, rest @ ..]) => {
                self.left = rest;
                usize::from(u16::from_le_bytes([*first, *second])) % alternatives
            }
            (_, [first, rest @ ..]) => {
                self.left = rest;
                usize::from(*first) % alternatives
            }
        }
    }
}

impl FiniteChoices for Bytes<'_> {
    fn is_used_up(&self) -> bool {
        self.left.is_empty()
    }
}

/// Repeats the recorded answers of one step.
///
/// An answer that is missing becomes 0 and one that is too large is taken modulo the number of
/// alternatives; [`Script::fitted`] tells. Minimisation needs that: after a step was left out, the
/// later ones may ask differently.
#[derive(Clone, Debug)]
pub struct Script<'a> {
    left: &'a [u16],
    misfit: bool,
}

impl<'a> Script<'a> {
    /// Repeats `choices`.
    #[must_use]
    pub fn new(choices: &'a [u16]) -> Self {
        Self {
            left: choices,
            misfit: false,
        }
    }

    /// Whether the questions so far were exactly those that the script was written for.
    #[must_use]
    pub fn fitted(&self) -> bool {
        !self.misfit && self.left.is_empty()
    }
}

impl Choose for Script<'_> {
    fn choose(&mut self, alternatives: usize) -> usize {
        check(alternatives);
        if alternatives == 1 {
            return 0;
        }
        let Some((first, rest)) = self.left.split_first() else {
            self.misfit = true;
            return 0;
        };
        self.left = rest;
        self.misfit |= usize::from(*first) >= alternatives;
        usize::from(*first) % alternatives
    }
}

/// Writes down the answers of another source, in the form that [`Script`] repeats.
pub struct Recorder<'a> {
    source: &'a mut dyn Choose,
    choices: &'a mut Vec<u16>,
}

impl<'a> Recorder<'a> {
    /// Appends the answers of `source` to `choices`.
    pub fn new(source: &'a mut dyn Choose, choices: &'a mut Vec<u16>) -> Self {
        Self { source, choices }
    }
}

impl Choose for Recorder<'_> {
    fn choose(&mut self, alternatives: usize) -> usize {
        let choice = self.source.choose(alternatives);
        if alternatives > 1 {
            self.choices.push(narrow(choice));
        }
        choice
    }
}
