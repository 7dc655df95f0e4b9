//! A plot as SVG: labels are text, and a style sheet replaces the few colours in dark mode. Nothing
//! here decides what a plot shows.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::drawing::{Mark, Panel, Plot, Shape};

const WIDTH: u32 = 720;
const HEAD: u32 = 30;
const PANEL: u32 = 210;

const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
const FAINT: RGBColor = RGBColor(0xD8, 0xDE, 0xE4);
const FAULT: RGBColor = RGBColor(0xD2, 0x99, 0x22);
const LINES: [RGBColor; 4] = [
    RGBColor(0x09, 0x69, 0xDA),
    RGBColor(0xBC, 0x4C, 0x00),
    RGBColor(0x1A, 0x7F, 0x37),
    RGBColor(0x82, 0x50, 0xDF),
];

/// The colours in dark mode.
pub(super) const STYLE: &str = "\
@media (prefers-color-scheme: dark) {\
svg.plot [fill='#24292F']{fill:#e6edf3} svg.plot [stroke='#24292F']{stroke:#9198a1} \
svg.plot [stroke='#D8DEE4']{stroke:#30363d} \
svg.plot [fill='#0969DA']{fill:#58a6ff} svg.plot [stroke='#0969DA']{stroke:#58a6ff} \
svg.plot [fill='#BC4C00']{fill:#f0883e} svg.plot [stroke='#BC4C00']{stroke:#f0883e} \
svg.plot [stroke='#1A7F37']{stroke:#3fb950} svg.plot [stroke='#8250DF']{stroke:#bc8cff}}";

/// The result of the plotting library, which writes into a string.
type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws a plot; none where the library cannot draw it.
pub(super) fn draw(plot: &Plot) -> Option<String> {
    let mut svg = String::new();
    let panels = u32::try_from(plot.panels.len()).ok()?;
    draw_into(&mut svg, plot, (WIDTH, HEAD + PANEL * panels)).ok()?;
    let svg = svg.replacen("<svg ", "<svg class=\"plot\" role=\"img\" ", 1);
    let about =
        format!("><title>{}</title><desc>{}</desc>", text(&plot.title), text(&described(plot)));
    Some(svg.replacen('>', &about, 1))
}

/// Returns what a plot shows, for those who do not see it: its panels with their lines or bars.
fn described(plot: &Plot) -> String {
    let panels = plot.panels.iter().map(|panel| {
        let names: Vec<_> = match &panel.shape {
            Shape::Lines(lines) => lines.iter().map(|(name, _)| name.as_str()).collect(),
            Shape::Bars { groups, .. } => groups.iter().map(String::as_str).collect(),
        };
        format!("{}: {}", panel.axis, names.join(", "))
    });
    panels.collect::<Vec<_>>().join("; ")
}

/// Returns a text as markup that shows it.
fn text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Returns a drawn plot as a file of its own.
pub(super) fn alone(svg: &str) -> String {
    svg.replacen('>', &format!("><style>{STYLE}</style>"), 1)
}

fn draw_into(svg: &mut String, plot: &Plot, size: (u32, u32)) -> Drawn {
    let root = SVGBackend::with_string(svg, size).into_drawing_area();
    let bold = ("sans-serif", 18).into_font().style(FontStyle::Bold).color(&INK);
    root.draw_text(&plot.title, &bold, (12, 8))?;
    let (_, below) = root.split_vertically(HEAD);
    let areas = below.split_evenly((plot.panels.len(), 1));
    for (index, (area, panel)) in areas.iter().zip(&plot.panels).enumerate() {
        match &panel.shape {
            Shape::Lines(lines) => draw_lines(area, plot, panel, lines, index)?,
            Shape::Bars { groups, bars } => draw_bars(area, panel, groups, bars)?,
        }
    }
    root.present()?;
    Ok(())
}

fn draw_lines(
    area: &Area<'_>,
    plot: &Plot,
    panel: &Panel,
    lines: &[(String, Vec<(f64, f64)>)],
    index: usize,
) -> Drawn {
    let values = lines.iter().flat_map(|(_, points)| points.iter().map(|(_, value)| *value));
    let largest = values.fold(0.0, f64::max);
    let (factor, unit) = scale(largest, &panel.unit);
    let rows = if index == 0 { f64::from(plot.names()) } else { 0.0 };
    // Leaves room above the lines for the names of marks.
    let top = (largest / factor).max(1e-9) * (1.1 + 0.13 * rows);
    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    let area = below_names(area, &names)?;
    let is_last = index + 1 == plot.panels.len();
    let mut chart =
        frame(&area, (0.0..plot.end.max(1e-3), 0.0..top), if is_last { 40 } else { 24 })?;
    let y = panel.title(&unit);
    axes(&mut chart, (if is_last { "seconds" } else { "" }, &y), (plot.end, top), 8)?;
    draw_marks(&mut chart, &plot.marks, (plot.end, top), index == 0)?;
    for ((_, points), color) in lines.iter().zip(LINES.iter().cycle()) {
        for piece in pieces(points) {
            let piece = thinned(&piece).into_iter().map(|(at, value)| (at, value / factor));
            chart.draw_series(LineSeries::new(piece, color.stroke_width(2)))?;
        }
    }
    Ok(())
}

fn draw_bars(
    area: &Area<'_>,
    panel: &Panel,
    groups: &[String],
    bars: &[(String, Vec<f64>)],
) -> Drawn {
    let top = bars.iter().flat_map(|(_, values)| values).copied().fold(1e-9, f64::max);
    let names: Vec<_> = bars.iter().map(|(name, _)| name.as_str()).collect();
    let area = below_names(area, &names)?;
    let count = f64::from(u32::try_from(groups.len())?);
    let mut chart = frame(&area, (-0.5..count - 0.5, 0.0..top * 1.15), 28)?;
    axes(&mut chart, ("", &panel.title(&panel.unit)), (count, top), 0)?;
    let width = 0.8 / f64::from(u32::try_from(bars.len().max(1))?);
    for ((_, values), (index, color)) in bars.iter().zip((0_u32..).zip(LINES.iter().cycle())) {
        for (group, value) in (0_u32..).zip(values) {
            let left = f64::from(group) - 0.4 + width * f64::from(index);
            let corners = [(left + 0.02, 0.0), (left + width - 0.02, *value)];
            chart.draw_series([Rectangle::new(corners, color.filled())])?;
            let label = decimals(*value, *value);
            write(
                &mut chart,
                label,
                (left + width / 2.0, *value),
                (0, -2),
                (HPos::Center, VPos::Bottom),
            )?;
        }
    }
    for (group, name) in (0_u32..).zip(groups) {
        write(
            &mut chart,
            name.clone(),
            (f64::from(group), 0.0),
            (0, 7),
            (HPos::Center, VPos::Top),
        )?;
    }
    Ok(())
}

/// Draws the legend, where there are several lines or bars, and returns the area below it.
fn below_names<'a>(
    area: &Area<'a>,
    names: &[&str],
) -> Result<Area<'a>, Box<dyn std::error::Error>> {
    if names.len() < 2 {
        return Ok(area.clone());
    }
    let (head, below) = area.split_vertically(20);
    let mut left = 84;
    for (name, color) in names.iter().zip(LINES.iter().cycle()) {
        head.draw(&Rectangle::new([(left, 6), (left + 14, 14)], color.filled()))?;
        head.draw_text(name, &font(15), (left + 20, 4))?;
        left += 40 + 7 * i32::try_from(name.chars().count())?;
    }
    Ok(below)
}

fn font(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

type Ranges = (std::ops::Range<f64>, std::ops::Range<f64>);

fn frame<'a, 'b>(
    area: &'a Area<'b>,
    (x, y): Ranges,
    below: u32,
) -> Result<Chart<'a, 'b>, Box<dyn std::error::Error>> {
    let mut chart = ChartBuilder::on(area);
    chart.margin_left(12).margin_right(16).margin_top(6);
    chart.x_label_area_size(below).y_label_area_size(66);
    Ok(chart.build_cartesian_2d(x, y)?)
}

fn axes(
    chart: &mut Chart<'_, '_>,
    (x, y): (&str, &str),
    (end, top): (f64, f64),
    labels: usize,
) -> Drawn {
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(INK)
        .x_labels(labels)
        .y_labels(5)
        .x_desc(x)
        .y_desc(y)
        .label_style(font(15))
        .axis_desc_style(font(15))
        .x_label_formatter(&|value| decimals(*value, end))
        .y_label_formatter(&|value| decimals(*value, top))
        .draw()?;
    Ok(())
}

/// Draws marks: a shaded area for a period, a line for a moment. Of several marks of the same name
/// the first one is labelled.
fn draw_marks(
    chart: &mut Chart<'_, '_>,
    marks: &[Mark],
    (end, top): (f64, f64),
    has_names: bool,
) -> Drawn {
    let mut named = Vec::new();
    for mark in marks {
        let corners = [(mark.from, 0.0), (mark.to, top)];
        chart.draw_series([Rectangle::new(corners, FAULT.mix(0.18).filled())])?;
        for at in [mark.from, mark.to] {
            chart.draw_series([PathElement::new([(at, 0.0), (at, top)], FAULT)])?;
        }
        if !has_names || named.contains(&&mark.label) {
            continue;
        }
        let label = match marks.iter().filter(|other| other.label == mark.label).count() {
            1 => mark.label.clone(),
            many => format!("{}, {many} times", mark.label),
        };
        // Beyond the middle of the plot a name stands to the left of its mark, so that it fits.
        let (side, offset) =
            if mark.from > end * 0.6 { (HPos::Right, -4) } else { (HPos::Left, 4) };
        let down = 2 + 14 * i32::try_from(named.len())?;
        write(chart, label, (mark.from, top), (offset, down), (side, VPos::Top))?;
        named.push(&mark.label);
    }
    Ok(())
}

fn write(
    chart: &mut Chart<'_, '_>,
    text: String,
    at: (f64, f64),
    offset: (i32, i32),
    (side, height): (HPos, VPos),
) -> Drawn {
    let style = font(14).pos(Pos::new(side, height));
    chart.draw_series([EmptyElement::at(at) + Text::new(text, offset, style)])?;
    Ok(())
}

/// Returns the divisor with which the largest value reads well, and the unit after the division.
fn scale(largest: f64, unit: &str) -> (f64, String) {
    let (per, is_bytes) = match unit {
        "bytes" => ("", true),
        "bytes per second" => ("/s", true),
        other => (other, false),
    };
    if !is_bytes {
        return (1.0, per.to_owned());
    }
    let steps = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    let (factor, name) =
        steps.into_iter().find(|(factor, _)| largest >= *factor).unwrap_or((1.0, "B"));
    (factor, format!("{name}{per}"))
}

/// Returns a number with as many decimals as distinguish the numbers up to the largest.
fn decimals(value: f64, largest: f64) -> String {
    match largest {
        _ if value == 0.0 => "0".to_owned(),
        small if small < 1.0 => format!("{value:.2}"),
        middle if middle < 20.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Returns the parts of a series that are far apart: between them nothing was observed, so no line
/// is drawn.
fn pieces(points: &[(f64, f64)]) -> Vec<Vec<(f64, f64)>> {
    let mut gaps: Vec<_> = points
        .windows(2)
        .filter_map(|pair| match pair {
            [(one, _), (other, _)] => Some(other - one),
            _ => None,
        })
        .collect();
    gaps.sort_unstable_by(f64::total_cmp);
    let usual = gaps.get(gaps.len() / 2).copied().unwrap_or(0.0);
    let far = (usual * 20.0).max(0.2);
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for point in points {
        match pieces.last_mut() {
            Some(piece) if point.0 - last <= far => piece.push(*point),
            _ => pieces.push(vec![*point]),
        }
        last = point.0;
    }
    pieces
}

/// Returns no more points than can be seen; of points that coincide, the largest and the smallest.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    const SEEN: usize = 300;
    if points.len() <= 2 * SEEN {
        return points.to_vec();
    }
    let by_value = |one: &&(f64, f64), other: &&(f64, f64)| one.1.total_cmp(&other.1);
    let both = points.chunks(points.len().div_ceil(SEEN)).flat_map(|few| {
        let ends = [few.iter().min_by(by_value), few.iter().max_by(by_value)];
        let mut ends: Vec<_> = ends.into_iter().flatten().copied().collect();
        ends.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
        ends
    });
    both.collect()
}
