//! Shows MQTT 5.0 packets: those of a recorded session, of a file, or of a few hexadecimal digits.
//! Run it with `--help` to see how.

mod capture;
mod describe;
mod hex;
mod hexdump;
mod jsonl;
mod listing;

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use mqtt5_codec::Role;

use listing::Listing;

const HELP: &str = "\
Shows what MQTT 5.0 packets say, and what is wrong with those that are malformed.

dissect                          a recorded session of real clients and a real broker
dissect FILE                     the connections in a .pcap or .pcapng file,
                                 or the packets in a file of raw bytes
dissect HEX...                   the packets that the hexadecimal digits stand for
dissect -                        the same with digits from standard input
dissect --from client|server ... says who sent the raw bytes or the digits:
                                 what that side must not send is malformed, too
dissect --jsonl                  for each line of standard input a line of JSON;
                                 a line has the digits of one or more packets and
                                 may end with `client` or `server`
dissect --help                   this text

Spaces between digits do not matter. An argument that names a file is a file.

The exit code is 0 if all is well, 1 if a packet is malformed or unfinished, and
2 if nothing could be done. The recorded session has a malformed packet on purpose.
";

const SESSION: &[u8] = include_bytes!("session.pcapng");

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
enum Task {
    Help,
    JsonLines,
    Session,
    Dissect {
        inputs: Vec<OsString>,
        sender: Option<Role>,
    },
}

/// Why a task could not be done.
enum Failure {
    /// The user is told this.
    Message(String),
    /// The output could not be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Output(error)
    }
}

fn main() -> ExitCode {
    let done = parse(env::args_os().skip(1))
        .map_err(Failure::Message)
        .and_then(run);
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // The reader has seen enough, as `head` does.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => fail(&error.to_string()),
        Err(Failure::Message(message)) => fail(&message),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("dissect: {message}");
    ExitCode::from(2)
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut arguments = arguments.into_iter();
    let mut inputs = Vec::new();
    let mut sender = None;
    let mut json_lines = false;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Task::Help),
            Some("--jsonl") => json_lines = true,
            Some("--from") => {
                let role = arguments.next().unwrap_or_default();
                sender = Some(parse_role(&role.to_string_lossy())?);
            }
            Some(option) if option.starts_with("--") => match option.strip_prefix("--from=") {
                Some(role) => sender = Some(parse_role(role)?),
                None => return Err(format!("there is no option {option}; see --help")),
            },
            _ => inputs.push(argument),
        }
    }
    match (json_lines, inputs.is_empty(), sender) {
        (true, true, None) => Ok(Task::JsonLines),
        (true, ..) => Err("--jsonl takes everything from standard input; see --help".to_owned()),
        (false, true, None) => Ok(Task::Session),
        (false, true, Some(_)) => Err("--from needs a file or hexadecimal digits".to_owned()),
        (false, false, sender) => Ok(Task::Dissect { inputs, sender }),
    }
}

fn parse_role(word: &str) -> Result<Role, String> {
    match word {
        "client" => Ok(Role::Client),
        "server" => Ok(Role::Server),
        "" => Err("--from needs `client` or `server`".to_owned()),
        _ => Err(format!("--from needs `client` or `server`, not `{word}`")),
    }
}

/// Does the task; returns whether all packets are as they should be.
fn run(task: Task) -> Result<bool, Failure> {
    let stdout = io::stdout().lock();
    if task == Task::JsonLines {
        // It has buffers of its own.
        jsonl::answer_lines(io::stdin().lock(), stdout)?;
        return Ok(true);
    }
    let is_terminal = stdout.is_terminal() && env::var_os("NO_COLOR").is_none();
    let mut out = BufWriter::new(stdout);
    let all_is_well = match task {
        Task::Help | Task::JsonLines => {
            out.write_all(HELP.as_bytes())?;
            true
        }
        Task::Session => {
            writeln!(
                out,
                "A recorded session; --help tells what else can be shown."
            )?;
            list_capture(SESSION, Listing::new(&mut out, is_terminal))?;
            true
        }
        Task::Dissect { inputs, sender } => {
            dissect(&inputs, sender, Listing::new(&mut out, is_terminal))?
        }
    };
    out.flush()?;
    Ok(all_is_well)
}

fn dissect(
    inputs: &[OsString],
    sender: Option<Role>,
    mut listing: Listing<impl Write>,
) -> Result<bool, Failure> {
    let bytes = match inputs {
        [dash] if dash == "-" => {
            let mut text = Vec::new();
            io::stdin()
                .lock()
                .read_to_end(&mut text)
                .map_err(|error| Failure::Message(format!("standard input: {error}")))?;
            read_digits(&text, "standard input")?
        }
        [file] if Path::new(file).is_file() => {
            let bytes = fs::read(file).map_err(|error| {
                Failure::Message(format!("{}: {error}", file.to_string_lossy()))
            })?;
            if !is_capture(&bytes) {
                bytes
            } else if sender.is_some() {
                let message = "--from is not for recordings: they tell who sent what";
                return Err(Failure::Message(message.to_owned()));
            } else {
                return list_capture(&bytes, listing);
            }
        }
        words => {
            let text = words.join(OsStr::new(" "));
            let text = text.to_string_lossy();
            let what = format!("`{text}` is neither a file nor hexadecimal digits");
            read_digits(text.as_bytes(), &what)?
        }
    };
    Ok(listing.stream(&bytes, sender)?)
}

fn read_digits(text: &[u8], what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    match hex::read(text, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(Failure::Message(format!("{what}: {error}"))),
    }
}

fn list_capture(file: &[u8], mut listing: Listing<impl Write>) -> Result<bool, Failure> {
    match capture::read(file) {
        Ok(capture) => Ok(listing.capture(&capture)?),
        Err(error) => Err(Failure::Message(format!("the recording: {error}"))),
    }
}

/// Whether a file begins as pcap and pcapng files do. No MQTT packet begins like that.
fn is_capture(file: &[u8]) -> bool {
    const PCAPNG: [u8; 4] = [0x0A, 0x0D, 0x0D, 0x0A];
    const MICROSECONDS: u32 = 0xA1B2_C3D4;
    const NANOSECONDS: u32 = 0xA1B2_3C4D;
    file.first_chunk().is_some_and(|&magic| {
        magic == PCAPNG
            || [u32::from_le_bytes(magic), u32::from_be_bytes(magic)]
                .iter()
                .any(|number| matches!(*number, MICROSECONDS | NANOSECONDS))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Task, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    fn dissect_task(inputs: &[&str], sender: Option<Role>) -> Result<Task, String> {
        let inputs = inputs.iter().map(OsString::from).collect();
        Ok(Task::Dissect { inputs, sender })
    }

    #[test]
    fn arguments() {
        assert_eq!(parse_words(""), Ok(Task::Session));
        assert_eq!(parse_words("c0 00 --help"), Ok(Task::Help));
        assert_eq!(parse_words("--jsonl"), Ok(Task::JsonLines));
        assert_eq!(parse_words("-"), dissect_task(&["-"], None));
        assert_eq!(
            parse_words("--from client c0 00"),
            dissect_task(&["c0", "00"], Some(Role::Client))
        );
        assert_eq!(
            parse_words("c000 --from=server"),
            dissect_task(&["c000"], Some(Role::Server))
        );
    }

    #[test]
    fn wrong_arguments() {
        for words in [
            "--json",
            "--from",
            "--from broker c000",
            "--from client",
            "--jsonl c000",
        ] {
            assert!(parse_words(words).is_err(), "{words}");
        }
    }

    #[test]
    fn the_session_is_a_recording_with_one_malformed_packet() {
        assert!(is_capture(SESSION));
        let mut text = Vec::new();
        let well = list_capture(SESSION, Listing::new(&mut text, false));
        assert!(matches!(well, Ok(false)));
        let text = String::from_utf8(text).unwrap();
        assert!(text.trim_end().ends_with(" 1 malformed"), "{text}");
        assert!(!text.contains('\x1b'));
    }
}
