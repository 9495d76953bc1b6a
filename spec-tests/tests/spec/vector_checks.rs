//! The golden byte vectors, each a check of its own.

use std::sync::Arc;

use mqtt5_codec::framing::{
    LARGEST_PACKET, Piece, Split, Splitter, SplitterOutput, StreamSplitter, split,
};
use mqtt5_codec::{Packet, ProtocolVersion};
use mqtt5_spec_tests::ledger::vector_trial;
use mqtt5_spec_tests::vectors::{Case, Expectation, Tally, VectorFile};

use crate::check::{Check, Kind, Outcome};
use crate::reference::framing::{End, frames};
use crate::verdict::{Reading, Verdict, encode, read_stream};

/// Inputs of up to this many bytes are cut everywhere, longer ones at some places.
const CUT_EVERYWHERE: usize = 512;

/// What cannot mend a broken packet.
const TAILS: [&[u8]; 4] = [b"\x00", b"\xC0\x00", b"\x30\x04\x00\x01a\x00", &[0xFF; 9]];

pub(crate) fn checks(files: &Arc<Vec<VectorFile>>) -> Vec<Check> {
    let mut checks = Vec::new();
    for case in files.iter().flat_map(|file| &file.cases) {
        let name = vector_trial(&case.name);
        let case = case.clone();
        checks.push(Check::new(Kind::Vector, name, move || judge(&case)));
    }
    let files = Arc::clone(files);
    let count = move || there_are_enough(&files);
    checks.push(Check::new(
        Kind::Example,
        "vectors::there_are_enough",
        count,
    ));
    checks
}

fn there_are_enough(files: &[VectorFile]) -> Outcome {
    let tally = Tally::of(files.iter().flat_map(|file| &file.cases));
    if tally.total() < 700 || tally.reject * 2 < tally.total() {
        return Err(format!(
            "not 700 cases, or not half of them rejects: {tally:?}"
        ));
    }
    Ok(tally.total() as u64)
}

fn judge(case: &Case) -> Outcome {
    let reading = read_stream(&case.bytes, case.sender);
    verdict_is_right(case, &reading)?;
    if case.expect == Expectation::Accept {
        encodes_again(case, &reading.packets)?;
    }
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
                && reason_code == found.reason_code
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
    let statement = reading.error.and_then(|error| error.statement());
    if case.statement.as_deref() != statement {
        let expected = &case.statement;
        return Err(format!(
            "expected statement {expected:?}, found {statement:?}"
        ));
    }
    Ok(())
}

/// Encoding gives the same bytes, or those that the case names, and all ways to encode agree.
fn encodes_again(case: &Case, packets: &[Packet<'_>]) -> Result<(), String> {
    let mut again = Vec::new();
    for packet in packets {
        let bytes = encode(packet);
        if packet.encoded_len(ProtocolVersion::V5_0) != Ok(bytes.len()) {
            return Err(format!(
                "encoded_len is {:?}, not {}",
                packet.encoded_len(ProtocolVersion::V5_0),
                bytes.len()
            ));
        }
        let mut in_parts = Vec::new();
        let payload = packet
            .encode_head(ProtocolVersion::V5_0, &mut in_parts)
            .map_err(|error| error.to_string())?;
        in_parts.extend_from_slice(payload);
        let mut in_place = vec![0; bytes.len()];
        let length = packet.encode_to_slice(ProtocolVersion::V5_0, &mut in_place);
        if length != Ok(bytes.len()) || in_place != bytes {
            return Err(format!(
                "into a slice: {length:?}, {}",
                shortened(&in_place)
            ));
        }
        if in_parts != bytes || Packet::decode(ProtocolVersion::V5_0, &bytes) != Ok(*packet) {
            return Err(format!("{packet:?} is not encoded right"));
        }
        again.extend(bytes);
    }
    let expected = case.reencodes.as_ref().unwrap_or(&case.bytes);
    if again == *expected {
        Ok(())
    } else {
        Err(format!("encodes as {}", shortened(&again)))
    }
}

fn shortened(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(100)];
    format!("{shown:02X?} ({} bytes)", bytes.len())
}

fn stays_rejected(case: &Case, verdict: Verdict) -> Result<(), String> {
    for tail in TAILS {
        let longer = [&case.bytes, tail].concat();
        let found = read_stream(&longer, case.sender).verdict;
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
    let at_once = through_splitters(&[&case.bytes])?;
    let in_two = through_splitters(&[prefix, rest])?;
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
fn through_splitters(chunks: &[&[u8]]) -> Result<Vec<usize>, String> {
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
        while let Ok(SplitterOutput::Ready(piece)) = stream_splitter.next(&mut stream_buffer) {
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
