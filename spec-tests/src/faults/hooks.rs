//! The places of the faults, found in the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the sources are, and how the functions in them are called.
const CRATES: [(&str, &str); 2] = [
    ("codec/src", "mqtt5_codec"),
    ("session-fsm/src", "mqtt5_session_fsm"),
];

/// The macro itself.
const DEFINITION: &str = "fault.rs";

/// A place of a fault in the code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hook {
    /// The name of the fault.
    pub name: String,
    /// The path of the function, without the type that it belongs to.
    pub function: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// All places in the sources of codec and session machines.
///
/// # Errors
///
/// If a file cannot be read, or a name is not written as a literal.
pub fn hooks() -> Result<Vec<Hook>, String> {
    let mut hooks = Vec::new();
    for (folder, name) in CRATES {
        in_folder(&super::workspace().join(folder), name, &mut hooks)?;
    }
    hooks.sort();
    Ok(hooks)
}

/// The text of `faults.toml` with the functions in which the faults are now.
#[must_use]
pub fn with_places(text: &str, hooks: &[Hook]) -> String {
    let mut name = "";
    let mut changed = String::with_capacity(text.len());
    for line in text.lines() {
        if let Some(value) = line.strip_prefix("name = ") {
            name = value.trim_matches('"');
        }
        if line.starts_with("functions = ") {
            let functions = hooks.iter().filter(|hook| hook.name == name);
            let functions: BTreeSet<&str> = functions.map(|it| it.function.as_str()).collect();
            let functions = Vec::from_iter(functions);
            changed.push_str(&format!("functions = {functions:?}\n"));
        } else {
            changed.push_str(line);
            changed.push('\n');
        }
    }
    changed
}

fn in_folder(folder: &Path, module: &str, hooks: &mut Vec<Hook>) -> Result<(), String> {
    let error = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let inner = format!("{module}::{stem}");
        if path.is_dir() {
            in_folder(&path, &inner, hooks)?;
        } else if !path.ends_with(DEFINITION) {
            let text = fs::read_to_string(&path).map_err(error)?;
            let module = if stem == "lib" { module } else { &inner };
            in_text(&text, module, hooks)
                .map_err(|error| format!("{}: {error}", path.display()))?;
        }
    }
    Ok(())
}

fn in_text(text: &str, module: &str, hooks: &mut Vec<Hook>) -> Result<(), String> {
    let lines: Vec<&str> = text.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if line.trim_start().starts_with("//") {
            continue;
        }
        for (at, call) in line.match_indices("fault!(") {
            let inner = line[at + call.len()..].trim();
            let literal = if inner.is_empty() {
                lines.get(index + 1).map_or("", |next| next.trim())
            } else {
                inner
            };
            let name = literal
                .strip_prefix('"')
                .and_then(|rest| rest.split('"').next());
            hooks.push(Hook {
                name: name
                    .ok_or(format!("line {}: a fault without a name", index + 1))?
                    .to_owned(),
                function: format!("{module}::{}", function(&lines[..index], indent(line))),
                line: index + 1,
            });
        }
    }
    Ok(())
}

/// The name of the function that a line with this indentation is in: sources are formatted.
fn function(before: &[&str], mut indentation: usize) -> String {
    for line in before.iter().rev() {
        if line.trim().is_empty() || indent(line) >= indentation {
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some(position) = words.iter().position(|word| *word == "fn") {
            let name = words.get(position + 1).unwrap_or(&"");
            let end = |c: char| !c.is_alphanumeric() && c != '_';
            return name.split(end).next().unwrap_or_default().to_owned();
        }
        // A signature of several lines ends with `) -> … {`, or with `where` and `{`, in the column of its `fn`.
        let text = line.trim();
        if !text.starts_with(')') && text != "where" && text != "{" {
            indentation = indent(line);
        }
    }
    "(no function)".to_owned()
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(String, String)> {
        let mut hooks = Vec::new();
        in_text(text, "some::module", &mut hooks).expect("names");
        let pairs = hooks.into_iter().map(|hook| (hook.name, hook.function));
        pairs.collect()
    }

    #[test]
    fn a_place_is_named_by_its_function() {
        let text = "
impl<'a> Thing<'a> {
    pub(crate) fn first<T>(&self) -> bool {
        // fault!(\"a comment\")
        other(|it| it == fault!(\"one\", 1, 2))
    }

    fn second(
        &self,
        of: u8,
    ) -> Result<(), Error>
    where
        Self: Sized,
    {
        if of > 1 {
            let long = fault!(
                \"two\",
                right,
                wrong
            );
        }
        fn inner() {}
        fault!(\"three\")
    }
}
";
        let expected = [
            ("one", "some::module::first"),
            ("two", "some::module::second"),
            ("three", "some::module::second"),
        ];
        let expected = expected.map(|(name, function)| (name.to_owned(), function.to_owned()));
        assert_eq!(found(text), expected);
    }

    #[test]
    fn places_are_written_into_the_table() {
        let hook = |name: &str, function: &str| Hook {
            name: name.to_owned(),
            function: function.to_owned(),
            line: 1,
        };
        let hooks = [hook("a", "m::f"), hook("a", "m::e"), hook("b", "m::g")];
        let text = "name = \"a\"\nfunctions = []\nname = \"b\"\nfunctions = [\"old\"]\n";
        let expected = "name = \"a\"\nfunctions = [\"m::e\", \"m::f\"]\nname = \"b\"\nfunctions = [\"m::g\"]\n";
        assert_eq!(with_places(text, &hooks), expected);
    }

    #[test]
    fn a_name_must_be_a_literal() {
        assert!(in_text("fn one() { fault!(NAME) }", "module", &mut Vec::new()).is_err());
    }
}
