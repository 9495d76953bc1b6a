//! Which versions of the protocol a side speaks.

use core::fmt;

use mqtt5_codec::ProtocolVersion;

/// A set of versions of the protocol: those that a Server takes on its connections.
///
/// ```
/// use mqtt5_session_fsm::ProtocolVersions;
/// use mqtt5_session_fsm::codec::ProtocolVersion;
///
/// assert!(ProtocolVersions::ALL.contains(ProtocolVersion::V3_1_1));
/// assert!(!ProtocolVersions::only(ProtocolVersion::V5_0).contains(ProtocolVersion::V3_1_1));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolVersions(u8);

impl ProtocolVersions {
    /// Every version that there is.
    pub const ALL: ProtocolVersions = ProtocolVersions(u8::MAX);

    /// One version.
    #[must_use]
    pub const fn only(version: ProtocolVersion) -> Self {
        ProtocolVersions(1 << version.level())
    }

    /// Whether a version is in the set.
    #[must_use]
    pub const fn contains(self, version: ProtocolVersion) -> bool {
        self.0 & 1 << version.level() != 0
    }
}

impl fmt::Debug for ProtocolVersions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = ProtocolVersion::ALL.iter();
        let versions = versions.filter(|version| self.contains(**version));
        match *self == ProtocolVersions::ALL {
            true => formatter.write_str("ALL"),
            false => formatter.debug_set().entries(versions).finish(),
        }
    }
}

impl Default for ProtocolVersions {
    fn default() -> Self {
        ProtocolVersions::ALL
    }
}
