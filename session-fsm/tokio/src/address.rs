//! Addresses of servers.

use std::fmt;
use std::str::FromStr;

/// How a server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Scheme {
    /// `mqtt://`: TCP. The port is 1883 if none is given.
    Mqtt,
    /// `mqtts://`: TLS over TCP. The port is 8883 if none is given.
    Mqtts,
    /// `ws://`: WebSocket over TCP (section 6). The port is 80 if none is given.
    Ws,
    /// `wss://`: WebSocket over TLS over TCP. The port is 443 if none is given.
    Wss,
}

impl Scheme {
    const ALL: [Scheme; 4] = [Scheme::Mqtt, Scheme::Mqtts, Scheme::Ws, Scheme::Wss];

    const fn name(self) -> &'static str {
        match self {
            Scheme::Mqtt => "mqtt",
            Scheme::Mqtts => "mqtts",
            Scheme::Ws => "ws",
            Scheme::Wss => "wss",
        }
    }

    const fn port(self) -> u16 {
        match self {
            Scheme::Mqtt => 1883,
            Scheme::Mqtts => 8883,
            Scheme::Ws => 80,
            Scheme::Wss => 443,
        }
    }

    /// Whether TLS protects the connection.
    #[must_use]
    pub const fn is_secure(self) -> bool {
        matches!(self, Scheme::Mqtts | Scheme::Wss)
    }

    /// Whether it is a WebSocket.
    #[must_use]
    pub const fn is_websocket(self) -> bool {
        matches!(self, Scheme::Ws | Scheme::Wss)
    }
}

/// The address of a server: `mqtt://broker.example`, `mqtts://10.0.0.7:8883`, `wss://broker.example/mqtt`,
/// or `[::1]:1883`. Without a scheme it is `mqtt://`.
///
/// ```
/// use mqtt5_tokio::{Address, Scheme};
///
/// let address: Address = "wss://broker.example/mqtt".parse()?;
/// assert_eq!((address.scheme(), address.host(), address.port()), (Scheme::Wss, "broker.example", 443));
/// # Ok::<(), mqtt5_tokio::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    scheme: Scheme,
    host: String,
    port: u16,
    /// With its slash; empty but for a WebSocket.
    path: String,
}

impl Address {
    /// Reads an address that may lack its scheme, such as a Server Reference (section 4.11).
    ///
    /// # Errors
    ///
    /// [`AddressError`].
    pub fn parse(text: &str, default: Scheme) -> Result<Self, AddressError> {
        let error = || AddressError(text.to_owned());
        let (scheme, rest) = match text.split_once("://") {
            Some((name, rest)) => {
                let mut all = Scheme::ALL.into_iter();
                let scheme = all.find(|it| it.name().eq_ignore_ascii_case(name));
                (scheme.ok_or_else(error)?, rest)
            }
            None => (default, text),
        };
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        if !scheme.is_websocket() && !matches!(path, "" | "/") {
            return Err(error());
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(error)?;
                match rest {
                    "" => (host, None),
                    _ => (host, Some(rest.strip_prefix(':').ok_or_else(error)?)),
                }
            }
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        let is_wrong = |it: char| it.is_whitespace() || "@?#[]".contains(it);
        if host.is_empty() || host.contains(is_wrong) {
            return Err(error());
        }
        let port = match port {
            Some(port) => port.parse().map_err(|_| error())?,
            None => scheme.port(),
        };
        let path = match (scheme.is_websocket(), path) {
            (false, _) => "",
            (true, "") => "/mqtt",
            (true, path) => path,
        };
        Ok(Address {
            scheme,
            host: host.to_owned(),
            port,
            path: path.to_owned(),
        })
    }

    /// How the server is reached.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The name of the host, or its IP address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The path of a WebSocket; `/mqtt` if none was given. Empty for all others.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Address::parse(text, Scheme::Mqtt)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Address {
            host, port, path, ..
        } = self;
        let scheme = self.scheme.name();
        match host.contains(':') {
            true => write!(formatter, "{scheme}://[{host}]:{port}{path}"),
            false => write!(formatter, "{scheme}://{host}:{port}{path}"),
        }
    }
}

/// A text is not an [`Address`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:?} is not an address like mqtt://host:1883, mqtts://host, ws://host/path or wss://host",
            self.0
        )
    }
}

impl std::error::Error for AddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        for (text, written) in [
            ("localhost", "mqtt://localhost:1883"),
            ("localhost:1884", "mqtt://localhost:1884"),
            ("mqtt://localhost/", "mqtt://localhost:1883"),
            ("MQTTS://a.example", "mqtts://a.example:8883"),
            ("ws://a.example", "ws://a.example:80/mqtt"),
            ("wss://a.example:9001/", "wss://a.example:9001/"),
            ("wss://a.example/a/b", "wss://a.example:443/a/b"),
            ("[::1]", "mqtt://[::1]:1883"),
            ("ws://[::1]:80", "ws://[::1]:80/mqtt"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), written);
            assert_eq!(written.parse(), Ok(address));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            ":1883",
            "http://a",
            "mqtt://",
            "mqtt://a/b",
            "a:b",
            "a:65536",
            "::1",
            "[::1",
            "[::1]1",
            "a b",
            "mqtt://user@host",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_server_reference_keeps_the_scheme() {
        let address = Address::parse("other.example", Scheme::Mqtts).unwrap();
        assert_eq!(address.to_string(), "mqtts://other.example:8883");
    }
}
