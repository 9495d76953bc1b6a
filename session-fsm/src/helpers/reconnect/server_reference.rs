//! Server Reference (section 4.11).

use core::fmt;
use core::num::NonZeroU16;

/// One reference out of a Server Reference (sections 3.2.2.3.16, 3.14.2.2.5, 4.11).
///
/// The standard recommends a format, [`ServerName`], but does not require it. A reference in any
/// other format is kept as text. The servers of a configuration have the same form.
///
/// Borrows; allocates nothing.
///
/// ```
/// use mqtt5_session_fsm::reconnect::ServerReference;
///
/// let mut list = ServerReference::list("10.10.151.22:8883 [fe80::9610:3eff:fe1c]:1883 mqtts://b");
///
/// let first = list.next().and_then(ServerReference::server_name).expect("recommended format");
/// assert_eq!((first.name, first.port()), ("10.10.151.22", Some(8883)));
///
/// let second = list.next().and_then(ServerReference::server_name).expect("recommended format");
/// assert_eq!((second.name, second.port()), ("fe80::9610:3eff:fe1c", Some(1883)));
///
/// let third = list.next().expect("handed through");
/// assert_eq!((third.server_name(), third.as_str()), (None, "mqtts://b"));
/// assert_eq!(list.next(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerReference<'a>(&'a str);

/// A reference in the format that section 4.11 recommends: `name`, `name:port`, `[name]` or
/// `[name]:port`.
///
/// ```
/// use mqtt5_session_fsm::reconnect::ServerReference;
///
/// let name = ServerReference::new("myserver.xyz.org").server_name().expect("a name");
/// assert_eq!(name.name, "myserver.xyz.org");
/// assert_eq!(name.port_or(1883), 1883);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerName<'a> {
    /// A host name, DNS name, SRV name or literal IP address, without brackets; not empty.
    pub name: &'a str,
    /// Whether it stood in brackets, as an IPv6 address has to.
    pub in_brackets: bool,
    port: Option<NonZeroU16>,
}

impl<'a> ServerReference<'a> {
    /// Creates a reference, whatever its format.
    #[must_use]
    pub const fn new(reference: &'a str) -> Self {
        ServerReference(reference)
    }

    /// Returns the references in the value of a Server Reference property, which separates them by
    /// spaces; none if there is nothing but spaces. They are not interpreted. A client is expected
    /// to choose one of them.
    pub fn list(server_reference: &'a str) -> impl Iterator<Item = ServerReference<'a>> {
        server_reference
            .split(' ')
            .filter(|reference| !reference.is_empty())
            .map(ServerReference)
    }

    /// Returns the text.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Returns name and port, if the reference has the recommended format. The name is not checked,
    /// only found: not empty, no space, colons and brackets only within brackets. A port is
    /// decimal, 1 to 65,535.
    #[must_use]
    pub fn server_name(self) -> Option<ServerName<'a>> {
        let (name, in_brackets, rest) = match self.0.strip_prefix('[') {
            Some(inner) => {
                let (name, rest) = inner.split_once(']')?;
                (name, true, rest)
            }
            None => {
                let end = self.0.find(':').unwrap_or(self.0.len());
                let (name, rest) = self.0.split_at_checked(end)?;
                (name, false, rest)
            }
        };
        let stray =
            |character| character == ' ' || (!in_brackets && matches!(character, '[' | ']'));
        if name.is_empty() || name.contains(stray) {
            return None;
        }
        let port = match rest {
            "" => None,
            rest => Some(port(rest.strip_prefix(':')?)?),
        };
        Some(ServerName {
            name,
            in_brackets,
            port,
        })
    }
}

impl ServerName<'_> {
    /// Returns the port, if the reference has one. Without one it comes from the resolution of the
    /// name, or is the default.
    #[must_use]
    pub fn port(self) -> Option<u16> {
        self.port.map(NonZeroU16::get)
    }

    /// Returns the port, or a default: 1883 and 8883 (TLS) are registered for MQTT.
    #[must_use]
    pub fn port_or(self, default: u16) -> u16 {
        self.port().unwrap_or(default)
    }
}

fn port(digits: &str) -> Option<NonZeroU16> {
    // `parse` would take a sign.
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

impl fmt::Debug for ServerReference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl fmt::Display for ServerReference<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
