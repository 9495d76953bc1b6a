//! The golden byte vectors, each a check of its own.

use std::sync::Arc;

use mqtt5_codec::framing::{
    LARGEST_PACKET, Piece, Split, Splitter, SplitterOutput, StreamSplitter, split,
};
use mqtt5_codec::{Packet, ProtocolVersion, Role};
use mqtt5_spec_tests::ledger::vector_trial;
use mqtt5_spec_tests::vectors::{Case, Expectation, Said, Tally, VectorFile};

use crate::check::{Check, Kind, Outcome};
use crate::reference::framing::{End, frames};
use crate::v3_1_1::image;
use crate::verdict::{Reading, Verdict, read_stream, read_stream_by};

/// Inputs of up to this many bytes are cut everywhere, longer ones at some places.
const CUT_EVERYWHERE: usize = 512;

/// What cannot mend a broken packet.
const TAILS: [&[u8]; 4] = [b"\x00", b"\xC0\x00", b"\x30\x04\x00\x01a\x00", &[0xFF; 9]];

pub(crate) fn checks(files: &Arc<Vec<VectorFile>>) -> Vec<Check> {
    all(files, "vectors::there_are_enough", 700)
}

pub(crate) fn checks_of_3_1_1(files: &Arc<Vec<VectorFile>>) -> Vec<Check> {
    all(files, "vectors::there_are_enough_of_3_1_1", 950)
}

fn all(files: &Arc<Vec<VectorFile>>, count: &str, enough: usize) -> Vec<Check> {
    let mut checks = Vec::new();
    for case in files.iter().flat_map(|file| &file.cases) {
        let name = vector_trial(&case.name);
        let case = case.clone();
        checks.push(Check::new(Kind::Vector, name, move || judge(&case)));
    }
    let files = Arc::clone(files);
    let run = move || there_are_enough(&files, enough);
    checks.push(Check::new(Kind::Example, count, run));
    checks
}

fn there_are_enough(files: &[VectorFile], enough: usize) -> Outcome {
    let tally = Tally::of(files.iter().flat_map(|file| &file.cases));
    if tally.total() < enough || tally.reject * 2 < tally.total() {
        return Err(format!(
            "not {enough} cases, or not half of them rejects: {tally:?}"
        ));
    }
    Ok(tally.total() as u64)
}

/// The vectors of 5.0 are those of a receiver that speaks nothing else.
fn read<'a>(case: &Case, input: &'a [u8]) -> Reading<'a> {
    match case.version {
        ProtocolVersion::V5_0 => read_stream(input, case.sender),
        version => read_stream_by(version, input, case.sender),
    }
}

fn judge(case: &Case) -> Outcome {
    let reading = read(case, &case.bytes);
    verdict_is_right(case, &reading)?;
    if case.expect == Expectation::Accept {
        encodes_again(case, &reading.packets)?;
        image_is_right(case, &reading.packets)?;
    }
    answer_is_right(case, &reading)?;
    if matches!(case.expect, Expectation::Reject { .. }) {
        stays_rejected(case, reading.verdict)?;
    }
    let mut states = 1;
    for cut in cuts(&case.bytes) {
        cut_is_right(case, cut, &reading)?;
        states += 1;
    }
    Ok(states)
}

fn verdict_is_right(case: &Case, reading: &Reading<'_>) -> Result<(), String> {
    let right = match (case.expect, reading.verdict) {
        (Expectation::Accept, Verdict::Accept) => true,
        (Expectation::Incomplete { needed }, Verdict::Incomplete { needed: found }) => {
            needed == found
        }
        (Expectation::Reject { class, reason_code }, Verdict::Reject(found)) => {
            class == found.class
                && reason_code.is_none_or(|code| code == found.reason_code)
                && case.offset.is_none_or(|offset| offset == found.offset)
        }
        _ => false,
    };
    if !right {
        return Err(format!(
            "expected {:?} at {:?}, found {:?}\n{}",
            case.expect,
            case.offset,
            reading.verdict,
            reading
                .error
                .map_or_else(String::new, |error| error.to_string()),
        ));
    }
    let by_its_rules = reading.error.map(|error| error.in_version(case.version));
    let statement = by_its_rules.and_then(|error| error.statement());
    if case.statement.as_deref() != statement {
        let expected = &case.statement;
        return Err(format!(
            "expected statement {expected:?}, found {statement:?}"
        ));
    }
    Ok(())
}

/// Encoding gives the same bytes, or those that the case names, or none at all, and all ways to encode agree.
fn encodes_again(case: &Case, packets: &[Packet<'_>]) -> Result<(), String> {
    let again = encoded(case.version, packets)?;
    let expected = match &case.reencodes {
        None => Some(&case.bytes),
        Some(Said::Bytes(bytes)) => Some(bytes),
        Some(Said::Nothing) => None,
    };
    match again.as_ref() == expected {
        true => Ok(()),
        false => Err(format!("encodes as {}", shown(again.as_deref()))),
    }
}

/// The same packets in MQTT 5.0 are those that the case names, and mean the same there.
fn image_is_right(case: &Case, packets: &[Packet<'_>]) -> Result<(), String> {
    let Some(expected) = &case.v5 else {
        return Ok(());
    };
    let images: Vec<_> = packets.iter().map(image).collect();
    let images_bytes = encoded(ProtocolVersion::V5_0, &images)?;
    let expected = match expected {
        Said::Bytes(bytes) => Some(bytes),
        Said::Nothing => None,
    };
    match images_bytes.as_ref() == expected {
        true => Ok(()),
        false => Err(format!("in 5.0 it is {}", shown(images_bytes.as_deref()))),
    }
}

/// What is sent before the Network Connection is closed. On an open connection of 3.1.1 that is nothing at all.
fn answer_is_right(case: &Case, reading: &Reading<'_>) -> Result<(), String> {
    let Some(error) = reading.error else {
        return Ok(());
    };
    if error.version() == ProtocolVersion::V3_1_1 {
        for (receiver, connected) in [
            (Role::Server, true),
            (Role::Client, true),
            (Role::Client, false),
        ] {
            if let Some(answer) = error.answer(receiver, connected) {
                return Err(format!("a {receiver} answers {answer:?}"));
            }
        }
    }
    let Some(expected) = &case.answer else {
        return Ok(());
    };
    let found = match error.answer(Role::Server, false) {
        Some(answer) => {
            let bytes = encoded(error.version(), &[answer])?;
            Some(bytes.ok_or_else(|| format!("answers {answer:?}, which cannot be sent"))?)
        }
        None => None,
    };
    let expected = match expected {
        Said::Bytes(bytes) => Some(bytes),
        Said::Nothing => None,
    };
    match found.as_ref() == expected {
        true => Ok(()),
        false => Err(format!("answered with {}", shown(found.as_deref()))),
    }
}

/// The bytes of the packets, which all ways to encode give; `None` if one of them cannot be encoded.
fn encoded(version: ProtocolVersion, packets: &[Packet<'_>]) -> Result<Option<Vec<u8>>, String> {
    let mut all = Vec::new();
    for packet in packets {
        let mut bytes = Vec::new();
        if let Err(error) = packet.encode(version, &mut bytes) {
            let length = packet.encoded_len(version);
            if length != Err(error) || !bytes.is_empty() {
                return Err(format!("{error}, but of {length:?} bytes: {bytes:02X?}"));
            }
            return Ok(None);
        }
        if packet.encoded_len(version) != Ok(bytes.len()) {
            return Err(format!(
                "encoded_len is {:?}, not {}",
                packet.encoded_len(version),
                bytes.len()
            ));
        }
        let mut in_parts = Vec::new();
        let payload = packet
            .encode_head(version, &mut in_parts)
            .map_err(|error| error.to_string())?;
        in_parts.extend_from_slice(payload);
        let mut in_place = vec![0; bytes.len()];
        let length = packet.encode_to_slice(version, &mut in_place);
        if length != Ok(bytes.len()) || in_place != bytes {
            return Err(format!(
                "into a slice: {length:?}, {}",
                shortened(&in_place)
            ));
        }
        if in_parts != bytes || Packet::decode(version, &bytes) != Ok(*packet) {
            return Err(format!("{packet:?} is not encoded right"));
        }
        all.extend(bytes);
    }
    Ok(Some(all))
}

fn shown(bytes: Option<&[u8]>) -> String {
    bytes.map_or_else(|| "nothing".to_owned(), shortened)
}

fn shortened(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(100)];
    format!("{shown:02X?} ({} bytes)", bytes.len())
}

fn stays_rejected(case: &Case, verdict: Verdict) -> Result<(), String> {
    for tail in TAILS {
        let longer = [&case.bytes, tail].concat();
        let found = read(case, &longer).verdict;
        if found != verdict {
            return Err(format!(
                "with {tail:02X?} behind it the verdict is {found:?}"
            ));
        }
    }
    Ok(())
}

/// Where to cut an input: everywhere, or around its ends and some places between.
fn cuts(bytes: &[u8]) -> Vec<usize> {
    let length = bytes.len();
    if length <= CUT_EVERYWHERE {
        return (0..=length).collect();
    }
    let mut cuts: Vec<usize> = (0..40).chain(length - 40..=length).collect();
    cuts.extend((1..16).map(|sixteenth| length * sixteenth / 16));
    cuts.sort_unstable();
    cuts
}

/// A prefix of the input holds the packets that it holds by the reference, and lacks what it lacks;
/// and with the rest behind it, everything is as if it had come at once.
fn cut_is_right(case: &Case, cut: usize, whole: &Reading<'_>) -> Result<(), String> {
    let (prefix, rest) = case.bytes.split_at(cut);
    let (lengths, end) = frames(prefix);
    let mut input = prefix;
    let mut found = Vec::new();
    let found_end = loop {
        let start = prefix.len() - input.len();
        if input.is_empty() && start > 0 {
            break End::Border;
        }
        match split(input, LARGEST_PACKET) {
            Ok(Split::Packet { packet, rest }) => {
                found.push(packet.as_bytes().len());
                input = rest;
            }
            Ok(Split::Incomplete { needed }) => break End::Inside { needed },
            Err(error) => {
                break End::Wrong {
                    offset: start + error.offset(),
                };
            }
        }
    };
    if (&found, found_end) != (&lengths, end) {
        return Err(format!(
            "the first {cut} bytes hold packets of {found:?} bytes and end {found_end:?}, \
             by the standard of {lengths:?} and {end:?}"
        ));
    }
    let at_once = through_splitters(case.version, &[&case.bytes])?;
    let in_two = through_splitters(case.version, &[prefix, rest])?;
    if at_once != in_two {
        return Err(format!(
            "cut after {cut} bytes: {in_two:?} instead of {at_once:?}"
        ));
    }
    if at_once.len() < whole.packets.len() {
        return Err(format!(
            "{} packets instead of {}",
            at_once.len(),
            whole.packets.len()
        ));
    }
    Ok(())
}

/// The whole packets that the splitters find in chunks of an input, and where they stop: both must
/// say the same.
fn through_splitters(version: ProtocolVersion, chunks: &[&[u8]]) -> Result<Vec<usize>, String> {
    let splitter = Splitter::new(LARGEST_PACKET);
    let mut stream_splitter = StreamSplitter::new(LARGEST_PACKET, usize::MAX);
    let (mut buffer, mut stream_buffer) = (bytes::BytesMut::new(), bytes::BytesMut::new());
    let (mut lengths, mut stream_lengths) = (Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        while let Ok(SplitterOutput::Ready(frame)) = splitter.next(&mut buffer) {
            lengths.push(frame.bytes().len());
        }
        stream_buffer.extend_from_slice(chunk);
        while let Ok(SplitterOutput::Ready(piece)) =
            stream_splitter.next(version, &mut stream_buffer)
        {
            match piece {
                Piece::Frame(frame) => stream_lengths.push(frame.bytes().len()),
                other => return Err(format!("{other:?} below the limit")),
            }
        }
    }
    if lengths == stream_lengths && buffer == stream_buffer {
        Ok(lengths)
    } else {
        Err(format!(
            "{lengths:?} from one splitter, {stream_lengths:?} from the other"
        ))
    }
}
