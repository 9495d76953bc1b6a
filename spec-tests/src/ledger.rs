//! The ledgers: every normative statement of each standard, and what shows that it is obeyed.

mod faults;

use std::collections::BTreeSet;
use std::fmt;

use mqtt5_codec::ProtocolVersion;
use serde::Deserialize;

pub use faults::{Fault, faults};

/// `ledger.toml`, or `ledger-v3.1.1.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The standard that makes the statements.
    #[serde(skip)]
    pub version: ProtocolVersion,
    /// The statements in the order of the standard.
    #[serde(rename = "statement")]
    pub statements: Vec<Statement>,
}

/// One normative statement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The label, such as `MQTT-1.5.4-1`, or `MQTT3-1.5.3-1` of MQTT 3.1.1.
    pub id: String,
    /// Number and title of the section that makes the statement.
    pub section: String,
    /// Who has to obey.
    pub binds: Binds,
    /// Where it can be obeyed.
    pub layer: Layer,
    /// A paraphrase.
    pub text: String,
    /// What shows that it is obeyed.
    pub evidence: Vec<Evidence>,
    /// `outside` if nothing in this library can obey it.
    pub status: Option<Status>,
    /// Who obeys a statement outside of this library.
    pub owner: Option<String>,
    /// Why nothing in this library can.
    pub reason: Option<String>,
}

impl Statement {
    /// Who obeys it outside of this library, and why nothing in it can.
    #[must_use]
    pub fn outside(&self) -> Option<(&str, &str)> {
        self.status?;
        Some((self.owner.as_deref()?, self.reason.as_deref()?))
    }

    /// The chapter of the standard.
    #[must_use]
    pub fn chapter(&self) -> &str {
        self.section
            .split('.')
            .next()
            .unwrap_or_default()
            .split(' ')
            .next()
            .unwrap_or_default()
    }
}

/// Who has to obey a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Binds {
    /// Client and Server.
    Both,
    /// The Client.
    Client,
    /// The Server.
    Server,
    /// The side that sends the packet.
    Sender,
    /// The side that receives the packet.
    Receiver,
}

/// Where a statement can be obeyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layer {
    /// The form of single packets.
    Codec,
    /// The exchange of packets on a connection.
    Session,
    /// What a Server does with messages and subscriptions.
    Broker,
    /// The network connection underneath.
    Transport,
}

impl Layer {
    /// The four layers, from the bytes up and down again.
    pub const ALL: [Layer; 4] = [
        Layer::Codec,
        Layer::Session,
        Layer::Broker,
        Layer::Transport,
    ];
}

/// What a statement without evidence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is obeyed outside of this library. Only statements of the transport layer can be.
    Outside,
}

/// Something that shows that a statement is obeyed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub enum Evidence {
    /// A golden byte vector, by the name of its case.
    Vector(String),
    /// A check, by the name of its trial.
    Test(String),
}

impl Evidence {
    /// The name of the trial that is this evidence.
    #[must_use]
    pub fn trial(&self) -> String {
        match self {
            Evidence::Vector(case) => vector_trial(case),
            Evidence::Test(name) => name.clone(),
        }
    }
}

/// The name of the trial that judges a case of the vectors.
#[must_use]
pub fn vector_trial(case: &str) -> String {
    format!("vector::{case}")
}

impl TryFrom<String> for Evidence {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(' ') {
            Some(("vector", case)) => Ok(Evidence::Vector(case.to_owned())),
            Some(("test", name)) => Ok(Evidence::Test(name.to_owned())),
            _ => Err(format!(
                "`{text}` is neither `vector CASE` nor `test TRIAL`"
            )),
        }
    }
}

macro_rules! lowercase_display {
    ($($type:ty),*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&format!("{self:?}").to_lowercase())
            }
        }
    )*};
}

lowercase_display!(Binds, Layer);

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Vector(case) => write!(formatter, "vector {case}"),
            Evidence::Test(name) => write!(formatter, "test {name}"),
        }
    }
}

impl Ledger {
    /// Reads the text of the ledger of a version.
    ///
    /// # Errors
    ///
    /// A message with the line, if it is not TOML or not of the expected form.
    pub fn read(version: ProtocolVersion, text: &str) -> Result<Self, String> {
        let ledger: Ledger = toml::from_str(text).map_err(|error| error.to_string())?;
        Ok(Ledger { version, ..ledger })
    }

    /// Reads `ledger.toml`, or `ledger-v3.1.1.toml`.
    ///
    /// # Errors
    ///
    /// As [`Ledger::read`], or that the file cannot be read.
    pub fn load(version: ProtocolVersion) -> Result<Self, String> {
        let path = crate::path_of(match version {
            ProtocolVersion::V3_1_1 => "ledger-v3.1.1.toml",
            _ => "ledger.toml",
        });
        let text = std::fs::read_to_string(&path)
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Self::read(version, &text).map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Reads both ledgers, that of MQTT 5.0 first.
    ///
    /// # Errors
    ///
    /// As [`Ledger::load`].
    pub fn load_all() -> Result<[Self; 2], String> {
        Ok([
            Self::load(ProtocolVersion::V5_0)?,
            Self::load(ProtocolVersion::V3_1_1)?,
        ])
    }

    /// The statements of a layer.
    pub fn of_layer(&self, layer: Layer) -> impl Iterator<Item = &Statement> {
        self.statements
            .iter()
            .filter(move |statement| statement.layer == layer)
    }

    /// Every piece of evidence once.
    #[must_use]
    pub fn evidence(&self) -> BTreeSet<&Evidence> {
        self.statements
            .iter()
            .flat_map(|statement| &statement.evidence)
            .collect()
    }
}
