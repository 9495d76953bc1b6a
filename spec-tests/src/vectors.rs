//! The golden byte vectors: what `vectors/README.md` describes, read strictly.

mod parse;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use mqtt5_codec::{ProtocolVersion, Role, ViolationClass};

use crate::path_of;

/// One file of vectors.
#[derive(Clone, Debug)]
pub struct VectorFile {
    /// The name of the file, without its extension.
    pub name: String,
    /// Its cases, in order.
    pub cases: Vec<Case>,
}

/// One case: bytes, and what a decoder has to make of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The name, unique over all files.
    pub name: String,
    /// The version by whose rules the bytes are read.
    pub version: ProtocolVersion,
    /// The line of the file on which the case begins.
    pub line: usize,
    /// Labels of the numbered statements that the case is about.
    pub statements: Vec<String>,
    /// The side that sent the bytes; `None` if the decoder does not know it.
    pub sender: Option<Role>,
    /// The input.
    pub bytes: Vec<u8>,
    /// The verdict.
    pub expect: Expectation,
    /// Where the error is, in bytes from the start of the input.
    pub offset: Option<usize>,
    /// The numbered statement that is violated.
    pub statement: Option<String>,
    /// What encoding the decoded packets again gives, if not the same bytes.
    pub reencodes: Option<Said>,
    /// The same packets in MQTT 5.0; in all accepted cases of MQTT 3.1.1.
    pub v5: Option<Said>,
    /// What a Server that speaks both versions sends before it closes the Network Connection, where that is settled.
    pub answer: Option<Said>,
    /// The reason.
    pub why: String,
}

impl Case {
    /// Whether the case is about this rule.
    #[must_use]
    pub fn is_about(&self, label: &str) -> bool {
        self.statements.iter().any(|found| found == label)
            || self.statement.as_deref() == Some(label)
    }
}

/// Bytes, where there may be none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// These.
    Bytes(Vec<u8>),
    /// `none`
    Nothing,
}

/// The verdict on an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Valid packets and nothing else.
    Accept,
    /// The input ends inside a packet.
    Incomplete {
        /// How many more bytes are needed at least.
        needed: usize,
    },
    /// A rule is broken.
    Reject {
        /// Malformed Packet or Protocol Error.
        class: ViolationClass,
        /// The Reason Code to answer with; MQTT 3.1.1 has none.
        reason_code: Option<u8>,
    },
}

/// How many cases there are of each verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// `accept`
    pub accept: usize,
    /// `incomplete`
    pub incomplete: usize,
    /// `reject`
    pub reject: usize,
}

impl Tally {
    /// Counts the cases.
    pub fn of<'a>(cases: impl IntoIterator<Item = &'a Case>) -> Self {
        let mut tally = Tally::default();
        for case in cases {
            match case.expect {
                Expectation::Accept => tally.accept += 1,
                Expectation::Incomplete { .. } => tally.incomplete += 1,
                Expectation::Reject { .. } => tally.reject += 1,
            }
        }
        tally
    }

    /// All cases together.
    #[must_use]
    pub fn total(self) -> usize {
        self.accept + self.incomplete + self.reject
    }
}

/// A file of vectors cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VectorError {
    /// The file.
    pub file: PathBuf,
    /// The line; 0 if the file as a whole is meant.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for VectorError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}: {}",
            self.file.display(),
            self.line,
            self.message
        )
    }
}

impl std::error::Error for VectorError {}

/// Reads all vector files of a version, in the order of their names.
///
/// # Errors
///
/// [`VectorError`] if a file cannot be read, breaks the format, or names a case that exists already.
pub fn read_all(version: ProtocolVersion) -> Result<Vec<VectorFile>, VectorError> {
    let folder = &path_of(match version {
        ProtocolVersion::V3_1_1 => "vectors/v3.1.1",
        _ => "vectors",
    });
    let unreadable = |path: &Path, error: std::io::Error| VectorError {
        file: path.to_owned(),
        line: 0,
        message: error.to_string(),
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            paths.push(path);
        }
    }
    paths.sort();

    let mut files = Vec::new();
    let mut names = std::collections::BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, error))?;
        let cases = read(version, &path, &text)?;
        if let Some(again) = cases.iter().find(|case| !names.insert(case.name.clone())) {
            return Err(VectorError {
                file: path,
                line: again.line,
                message: format!("there is a case `{}` already", again.name),
            });
        }
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        files.push(VectorFile {
            name: name.into_owned(),
            cases,
        });
    }
    Ok(files)
}

/// Reads the text of one vector file.
///
/// # Errors
///
/// [`VectorError`] if it breaks the format.
pub fn read(version: ProtocolVersion, file: &Path, text: &str) -> Result<Vec<Case>, VectorError> {
    parse::cases(version, text).map_err(|(line, message)| VectorError {
        file: file.to_owned(),
        line,
        message,
    })
}
