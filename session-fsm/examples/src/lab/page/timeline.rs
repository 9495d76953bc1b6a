//! A timeline: what happened when.

use maud::{Markup, html};

use super::seconds;
use crate::lab::outcome::TimelineLine;

const LEFT: f64 = 170.0;
const RIGHT: f64 = 920.0;
const TOP: u32 = 10;
const LINE: u32 = 34;

pub(super) fn draw(lines: &[TimelineLine]) -> Markup {
    let spans = || lines.iter().flat_map(|it| &it.spans);
    let marks = || lines.iter().flat_map(|it| &it.marks);
    let begin = spans().map(|it| it.0).chain(marks().map(|it| it.0)).min();
    let end = spans().map(|it| it.1).chain(marks().map(|it| it.0)).max();
    let (begin, end) = (begin.unwrap_or_default(), end.unwrap_or_default());
    let length = (end - begin).as_secs_f64().max(0.001);
    let x = |at: std::time::Duration| {
        let share = at.saturating_sub(begin).as_secs_f64() / length;
        format!("{:.1}", LEFT + (RIGHT - LEFT) * share)
    };
    let bottom = TOP + LINE * lines.len() as u32;
    html! {
        svg width="960" height=(bottom + 30) viewBox={ "0 0 960 " (bottom + 30) } role="img" {
            @for (index, line) in lines.iter().enumerate() {
                @let y = TOP + LINE * index as u32;
                text x="0" y=(y + 19) font-size="13" { (line.name) }
                line.axis x1=(LEFT) x2=(RIGHT) y1=(y + 14) y2=(y + 14) {}
                @for (from, to, what) in &line.spans {
                    rect.span x=(x(*from)) y=(y + 5) height="18" rx="3"
                        width=(format!("{:.1}", ((*to - *from).as_secs_f64() / length * (RIGHT - LEFT)).max(2.0))) {
                        title { (what) ", " (seconds(*from - begin)) " to " (seconds(*to - begin)) }
                    }
                }
                @for (at, what) in &line.marks {
                    line.mark x1=(x(*at)) x2=(x(*at)) y1=(y + 2) y2=(y + 26) { title { (what) " at " (seconds(*at - begin)) } }
                }
            }
            @for part in 0..=4_u32 {
                @let at = begin + (end - begin) * part / 4;
                text.quiet x=(x(at)) y=(bottom + 20) text-anchor="middle" font-size="12" { (seconds(at - begin)) }
            }
        }
    }
}
