//! The PROXY protocol: what a load balancer says about the client before the client's own bytes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// The start of a header in version 2, which is in binary form.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The size of the part of it that is always there.
const FIXED: usize = 16;
/// A header in version 1, which is a line of text, is at most this long.
const LONGEST_LINE: usize = 107;

/// A header of the PROXY protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProxyHeader {
    /// How many bytes it takes up.
    pub(crate) length: usize,
    /// The peer behind the load balancer, in words.
    pub(crate) client: String,
}

impl ProxyHeader {
    /// Reads the header at the start of what a client sent, if there is one and all of it is there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        if let Some(rest) = bytes.strip_prefix(SIGNATURE) {
            return ProxyHeader::read_binary(rest);
        }
        let line = bytes.strip_prefix(b"PROXY ")?;
        let end = line
            .windows(2)
            .take(LONGEST_LINE)
            .position(|pair| pair == b"\r\n")?;
        let mut words = str::from_utf8(&line[..end]).ok()?.split(' ');
        let (_family, address, _server) = (words.next()?, words.next(), words.next());
        let client = match (address, words.next()) {
            (Some(address), Some(port)) => format!("{address} port {port}"),
            _ => "unknown".to_owned(),
        };
        Some(ProxyHeader {
            length: b"PROXY ".len() + end + 2,
            client,
        })
    }

    fn read_binary(rest: &[u8]) -> Option<Self> {
        let [_version, family, high, low, addresses @ ..] = rest else {
            return None;
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let addresses = addresses.get(..length)?;
        let address = match family {
            0x11 => addresses.first_chunk::<12>().map(|parts| {
                let ip = Ipv4Addr::new(parts[0], parts[1], parts[2], parts[3]);
                SocketAddr::new(ip.into(), u16::from_be_bytes([parts[8], parts[9]]))
            }),
            0x21 => addresses.split_first_chunk::<16>().and_then(|(ip, rest)| {
                let ports = rest.get(16..)?.first_chunk()?;
                Some(SocketAddr::new(
                    Ipv6Addr::from(*ip).into(),
                    u16::from_be_bytes(*ports),
                ))
            }),
            _ => None,
        };
        Some(ProxyHeader {
            length: FIXED + length,
            client: address.map_or("unknown".to_owned(), |address| address.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<(usize, String)> {
        ProxyHeader::read(bytes).map(|header| (header.length, header.client))
    }

    #[test]
    fn text() {
        let line = b"PROXY TCP4 192.0.2.1 192.0.2.2 50000 1883\r\n\x10";
        assert_eq!(read(line), Some((43, "192.0.2.1 port 50000".to_owned())));
        assert_eq!(read(b"PROXY UNKNOWN\r\n"), Some((15, "unknown".to_owned())));
        assert_eq!(read(b"PROXY TCP4 192.0.2.1"), None);
    }

    #[test]
    fn binary() {
        let ipv4 =
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x01\xc0\0\x02\x02\xc3\x50\x07\x5b\x10";
        assert_eq!(read(ipv4), Some((28, "192.0.2.1:50000".to_owned())));
        let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";
        assert_eq!(read(local), Some((16, "unknown".to_owned())));
        assert_eq!(read(&ipv4[..20]), None);
    }
}
