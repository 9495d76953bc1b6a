//! Tables of the standard as data: first bytes, properties, Reason Codes.
//!
//! They are kept as text in the form of the tables, to be compared with them line by line.

use mqtt5_codec::Role;

/// Types, directions (`C` to the Server, `S` to the Client) and first bytes (sections 2.1.2, 2.1.3
/// and 3.3.1).
const PACKETS: &str = "
CONNECT     C  10
CONNACK     S  20
PUBLISH     CS 30 31 32 33 34 35 3A 3B 3C 3D
PUBACK      CS 40
PUBREC      CS 50
PUBREL      CS 62
PUBCOMP     CS 70
SUBSCRIBE   C  82
SUBACK      S  90
UNSUBSCRIBE C  A2
UNSUBACK    S  B0
PINGREQ     C  C0
PINGRESP    S  D0
DISCONNECT  CS E0
AUTH        CS F0
";

/// The places where property sets stand: the columns of [`PROPERTIES`].
pub(crate) const PLACES: [&str; 14] = [
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "Will",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "DISCONNECT",
    "AUTH",
];

/// Properties and the packets in which they may stand (section 2.2.2.2 and the sections on the
/// packets): at most once, `many` times, only from the Client (`C`) or only from the Server (`S`).
const PROPERTIES: &str = "
| 0x01 | Payload Format Indicator |  |  | ● | ● |  |  |  |  |  |  |  |  |  |  |
| 0x02 | Message Expiry Interval |  |  | ● | ● |  |  |  |  |  |  |  |  |  |  |
| 0x03 | Content Type |  |  | ● | ● |  |  |  |  |  |  |  |  |  |  |
| 0x08 | Response Topic |  |  | ● | ● |  |  |  |  |  |  |  |  |  |  |
| 0x09 | Correlation Data |  |  | ● | ● |  |  |  |  |  |  |  |  |  |  |
| 0x0B | Subscription Identifier |  |  | S, many |  |  |  |  |  | ● |  |  |  |  |  |
| 0x11 | Session Expiry Interval | ● | ● |  |  |  |  |  |  |  |  |  |  | C |  |
| 0x12 | Assigned Client Identifier |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x13 | Server Keep Alive |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x15 | Authentication Method | ● | ● |  |  |  |  |  |  |  |  |  |  |  | ● |
| 0x16 | Authentication Data | ● | ● |  |  |  |  |  |  |  |  |  |  |  | ● |
| 0x17 | Request Problem Information | ● |  |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x18 | Will Delay Interval |  |  |  | ● |  |  |  |  |  |  |  |  |  |  |
| 0x19 | Request Response Information | ● |  |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x1A | Response Information |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x1C | Server Reference |  | ● |  |  |  |  |  |  |  |  |  |  | S |  |
| 0x1F | Reason String |  | ● |  |  | ● | ● | ● | ● |  | ● |  | ● | ● | ● |
| 0x21 | Receive Maximum | ● | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x22 | Topic Alias Maximum | ● | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x23 | Topic Alias |  |  | ● |  |  |  |  |  |  |  |  |  |  |  |
| 0x24 | Maximum QoS |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x25 | Retain Available |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x26 | User Property | many | many | many | many | many | many | many | many | many | many | many | many | many | many |
| 0x27 | Maximum Packet Size | ● | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x28 | Wildcard Subscription Available |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x29 | Subscription Identifier Available |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
| 0x2A | Shared Subscription Available |  | ● |  |  |  |  |  |  |  |  |  |  |  |  |
";

/// The packets with a Reason Code: the columns of [`REASON_CODES`].
pub(crate) const REASON_CODE_PACKETS: [&str; 9] = [
    "CONNACK",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBACK",
    "UNSUBACK",
    "DISCONNECT",
    "AUTH",
];

/// Reason Codes and the packets in which they may stand (Tables 3-1 and 3-4 to 3-11), with the
/// sides that may send them where the table says so.
const REASON_CODES: &str = "
| 00 | 0 | Success / Normal disconnection / Granted QoS 0 | ● | ● | ● | ● | ● | ● | ● | C S | S |
| 01 | 1 | Granted QoS 1 |  |  |  |  |  | ● |  |  |  |
| 02 | 2 | Granted QoS 2 |  |  |  |  |  | ● |  |  |  |
| 04 | 4 | Disconnect with Will Message |  |  |  |  |  |  |  | C |  |
| 10 | 16 | No matching subscribers |  | S | S |  |  |  |  |  |  |
| 11 | 17 | No subscription existed |  |  |  |  |  |  | ● |  |  |
| 18 | 24 | Continue authentication |  |  |  |  |  |  |  |  | C S |
| 19 | 25 | Re-authenticate |  |  |  |  |  |  |  |  | C |
| 80 | 128 | Unspecified error | ● | ● | ● |  |  | ● | ● | C S |  |
| 81 | 129 | Malformed Packet | ● |  |  |  |  |  |  | C S |  |
| 82 | 130 | Protocol Error | ● |  |  |  |  |  |  | C S |  |
| 83 | 131 | Implementation specific error | ● | ● | ● |  |  | ● | ● | C S |  |
| 84 | 132 | Unsupported Protocol Version | ● |  |  |  |  |  |  |  |  |
| 85 | 133 | Client Identifier not valid | ● |  |  |  |  |  |  |  |  |
| 86 | 134 | Bad User Name or Password | ● |  |  |  |  |  |  |  |  |
| 87 | 135 | Not authorized | ● | ● | ● |  |  | ● | ● | S |  |
| 88 | 136 | Server unavailable | ● |  |  |  |  |  |  |  |  |
| 89 | 137 | Server busy | ● |  |  |  |  |  |  | S |  |
| 8A | 138 | Banned | ● |  |  |  |  |  |  |  |  |
| 8B | 139 | Server shutting down |  |  |  |  |  |  |  | S |  |
| 8C | 140 | Bad authentication method | ● |  |  |  |  |  |  |  |  |
| 8D | 141 | Keep Alive timeout |  |  |  |  |  |  |  | S |  |
| 8E | 142 | Session taken over |  |  |  |  |  |  |  | S |  |
| 8F | 143 | Topic Filter invalid |  |  |  |  |  | ● | ● | S |  |
| 90 | 144 | Topic Name invalid | ● | ● | ● |  |  |  |  | C S |  |
| 91 | 145 | Packet Identifier in use |  | ● | ● |  |  | ● | ● |  |  |
| 92 | 146 | Packet Identifier not found |  |  |  | ● | ● |  |  |  |  |
| 93 | 147 | Receive Maximum exceeded |  |  |  |  |  |  |  | C S |  |
| 94 | 148 | Topic Alias invalid |  |  |  |  |  |  |  | C S |  |
| 95 | 149 | Packet too large | ● |  |  |  |  |  |  | C S |  |
| 96 | 150 | Message rate too high |  |  |  |  |  |  |  | C S |  |
| 97 | 151 | Quota exceeded | ● | ● | ● |  |  | ● |  | C S |  |
| 98 | 152 | Administrative action |  |  |  |  |  |  |  | C S |  |
| 99 | 153 | Payload format invalid | ● | ● | ● |  |  |  |  | C S |  |
| 9A | 154 | Retain not supported | ● |  |  |  |  |  |  | S |  |
| 9B | 155 | QoS not supported | ● |  |  |  |  |  |  | S |  |
| 9C | 156 | Use another server | ● |  |  |  |  |  |  | S |  |
| 9D | 157 | Server moved | ● |  |  |  |  |  |  | S |  |
| 9E | 158 | Shared Subscriptions not supported |  |  |  |  |  | ● |  | S |  |
| 9F | 159 | Connection rate exceeded | ● |  |  |  |  |  |  | S |  |
| A0 | 160 | Maximum connect time |  |  |  |  |  |  |  | S |  |
| A1 | 161 | Subscription Identifiers not supported |  |  |  |  |  | ● |  | S |  |
| A2 | 162 | Wildcard Subscriptions not supported |  |  |  |  |  | ● |  | S |  |
";

/// Two readings, where the standard contradicts itself: DISCONNECT with 0x8C is in Table 2-6, but
/// not in Table 3-10; section 3.3.4 tells the Client to send 0x9B, which Table 3-10 leaves to the
/// Server.
const READINGS: [(&str, u8, &str); 2] = [("DISCONNECT", 0x8C, "S"), ("DISCONNECT", 0x9B, "C S")];

/// Who may send something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Senders {
    pub(crate) client: bool,
    pub(crate) server: bool,
}

impl Senders {
    const BOTH: Senders = Senders {
        client: true,
        server: true,
    };

    /// Whether somebody may send it, or this side.
    pub(crate) fn include(self, sender: Option<Role>) -> bool {
        match sender {
            None => self.client || self.server,
            Some(Role::Client) => self.client,
            Some(Role::Server) => self.server,
        }
    }

    fn of_letters(letters: &str) -> Senders {
        Senders {
            client: letters.contains('C'),
            server: letters.contains('S'),
        }
    }
}

/// Name, senders and valid first bytes of each type, in the order of their numbers.
pub(crate) fn packets() -> Vec<(&'static str, Senders, Vec<u8>)> {
    let rows = PACKETS.lines().filter(|line| !line.is_empty());
    rows.map(|line| {
        let mut words = line.split_whitespace();
        let name = words.next().expect("a name");
        let senders = Senders::of_letters(words.next().expect("a direction"));
        (name, senders, words.map(hexadecimal).collect())
    })
    .collect()
}

/// Whether some packet may begin with this byte.
pub(crate) fn first_byte_is_valid(byte: u8) -> bool {
    static VALID: std::sync::LazyLock<[bool; 256]> = std::sync::LazyLock::new(|| {
        let mut valid = [false; 256];
        for first_byte in packets().into_iter().flat_map(|(_, _, bytes)| bytes) {
            valid[usize::from(first_byte)] = true;
        }
        valid
    });
    VALID[usize::from(byte)]
}

/// Who may send packets with this name. The Will is a part of CONNECT.
pub(crate) fn senders_of_packet(name: &str) -> Senders {
    let name = if name == "Will" { "CONNECT" } else { name };
    packets()
        .into_iter()
        .find(|(found, ..)| *found == name)
        .map(|(_, senders, _)| senders)
        .expect("a packet of the table")
}

/// What a place allows of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Allowance {
    pub(crate) senders: Senders,
    pub(crate) repeatable: bool,
}

/// One row of the properties.
#[derive(Clone, Debug)]
pub(crate) struct PropertyRow {
    pub(crate) identifier: u8,
    pub(crate) name: &'static str,
    /// For each of [`PLACES`]; `None` where the property must not stand.
    pub(crate) allowed: Vec<Option<Allowance>>,
}

/// The 27 properties.
pub(crate) fn properties() -> Vec<PropertyRow> {
    let rows = PROPERTIES.lines().filter(|line| !line.is_empty());
    rows.map(|line| {
        let cells = cells(line);
        let allowed: Vec<Option<Allowance>> =
            cells[2..].iter().map(|cell| allowance(cell)).collect();
        assert_eq!(allowed.len(), PLACES.len());
        PropertyRow {
            identifier: hexadecimal(cells[0].trim_start_matches("0x")),
            name: cells[1],
            allowed,
        }
    })
    .collect()
}

fn allowance(cell: &str) -> Option<Allowance> {
    let (senders, repeatable) = match cell {
        "" => return None,
        "●" => (Senders::BOTH, false),
        "many" => (Senders::BOTH, true),
        "S, many" => (Senders::of_letters("S"), true),
        "C" | "S" => (Senders::of_letters(cell), false),
        other => panic!("`{other}` in the table of properties"),
    };
    Some(Allowance {
        senders,
        repeatable,
    })
}

/// Who may send each byte as the Reason Code of this packet; nobody if it is not in the table.
pub(crate) fn reason_codes(packet: &str) -> [Senders; 256] {
    let column = REASON_CODE_PACKETS
        .iter()
        .position(|&name| name == packet)
        .expect("a packet with a Reason Code");
    let directions = senders_of_packet(packet);
    let mut table = [Senders::default(); 256];
    for line in REASON_CODES.lines().filter(|line| !line.is_empty()) {
        let cells = cells(line);
        table[usize::from(hexadecimal(cells[0]))] = match cells[3 + column] {
            "" => Senders::default(),
            "●" => directions,
            letters => Senders::of_letters(letters),
        };
    }
    for (_, code, letters) in READINGS.iter().filter(|(name, ..)| *name == packet) {
        table[usize::from(*code)] = Senders::of_letters(letters);
    }
    table
}

fn cells(line: &'static str) -> Vec<&'static str> {
    let inner = line.trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(str::trim).collect()
}

fn hexadecimal(digits: &str) -> u8 {
    u8::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("`{digits}` in a table"))
}
