//! Charts with axes, drawn by plotters.

use std::error::Error;
use std::time::Duration;

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The colour of the series with this number.
fn colour(index: usize) -> RGBColor {
    const COLOURS: [RGBColor; 6] = [
        RGBColor(0x1f, 0x5f, 0xa8),
        RGBColor(0xd9, 0x7a, 0x06),
        RGBColor(0x7a, 0x4f, 0xa3),
        RGBColor(0x16, 0x79, 0x4a),
        RGBColor(0xb3, 0x26, 0x1e),
        RGBColor(0x5c, 0x66, 0x75),
    ];
    COLOURS[index % COLOURS.len()]
}

const FONT: &str = "system-ui, sans-serif";

fn drawn(height: u32, draw: impl FnOnce(&Area<'_>) -> Drawn) -> Markup {
    let mut svg = String::new();
    let result = {
        let area = SVGBackend::with_string(&mut svg, (900, height)).into_drawing_area();
        draw(&area).and_then(|()| Ok(area.present()?))
    };
    match result {
        Ok(()) => PreEscaped(svg),
        Err(error) => html! { p { "This chart cannot be drawn: " (error.to_string()) } },
    }
}

/// Each column is this many times as long as the one before.
const RATIO: f64 = 1.3;

/// How many messages took how long, on a logarithmic axis.
pub(super) fn histogram(series: &[(String, Vec<Duration>)]) -> Markup {
    let milliseconds = |it: &Duration| (it.as_secs_f64() * 1000.0).max(0.001);
    let values = || {
        series
            .iter()
            .flat_map(|(_, values)| values.iter().map(milliseconds))
    };
    let shortest = values().fold(f64::INFINITY, f64::min).min(1.0);
    let longest = values().fold(0.0, f64::max).max(shortest * 10.0);
    let column = |value: f64| (value.ln() / RATIO.ln()).floor() as i32;
    let columns = column(shortest)..column(longest) + 2;
    let mut shares = Vec::new();
    for (name, values) in series {
        let mut counts = vec![0.0; columns.len()];
        for value in values {
            let index = column(milliseconds(value)) - columns.start;
            counts[usize::try_from(index).unwrap_or(0)] += 100.0 / values.len() as f64;
        }
        shares.push((name, counts));
    }
    let highest = shares
        .iter()
        .flat_map(|(_, counts)| counts)
        .fold(1.0, |a: f64, &b| a.max(b));
    let range = (RATIO.powi(columns.start)..RATIO.powi(columns.end)).log_scale();
    drawn(300, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(range, 0.0..highest * 1.1)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("milliseconds, logarithmic")
            .y_desc("per cent of messages")
            .x_labels(30)
            .x_label_formatter(&|it| decade(*it))
            .y_label_formatter(&|it| format!("{it:.0}"))
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .draw()?;
        for (index, (name, counts)) in shares.into_iter().enumerate() {
            let colour = colour(index);
            let steps = counts.iter().enumerate().flat_map(|(index, &share)| {
                let from = columns.start + index as i32;
                [(RATIO.powi(from), share), (RATIO.powi(from + 1), share)]
            });
            chart
                .draw_series(
                    AreaSeries::new(steps, 0.0, colour.mix(0.15))
                        .border_style(colour.stroke_width(2)),
                )?
                .label(name.clone())
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled())
                });
        }
        legend(&mut chart)
    })
}

/// Amounts side by side.
pub(super) fn bars(unit: &str, bars: &[(String, f64)]) -> Markup {
    let highest = bars.iter().fold(0.0, |a: f64, bar| a.max(bar.1)).max(1e-9);
    let height = 60 + 34 * bars.len() as u32;
    drawn(height, |area| {
        let count = bars.len() as i32;
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(36)
            .y_label_area_size(300)
            .build_cartesian_2d(0.0..highest * 1.12, (0..count).into_segmented())?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc(unit)
            .y_labels(bars.len())
            .x_label_formatter(&|it| short(*it))
            .y_label_formatter(&|segment| match segment {
                SegmentValue::CenterOf(index) => {
                    let index = usize::try_from(count - 1 - index).unwrap_or(usize::MAX);
                    bars.get(index).map_or(String::new(), |bar| bar.0.clone())
                }
                _ => String::new(),
            })
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .draw()?;
        for (index, (_, amount)) in bars.iter().enumerate() {
            let row = count - 1 - index as i32;
            let corners = [
                (0.0, SegmentValue::Exact(row)),
                (*amount, SegmentValue::Exact(row + 1)),
            ];
            let mut bar = Rectangle::new(corners, colour(0).mix(0.75).filled());
            bar.set_margin(6, 6, 0, 0);
            chart.draw_series([bar])?;
            let place = (*amount, SegmentValue::CenterOf(row));
            let style = TextStyle::from((FONT, 13)).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Left,
                plotters::style::text_anchor::VPos::Center,
            ));
            chart.draw_series([Text::new(format!(" {}", short(*amount)), place, style)])?;
        }
        Ok(())
    })
}

/// An amount over time.
pub(super) fn curve(unit: &str, series: &[(String, Vec<(Duration, f64)>)]) -> Markup {
    let points = || series.iter().flat_map(|(_, points)| points);
    let begin = points().map(|it| it.0).min().unwrap_or_default();
    let end = points().map(|it| it.0).max().unwrap_or_default();
    let highest = points().fold(0.0, |a: f64, it| a.max(it.1)).max(1e-9);
    let length = (end - begin).as_secs_f64().max(0.001);
    drawn(280, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(0.0..length, 0.0..highest * 1.15)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .x_desc("seconds")
            .y_desc(unit)
            .x_label_formatter(&|it| format!("{it:.1}"))
            .y_label_formatter(&|it| short(*it))
            .label_style((FONT, 13))
            .axis_desc_style((FONT, 13))
            .draw()?;
        for (index, (name, points)) in series.iter().enumerate() {
            let colour = colour(index);
            let line = points
                .iter()
                .map(|(at, amount)| ((*at - begin).as_secs_f64(), *amount));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)))?
                .label(name.clone())
                .legend(move |(x, y)| {
                    Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled())
                });
        }
        legend(&mut chart)
    })
}

fn legend<'a, C>(chart: &mut ChartContext<'a, SVGBackend<'a>, C>) -> Drawn
where
    C: CoordTranslate,
{
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(RGBColor(0xd5, 0xda, 0xe1))
        .label_font((FONT, 13))
        .draw()?;
    Ok(())
}

/// The label of a logarithmic axis: 1, 2 and 5 of each decade, which have room.
fn decade(number: f64) -> String {
    let scale = 10_f64.powf(number.log10().floor());
    let first = (number / scale).round();
    match first {
        1.0 | 2.0 | 5.0 => {
            let decimals = usize::try_from(-scale.log10().round() as i64).unwrap_or(0);
            format!("{number:.decimals$}")
        }
        _ => String::new(),
    }
}

/// A number, as short as it is clear.
fn short(number: f64) -> String {
    match number.abs() {
        0.0..10.0 if number.fract() != 0.0 => format!("{number:.1}"),
        0.0..10_000.0 => format!("{number:.0}"),
        10_000.0..1_000_000.0 => format!("{:.0} k", number / 1e3),
        _ => format!("{:.1} M", number / 1e6),
    }
}
