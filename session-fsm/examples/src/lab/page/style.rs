//! The style of the page.

/// The style sheet. Colours are the same for a series in every chart: `curves` has them, too.
pub(super) const SHEET: &str = include_str!("style.css");
