//! A sequence chart: the packets between a client and a server, one by one, from top to bottom.

use maud::{Markup, html};

use crate::lab::counting::milliseconds;
use crate::lab::observers::{Direction, Entry, Happening, Recording};

const CLIENT: u32 = 150;
const SERVER: u32 = 570;
const WIDTH: u32 = 720;
const TOP: u32 = 34;
/// The height of a packet.
const STEP: u32 = 30;
/// How far a packet falls on its way.
const FALL: u32 = 12;

pub(super) fn draw(recording: &Recording) -> Markup {
    let entries = &recording.entries;
    let height = TOP + STEP * (entries.len() as u32 + 1);
    let begin = entries.first().map(|it| it.at).unwrap_or_default();
    html! {
        svg width=(WIDTH) height=(height) viewBox={ "0 0 " (WIDTH) " " (height) } role="img" {
            text x=(CLIENT) y="18" text-anchor="middle" font-weight="600" { "Client" }
            text x=(SERVER) y="18" text-anchor="middle" font-weight="600" { "Server" }
            @for x in [CLIENT, SERVER] { line.axis x1=(x) x2=(x) y1="26" y2=(height) {} }
            @for (index, entry) in entries.iter().enumerate() {
                @let y = TOP + STEP * index as u32 + 10;
                text.quiet x="0" y=(y + 8) font-size="12" { "+" (milliseconds(entry.at.saturating_sub(begin))) }
                (row(entry, y))
            }
        }
    }
}

fn row(entry: &Entry, y: u32) -> Markup {
    let middle = (CLIENT + SERVER) / 2;
    let between = |class: &str, text: &str| {
        html! { text class=(class) x=(middle) y=(y + 8) text-anchor="middle" font-size="13" { (text) } }
    };
    match &entry.what {
        Happening::Opened => between("quiet", "a Network Connection is opened"),
        Happening::Closed => between("quiet", "the Network Connection is closed"),
        Happening::Cut => between("broken", "the Network Connection is cut"),
        Happening::Packet {
            direction, lost, ..
        } => arrow(*direction, *lost, &name(&entry.what), y),
    }
}

fn arrow(direction: Direction, lost: bool, name: &str, y: u32) -> Markup {
    let (from, to, sign): (u32, u32, i64) = match direction {
        Direction::ToServer => (CLIENT, SERVER, -1),
        Direction::ToClient => (SERVER, CLIENT, 1),
    };
    // A packet that is lost does not arrive.
    let (to, fall) = match lost {
        true => ((from + 2 * to) / 3, FALL * 2 / 3),
        false => (to, FALL),
    };
    let mut class = String::from("packet");
    if direction == Direction::ToClient {
        class.push_str(" down");
    }
    if lost {
        class.push_str(" lost");
    }
    let tip = y + fall;
    let back = i64::from(to) + 9 * sign;
    html! {
        line class=(class) x1=(from) y1=(y) x2=(to) y2=(tip) {}
        @if lost {
            text.broken x=(to) y=(tip + 5) text-anchor="middle" font-weight="600" { "✕" }
        } @else {
            path class=(class) fill="none" d={ "M" (back) "," (tip - 5) " L" (to) "," (tip) " L" (back) "," (tip + 4) } {}
        }
        text x=((CLIENT + SERVER) / 2) y=(y - 1) text-anchor="middle" font-size="13" { (name) }
    }
}

/// The name of a packet, with what matters for its exchange.
fn name(packet: &Happening) -> String {
    let Happening::Packet {
        packet_type,
        publish,
        identifier,
        reason_code,
        session_present,
        ..
    } = packet
    else {
        return String::new();
    };
    let mut name = packet_type.name().to_owned();
    if let Some(publish) = publish {
        name.push_str(&format!(" QoS {}", publish.qos as u8));
        if publish.duplicate {
            name.push_str(" DUP");
        }
    }
    if let Some(identifier) = identifier {
        name.push_str(&format!(" #{identifier}"));
    }
    if *session_present == Some(true) {
        name.push_str(", Session Present");
    }
    if let Some(code) = reason_code
        && *code as u8 != 0
    {
        name.push_str(&format!(" ({code})"));
    }
    name
}
