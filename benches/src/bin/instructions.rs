//! Counts the instructions per packet, or per exchange, under Callgrind, which needs `valgrind` to
//! be installed.
//!
//! The program runs itself under Callgrind, which counts only what happens in
//! `counted_run`. Counts barely depend on the machine and its load, unlike times.

use std::io::Error;
use std::process::ExitCode;

use mqtt5_benches::callgrind::instructions;
use mqtt5_benches::contender::{BoxedRun, Contender};
use mqtt5_benches::sessions::rows::{EXCHANGES, Row, Shape, WINDOWED, WINDOWS, shaped};
use mqtt5_benches::sessions::{
    CLIENTS, CLIENTS_OF_V3_1_1, OURS, PAIRS, PAIRS_OF_V3_1_1, SERVERS_OF_V3_1_1,
    contender as sessions,
};
use mqtt5_benches::{baseline, contenders, mixed, ours, packets, report};
use mqtt5_codec::ProtocolVersion;

const USAGE: &str = "\
usage: instructions [--all | --sessions]

  --all        count every contender, not only ours and the baseline; takes minutes
  --sessions   count exchanges through state machines instead of packets";

/// The argument with which the program calls itself.
const COUNT: &str = "--count";

/// The same for exchanges.
const COUNT_SESSION: &str = "--count-session";

/// The largest packet that is counted, in bytes: beyond, what is counted is how
/// the payload is copied, and Callgrind does not know the machine's fastest
/// instructions for that.
const LARGEST: usize = 1 << 10;

/// How many runs are counted.
const RUNS: usize = 4;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => print_table(tables(false)),
        ["--all"] => print_table(tables(true)),
        ["--sessions"] => print_table(session_tables()),
        [COUNT, version, contender, task, row] => {
            let version = version_named(version);
            let mut contenders = contenders(version).into_iter();
            let contender = contenders.find(|c| c.name == contender);
            count(version, &contender.expect("a contender"), task, row);
            ExitCode::SUCCESS
        }
        [COUNT_SESSION, sides, contender, row] => {
            let (_, contenders) = SIDES.iter().find(|s| s.0 == sides).expect("sides");
            let contender = contenders.iter().find(|c| c.name == contender);
            let run = contender.expect("a contender").run(session_row(row));
            runs(&mut run.expect("contender takes part"));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

/// The version that is displayed so.
fn version_named(name: &str) -> ProtocolVersion {
    let mut versions = ProtocolVersion::ALL.iter().copied();
    let version = versions.find(|version| version.to_string() == name);
    version.expect("a version")
}

/// Whether a contender is counted.
fn is_selected(contender: &Contender, all: bool) -> bool {
    all || contender.name.starts_with("ours")
        || [ours::NAME, baseline::HEADER_AND_TOPIC].contains(&contender.name)
}

fn print_table(table: Result<String, Error>) -> ExitCode {
    match table {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot count instructions; is valgrind installed? {error}");
            ExitCode::FAILURE
        }
    }
}

/// The contenders of [`COUNT_SESSION`].
const SIDES: [(&str, &[sessions::Contender]); 5] = [
    ("client and server", PAIRS),
    ("client alone", CLIENTS),
    ("client and server of MQTT 3.1.1", PAIRS_OF_V3_1_1),
    ("client of MQTT 3.1.1 alone", CLIENTS_OF_V3_1_1),
    ("server of MQTT 3.1.1 alone", SERVERS_OF_V3_1_1),
];

/// The exchange or the window of this name.
fn session_row(name: &str) -> Row {
    let window = |row: &Row| WINDOWS.map(|window| shaped(*row, Shape::Window(window)));
    let windows = WINDOWED.iter().flat_map(window);
    let mut rows = EXCHANGES.into_iter().chain(windows);
    rows.find(|row| row_name(*row) == name).expect("a row")
}

fn row_name(row: Row) -> String {
    match row.shape {
        Shape::Window(window) => format!("{}-{window}", row.id),
        Shape::Single | Shape::Resume(_) => row.id.to_owned(),
    }
}

/// Ours alone: some peers would take hours under Callgrind.
fn window_table() -> Result<String, Error> {
    let mut head = vec![format!("instructions per message, {OURS}")];
    head.extend(WINDOWS.map(|window| format!("{window} in flight")));
    head.push("most ÷ least".to_owned());
    let (sides, contenders) = SIDES[0];
    let ours = contenders.iter().find(|contender| contender.name == OURS);
    let ours = ours.expect("we take part");
    let mut rows = Vec::new();
    for row in WINDOWED {
        let mut counts = Vec::new();
        for window in WINDOWS {
            let row = shaped(row, Shape::Window(window));
            let messages = runs(&mut ours.run(row).expect("we take part"));
            let count = instructions(&[COUNT_SESSION, sides, OURS, &row_name(row)])?;
            counts.push(count as f64 / messages as f64);
        }
        let most = counts.iter().copied().fold(0.0, f64::max);
        let least = counts.iter().copied().fold(f64::MAX, f64::min);
        let mut cells = vec![row.title.to_owned()];
        cells.extend(counts.iter().map(|count| format!("{count:.0}")));
        cells.push(format!("{:.2}", most / least));
        rows.push(cells);
    }
    Ok(report::table(&head, rows))
}

fn session_tables() -> Result<String, Error> {
    let mut tables = Vec::new();
    for (sides, contenders) in SIDES {
        if contenders.is_empty() {
            continue;
        }
        let mut head = vec![format!("instructions per exchange, {sides}")];
        head.extend(contenders.iter().map(|contender| contender.name.to_owned()));
        let mut rows = Vec::new();
        for row in EXCHANGES {
            let mut cells = vec![row.title.to_owned()];
            for contender in contenders {
                let mut run = contender.run(row).expect("everyone does single exchanges");
                let exchanges = runs(&mut run);
                let count = instructions(&[COUNT_SESSION, sides, contender.name, row.id])?;
                cells.push(format!("{:.0}", count as f64 / exchanges as f64));
            }
            rows.push(cells);
        }
        tables.push(report::table(&head, rows));
    }
    tables.push(window_table()?);
    Ok(tables.join("\n"))
}

/// A table for each version, the newer first.
fn tables(all: bool) -> Result<String, Error> {
    let versions = ProtocolVersion::ALL.iter().rev();
    let tables: Result<Vec<_>, _> = versions.map(|version| table(*version, all)).collect();
    Ok(tables?.join("\n"))
}

fn table(version: ProtocolVersion, all: bool) -> Result<String, Error> {
    let mut contenders = contenders(version);
    contenders.retain(|contender| is_selected(contender, all));
    let mut head = vec![format!("instructions per packet, {version}")];
    head.extend(contenders.iter().map(|contender| contender.name.to_owned()));
    let mut rows = Vec::new();
    for task in ["decode", "encode"] {
        for row in packets::rows(version)
            .iter()
            .filter(|row| row.bytes.len() <= LARGEST)
        {
            let title = format!("{task} {}", row.title);
            rows.push(cells(version, &contenders, task, row.id, title)?);
        }
    }
    let title = mixed::TITLE.to_owned();
    rows.push(cells(version, &contenders, "stream", "", title)?);
    Ok(report::table(&head, rows))
}

/// One row: the title, then the count of each contender.
fn cells(
    version: ProtocolVersion,
    contenders: &[Contender],
    task: &str,
    row: &str,
    title: String,
) -> Result<Vec<String>, Error> {
    let mut cells = vec![title];
    for contender in contenders {
        let cell = match prepare(version, contender, task, row) {
            None => "–".to_owned(),
            Some(mut run) => {
                let packets = runs(&mut run);
                let version = version.to_string();
                let instructions = instructions(&[COUNT, &version, contender.name, task, row])?;
                format!("{:.0}", instructions as f64 / packets as f64)
            }
        };
        cells.push(cell);
    }
    Ok(cells)
}

/// What [`COUNT`] asks for.
fn count(version: ProtocolVersion, contender: &Contender, task: &str, row: &str) {
    runs(&mut prepare(version, contender, task, row).expect("contender takes part"));
}

/// Returns how many packets are handled while Callgrind counts.
fn runs(run: &mut BoxedRun) -> usize {
    // The first run looks up symbols and fills the allocator's lists.
    run.reset();
    run.run();
    let runs = (0..RUNS).map(|_| {
        run.reset();
        counted_run(run)
    });
    runs.sum()
}

/// Where Callgrind counts: it knows this function by its name.
#[inline(never)]
fn counted_run(run: &mut BoxedRun) -> usize {
    run.run()
}

fn prepare(
    version: ProtocolVersion,
    contender: &Contender,
    task: &str,
    row: &str,
) -> Option<BoxedRun> {
    let packet = || &packets::row(version, row).bytes;
    match task {
        "decode" => contender.decode.map(|decode| decode(packet())),
        "encode" => contender.encode.map(|encode| encode(packet())),
        _ => contender.stream.map(|stream| stream(mixed::bytes(version))),
    }
}
