//! What a whole run found, as a page.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Noticed,
    Equivalent,
    Survived,
}

/// A change in a source file, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) file: String,
    pub(crate) change: String,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    noticed: usize,
    equivalent: usize,
    survived: usize,
}

impl Counts {
    fn add(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Noticed => self.noticed += 1,
            Verdict::Equivalent => self.equivalent += 1,
            Verdict::Survived => self.survived += 1,
        }
    }

    fn row(self, name: &str) -> String {
        let Counts {
            noticed,
            equivalent,
            survived,
        } = self;
        let all = noticed + equivalent + survived;
        let share = 100.0 * noticed as f64 / (noticed + survived).max(1) as f64;
        format!("| {name} | {all} | {noticed} | {equivalent} | {survived} | {share:.1} % |\n")
    }
}

/// The page: how many of the changes in each part of the sources are noticed, and which are not.
pub(crate) fn page(command: &str, judged: &[Judged]) -> String {
    let (mut parts, mut total) = (BTreeMap::<&str, Counts>::new(), Counts::default());
    for it in judged {
        parts.entry(part_of(&it.file)).or_default().add(it.verdict);
        total.add(it.verdict);
    }
    let mut page = format!(
        "# Small changes, and whether a check notices them\n\n\
         `{command}` wrote this page. It changes one place of the library crates at a time: another operator, a \
         condition that is negated or loses a part, a statement that is left out. A change is noticed if a check \
         fails. A change is equivalent if nothing can be seen of it from outside: \
         [equivalent.toml](mutants/equivalent.toml) says why. Per cent are those of the changes that are not \
         equivalent.\n\n\
         | part | changes | noticed | equivalent | survivors | noticed, of all that can be |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for (part, counts) in parts {
        page.push_str(&counts.row(&format!("`{part}`")));
    }
    page.push_str(&total.row("all"));
    if total.survived > 0 {
        page.push_str("\n## Survivors\n\n");
    }
    for it in judged.iter().filter(|it| it.verdict == Verdict::Survived) {
        writeln!(page, "* `{}`: `{}`", it.file, it.change).expect("a String takes it");
    }
    page
}

/// The folder of a file, up to the first below `src`.
fn part_of(file: &str) -> &str {
    let below = file.find("src/").map_or(0, |at| at + "src/".len());
    match file[below..].find('/') {
        Some(end) => &file[..below + end],
        None => file[..below].trim_end_matches('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_by_part_and_lists_survivors() {
        let judged = [
            ("codec/src/a.rs", Verdict::Noticed),
            ("codec/src/v5/b.rs", Verdict::Equivalent),
            ("codec/src/v5/c/d.rs", Verdict::Survived),
        ]
        .map(|(file, verdict)| Judged {
            file: file.to_owned(),
            change: "a < b -> <=".to_owned(),
            verdict,
        });
        let page = page("the command", &judged);
        assert!(
            page.contains("| `codec/src` | 1 | 1 | 0 | 0 | 100.0 % |"),
            "{page}"
        );
        assert!(
            page.contains("| `codec/src/v5` | 2 | 0 | 1 | 1 | 0.0 % |"),
            "{page}"
        );
        assert!(page.contains("| all | 3 | 1 | 1 | 1 | 50.0 % |"), "{page}");
        assert!(
            page.ends_with("* `codec/src/v5/c/d.rs`: `a < b -> <=`\n"),
            "{page}"
        );
    }
}
