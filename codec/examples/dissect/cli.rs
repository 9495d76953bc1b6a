//! The command line: what is asked for, and how it went.

use std::ffi::OsString;
use std::io::{self, Read, Write};

use mqtt5_codec::{ProtocolVersion, Role};

use crate::input::{self, Input};
use crate::jsonl;
use crate::listing::{Listing, Outcome};

const HELP: &str = "\
Shows what packets of MQTT 5.0 and 3.1.1 say, and what is wrong with those that are
malformed. A CONNECT tells the version of what follows it.

dissect                          a recorded session of real clients and a real broker
dissect FILE...                  the connections in .pcap or .pcapng files, the packets
                                 in files of raw bytes, or bytes as text in a file;
                                 .gz and .zst files are unpacked
dissect --join FILE...           the same with recordings that are parts of one, as a
                                 recorder writes that begins a new file now and then
dissect BYTES...                 the packets that the bytes stand for
dissect -                        a file or bytes from standard input
dissect --from client|server ... says who sent the bytes: what that side must not send
                                 is malformed, too
dissect --mqtt 5|3.1.1 ...       which version it is where no CONNECT tells; 5 by default
dissect --jsonl                  for each line of standard input a line of JSON;
                                 a line has the digits of one or more packets and
                                 may end with `client` or `server`
dissect --help                   this text

If one of the arguments names a file, all of them do.

Bytes can be hexadecimal digits (10 02, 1002, 0x10, 0x02, 10:02, 10-02), a string with
escapes ('\\x10\\x02', b'\\x10\\x02'), an array ([16, 2], {0x10, 0x02}, <<16,2>>,
<Buffer 10 02>), or a dump with offsets (xxd, hexdump, od, tcpdump -X, Wireshark).
Numbers with commas between them are decimal if none has a letter, a leading zero or a
prefix; all other numbers are hexadecimal if they can be. A dump of whole frames is read
as a recording.

Connections over WebSocket are read, too; older versions of MQTT, TLS and HTTP are named.
Inside a packet a gap of known size is skipped. After any other gap it is not known where
a packet begins: reading goes on where a segment begins with what looks like packets.

The exit code is 0 if all is well, 1 if a packet is malformed or bytes end inside one, and
2 if nothing could be read from one of the inputs, or not all of it. The recorded session
has a malformed packet on purpose, and the exit code is 0.
";

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
enum Task {
    Help,
    JsonLines,
    Session,
    Dissect {
        inputs: Vec<OsString>,
        sender: Option<Role>,
        version: ProtocolVersion,
        join: bool,
    },
}

/// Does what the arguments ask for, and returns the exit code.
pub(crate) fn run(
    arguments: impl IntoIterator<Item = OsString>,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
    errors: &mut dyn Write,
    is_terminal: bool,
) -> u8 {
    let task = match parse(arguments) {
        Ok(task) => task,
        Err(message) => return fail(errors, &message),
    };
    let done = perform(task, stdin, out, errors, is_terminal);
    match done.and_then(|outcome| out.flush().map(|()| outcome)) {
        Ok(Outcome::Well) => 0,
        Ok(Outcome::Wrong) => 1,
        Ok(Outcome::Unreadable) => 2,
        // The reader has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => fail(errors, &error.to_string()),
    }
}

fn fail(errors: &mut dyn Write, message: &str) -> u8 {
    // There is no place left to say that this failed, too.
    let _ = writeln!(errors, "dissect: {message}");
    2
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, String> {
    let mut arguments = arguments.into_iter();
    let mut inputs = Vec::new();
    let mut sender = None;
    let mut version = None;
    let mut json_lines = false;
    let mut join = false;
    while let Some(argument) = arguments.next() {
        match argument.to_str() {
            Some("--help" | "-h") => return Ok(Task::Help),
            Some("--jsonl") => json_lines = true,
            Some("--join") => join = true,
            Some("--from") => {
                let role = arguments.next().unwrap_or_default();
                sender = Some(parse_role(&role.to_string_lossy())?);
            }
            Some("--mqtt") => {
                let number = arguments.next().unwrap_or_default();
                version = Some(parse_version(&number.to_string_lossy())?);
            }
            // All arguments after `--` are inputs, even those that begin with a dash.
            Some("--") => inputs.extend(arguments.by_ref()),
            Some(option) if option.starts_with("--") => match option.split_once('=') {
                Some(("--from", role)) => sender = Some(parse_role(role)?),
                Some(("--mqtt", number)) => version = Some(parse_version(number)?),
                _ => return Err(format!("there is no option {option}; see --help")),
            },
            _ => inputs.push(argument),
        }
    }
    match (json_lines, inputs.is_empty(), sender) {
        (true, true, None) if !join && version.is_none() => Ok(Task::JsonLines),
        (true, ..) => Err("--jsonl takes everything from standard input; see --help".to_owned()),
        (false, true, Some(_)) => Err("--from needs a file or bytes".to_owned()),
        (false, true, None) if join => Err("--join needs files".to_owned()),
        (false, true, None) if version.is_some() => Err("--mqtt needs a file or bytes".to_owned()),
        (false, true, None) => Ok(Task::Session),
        (false, false, sender) => Ok(Task::Dissect {
            inputs,
            sender,
            version: version.unwrap_or(ProtocolVersion::V5_0),
            join,
        }),
    }
}

fn parse_version(word: &str) -> Result<ProtocolVersion, String> {
    match word {
        "5" | "5.0" => Ok(ProtocolVersion::V5_0),
        "3.1.1" => Ok(ProtocolVersion::V3_1_1),
        _ => Err(format!("--mqtt needs `5` or `3.1.1`, not `{word}`")),
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

fn perform(
    task: Task,
    stdin: &mut dyn Read,
    out: &mut dyn Write,
    errors: &mut dyn Write,
    is_terminal: bool,
) -> io::Result<Outcome> {
    match task {
        Task::Help => {
            out.write_all(HELP.as_bytes())?;
            Ok(Outcome::Well)
        }
        Task::JsonLines => {
            jsonl::answer_lines(stdin, out)?;
            Ok(Outcome::Well)
        }
        Task::Session => {
            let mut listing = Listing::new(out, is_terminal);
            listing.remark("A recorded session; --help tells what else can be shown.")?;
            Input::session().list(None, &mut listing, errors)?;
            Ok(Outcome::Well)
        }
        Task::Dissect {
            inputs,
            sender,
            version,
            join,
        } => {
            let mut listing = Listing::new(out, is_terminal).taking_for(version);
            let (inputs, mut worst) = input::resolve(&inputs, stdin, errors)?;
            if join {
                let joined = input::list_joined(&inputs, sender, &mut listing, errors)?;
                return Ok(worst.max(joined));
            }
            for (index, input) in inputs.iter().enumerate() {
                if inputs.len() > 1 {
                    if index > 0 {
                        listing.remark("")?;
                    }
                    listing.title(input.name())?;
                }
                worst = worst.max(input.list(sender, &mut listing, errors)?);
            }
            Ok(worst)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Task, String> {
        parse(words.split_whitespace().map(OsString::from))
    }

    fn dissect_task(inputs: &[&str], sender: Option<Role>) -> Result<Task, String> {
        let inputs = inputs.iter().map(OsString::from).collect();
        Ok(Task::Dissect {
            inputs,
            sender,
            version: ProtocolVersion::V5_0,
            join: false,
        })
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
        assert_eq!(
            parse_words("-- --from a"),
            dissect_task(&["--from", "a"], None)
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
            "--join",
            "--join --jsonl",
            "--mqtt 4 c000",
            "--mqtt 3.1.1",
            "--mqtt",
        ] {
            assert!(parse_words(words).is_err(), "{words}");
        }
    }
}
