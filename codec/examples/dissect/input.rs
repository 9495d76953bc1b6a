//! What is to be shown: files of many kinds, or bytes from the command line.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::Path;
use std::{fs, slice};

use mqtt5_codec::Role;
use mqtt5_codec::framing::FixedHeader;
use pcap_parser::Linktype;

use crate::capture::{self, Frame, is_capture};
use crate::listing::{Listing, Outcome};
use crate::paste::{self, Part, Pasted};
use crate::unpack::unpack;

const SESSION: &[u8] = include_bytes!("session.pcapng");

/// Something to be shown.
#[derive(Debug)]
pub(crate) struct Input {
    /// What it is called.
    name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// A file, as it is.
    File(Vec<u8>),
    Bytes(Pasted),
}

/// Finds out what the arguments mean. Says what cannot be found or understood, and returns everything
/// else.
pub(crate) fn resolve(
    arguments: &[OsString],
    stdin: &mut dyn Read,
    errors: &mut dyn Write,
) -> io::Result<(Vec<Input>, Outcome)> {
    // The digits in an argument can happen to be the name of a folder, too.
    let is_file = |argument: &OsString| {
        let path = Path::new(argument);
        argument == "-" || path.exists() && !path.is_dir()
    };
    if !arguments.iter().any(is_file) {
        let text = arguments.join(OsStr::new(" "));
        let text = text.to_string_lossy();
        let name = "the command line".to_owned();
        match paste::read(&text) {
            Ok(pasted) => {
                let content = Content::Bytes(pasted);
                return Ok((vec![Input { name, content }], Outcome::Well));
            }
            Err(error) if !arguments.iter().all(|argument| is_name(argument)) => {
                let shown = start_of(&text);
                writeln!(
                    errors,
                    "dissect: `{shown}` is neither a file nor bytes: {error}"
                )?;
                return Ok((Vec::new(), Outcome::Unreadable));
            }
            // Whoever names a file means a file.
            Err(_) => {}
        }
    }
    let mut inputs = Vec::new();
    let mut outcome = Outcome::Well;
    for argument in arguments {
        let name = if argument == "-" {
            "standard input".to_owned()
        } else {
            argument.to_string_lossy().into_owned()
        };
        let read = if argument == "-" {
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(argument)
        };
        match read {
            Ok(bytes) => inputs.push(Input {
                name,
                content: Content::File(bytes),
            }),
            Err(error) => {
                writeln!(errors, "dissect: {name}: {}", in_words(&error))?;
                outcome = Outcome::Unreadable;
            }
        }
    }
    Ok((inputs, outcome))
}

/// Whether an argument looks like the name of a file rather than like bytes.
fn is_name(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let is_in_name =
        |character: char| character.is_alphanumeric() || "-_.~/\\+ ".contains(character);
    let has_extension = Path::new(argument).extension().is_some();
    let is_path = text.contains('/') || text.contains('\\') || has_extension;
    is_path
        || text.chars().all(is_in_name)
            && text
                .chars()
                .any(|character| !character.is_ascii_hexdigit() && character.is_alphabetic())
}

/// The text, or the start of it if it is long.
fn start_of(text: &str) -> String {
    const CHARACTERS: usize = 60;
    let mut start: String = text.chars().take(CHARACTERS).collect();
    if start.len() < text.len() {
        start.push_str("...");
    }
    start
}

fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::IsADirectory => "this is a directory, not a file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission to read it is denied".to_owned(),
        _ => error.to_string(),
    }
}

/// Lists files that are parts of one recording.
pub(crate) fn list_joined<W: Write>(
    inputs: &[Input],
    sender: Option<Role>,
    listing: &mut Listing<W>,
    errors: &mut dyn Write,
) -> io::Result<Outcome> {
    let mut outcome = Outcome::Well;
    let mut files = Vec::new();
    for Input { name, content } in inputs {
        let unpacked = match content {
            Content::File(file) => unpack(file),
            Content::Bytes(_) => Err("--join is for recordings".to_owned()),
        };
        match unpacked {
            Ok(unpacked) if is_capture(&unpacked.bytes) => {
                if let Some(problem) = &unpacked.problem {
                    outcome = Outcome::Unreadable;
                    writeln!(errors, "dissect: {name}: {problem}")?;
                }
                files.push(unpacked.bytes);
            }
            Ok(_) => {
                outcome = Outcome::Unreadable;
                writeln!(
                    errors,
                    "dissect: {name}: no recording, but --join is for recordings"
                )?;
            }
            Err(problem) => {
                outcome = Outcome::Unreadable;
                writeln!(errors, "dissect: {name}: {problem}")?;
            }
        }
    }
    if files.is_empty() {
        return Ok(Outcome::Unreadable);
    }
    let files: Vec<&[u8]> = files.iter().map(|file| &file[..]).collect();
    let listed = list_captures(&files, "the recording", sender, listing, errors)?;
    Ok(outcome.max(listed))
}

fn list_captures<W: Write>(
    files: &[&[u8]],
    name: &str,
    sender: Option<Role>,
    listing: &mut Listing<W>,
    errors: &mut dyn Write,
) -> io::Result<Outcome> {
    if sender.is_some() {
        writeln!(
            errors,
            "dissect: {name}: --from is not for recordings, which tell who sent what"
        )?;
        return Ok(Outcome::Unreadable);
    }
    match capture::read(files) {
        Ok(capture) => listing.capture(&capture),
        Err(error) => {
            writeln!(errors, "dissect: {name}: {error}")?;
            Ok(Outcome::Unreadable)
        }
    }
}

impl Input {
    /// The recorded session that comes with the program.
    pub(crate) fn session() -> Self {
        Input {
            name: "the recorded session".to_owned(),
            content: Content::File(SESSION.to_vec()),
        }
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Lists what is in it.
    pub(crate) fn list<W: Write>(
        &self,
        sender: Option<Role>,
        listing: &mut Listing<W>,
        errors: &mut dyn Write,
    ) -> io::Result<Outcome> {
        let name = &self.name;
        let file = match &self.content {
            Content::File(file) => file,
            Content::Bytes(pasted) => return list_pasted(pasted, sender, listing),
        };
        let unpacked = match unpack(file) {
            Ok(unpacked) => unpacked,
            Err(problem) => {
                writeln!(errors, "dissect: {name}: {problem}")?;
                return Ok(Outcome::Unreadable);
            }
        };
        let bytes = &unpacked.bytes[..];
        let outcome = if bytes.is_empty() {
            listing.remark("The file is empty.")?;
            Outcome::Unreadable
        } else if is_capture(bytes) {
            list_captures(slice::from_ref(&bytes), name, sender, listing, errors)?
        } else if let Some(text) = text_of(bytes) {
            match paste::read(&text) {
                Ok(pasted) => list_pasted(&pasted, sender, listing)?,
                Err(error) => {
                    writeln!(
                        errors,
                        "dissect: {name}: neither a recording nor packets nor bytes as text: {error}"
                    )?;
                    Outcome::Unreadable
                }
            }
        } else {
            listing.stream(bytes, sender)?
        };
        match unpacked.problem {
            Some(problem) => {
                writeln!(errors, "dissect: {name}: {problem}")?;
                Ok(Outcome::Unreadable)
            }
            None => Ok(outcome),
        }
    }
}

/// The file as text, if it is text. No packet is: the first bytes of its length, its Topic Name or
/// its Packet Identifier are not all characters that can be printed.
fn text_of(file: &[u8]) -> Option<String> {
    // Some programs write two bytes for each character, and a mark before the first.
    let text = match file {
        [0xFF, 0xFE, rest @ ..] => {
            let units = rest
                .chunks_exact(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
            char::decode_utf16(units)
                .collect::<Result<String, _>>()
                .ok()?
        }
        [0xEF, 0xBB, 0xBF, rest @ ..] => str::from_utf8(rest).ok()?.to_owned(),
        _ => str::from_utf8(file).ok()?.to_owned(),
    };
    let is_text = |character: char| !character.is_control() || "\t\r\n".contains(character);
    text.chars().all(is_text).then_some(text)
}

fn list_pasted<W: Write>(
    pasted: &Pasted,
    sender: Option<Role>,
    listing: &mut Listing<W>,
) -> io::Result<Outcome> {
    if let Some(remark) = &pasted.remark {
        listing.remark(remark)?;
    }
    if let Some(frames) = frames(&pasted.parts) {
        listing.remark("The bytes are whole frames of a network, and read as a recording.")?;
        return listing.capture(&capture::of_frames(frames));
    }
    let mut outcome = Outcome::Well;
    for part in &pasted.parts {
        outcome = outcome.max(listing.stream(&part.bytes, sender.or(part.sender))?);
    }
    Ok(outcome)
}

/// The parts as frames of a network, if they are: tcpdump dumps from the IP header on, and from the
/// link layer on if it is asked to; Wireshark always does the latter.
fn frames(parts: &[Part]) -> Option<Vec<Frame<'_>>> {
    const LINKS: [Linktype; 4] = [
        Linktype::ETHERNET,
        Linktype::LINUX_SLL,
        Linktype::LINUX_SLL2,
        Linktype::NULL,
    ];
    let frame = |bytes, link| Frame {
        at: std::time::Duration::ZERO,
        link,
        bytes,
        cut_off: 0,
    };
    let first = &parts.first()?.bytes;
    let is_ip = matches!(first.first()? >> 4, 4 | 6)
        && FixedHeader::peek(&first[..1]).is_err()
        && frame(first, Linktype::RAW).has_segment();
    let link = if is_ip {
        Linktype::RAW
    } else {
        LINKS
            .into_iter()
            .find(|&link| frame(first, link).has_segment())?
    };
    Some(parts.iter().map(|part| frame(&part.bytes, link)).collect())
}
