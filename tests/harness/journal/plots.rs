//! The plots of the journal: their points, bars and marks stand where the values of the record say. Method:
//! the paths and texts of the SVG, read back through the labels of its own axes.

use pretty_assertions::assert_eq;
use regex::Regex;
use replication_lab::record::{Event, Outcome, Reading};
use replication_lab::report::{self, Workbook};

use super::{THIRD, begin, record_at, render, workbook_parts};

/// A scenario with bars, and with a plot that marks a moment.
const PLOTTED: &str = r#"
plot = [{ exercise = "33@third", title = "Two lines", moments = [{ label = "promoted", seen = "promotion" }], panel = [
    { axis = "rows", lines = [{ label = "on one", series = "one" }, { label = "on other", series = "other" }] },
] }]
bars = [{ exercise = "33@third", title = "Times", axis = "median", pattern = "{bar} of {group}", groups = ["x", "y", "z"], bars = ["on", "off"] }]
"#;

const LINE: &str = "#0969DA";
const OTHER_LINE: &str = "#BC4C00";
const MARK: &str = "#D29922";

/// Each point of a series has its time and its value on the axes, from the first point on, in the unit that
/// suits the largest; a fault is marked from its begin to its end.
#[test]
fn a_plot_shows_the_points_of_its_series() {
    let points = [(2.0, 500.0), (2.1, 1_000.0), (2.3, 4_000.0), (2.5, 2_000.0)];
    let events = [
        (2_100, Event::Fault { what: "cut".to_owned() }),
        (2_400, Event::Heal { what: "cut".to_owned() }),
        (2_600, series("lag", &points, "bytes")),
        (2_700, Event::End(Outcome::Passed)),
    ];
    let svg = plot(events, "33_third-1.svg", "");
    let axes = Axes::of(&svg);
    assert_eq!(axes.read(&svg, LINE), [[(0.0, 0.5), (0.1, 1.0), (0.3, 4.0), (0.5, 2.0)]]);
    let texts = texts(&svg);
    let said: Vec<_> = texts.iter().map(|(_, text)| text.as_str()).collect();
    for text in ["lag, kB", "seconds", "cut", "healed"] {
        assert!(said.contains(&text), "{text:?} is missing in {said:?}");
    }
    let marks = axes.read(&svg, MARK).concat();
    let mut marks: Vec<_> = marks.into_iter().map(|(at, _)| at).collect();
    marks.dedup();
    assert_eq!(marks, [0.1, 0.4]);
}

/// Where nothing was observed for long, no line is drawn.
#[test]
fn a_gap_of_a_series_has_no_line() {
    let points = [(1.0, 1.0), (1.1, 3.0), (1.2, 2.0), (5.0, 4.0), (5.1, 1.0)];
    let events = [(6_000, series("rows", &points, "rows")), (6_001, Event::End(Outcome::Passed))];
    let svg = plot(events, "33_third-1.svg", "");
    let pieces = Axes::of(&svg).read(&svg, LINE);
    let expected = [vec![(0.0, 1.0), (0.1, 3.0), (0.2, 2.0)], vec![(4.0, 4.0), (4.1, 1.0)]];
    assert_eq!(pieces, expected);
}

/// A long series is drawn with fewer points; its largest and its smallest value are among them.
#[test]
fn a_long_series_keeps_its_extremes() {
    let value = |index: u32| match index {
        700 => 90.0,
        1_300 => 10.0,
        _ => 50.0,
    };
    let points: Vec<_> = (0..2_000).map(|index| (f64::from(index) / 100.0, value(index))).collect();
    let events = [(1, series("rows", &points, "rows")), (2, Event::End(Outcome::Passed))];
    let svg = plot(events, "33_third-1.svg", "");
    let drawn = Axes::of(&svg).read(&svg, LINE).concat();
    assert!(drawn.len() < 700, "{} points", drawn.len());
    let at = |wanted: f64| drawn.iter().find(|(_, value)| (value - wanted).abs() < 0.5);
    assert_eq!((at(90.0), at(10.0)), (Some(&(7.0, 90.0)), Some(&(13.0, 10.0))));
}

/// The lines of a panel have their own points; a moment is marked at the time of its figure.
#[test]
fn a_plot_of_the_workbook_has_its_lines_and_moments() {
    let promotion =
        Event::Measure { name: "promotion".to_owned(), reading: Reading::Micros(1), key: false };
    let events = [
        (1_300, promotion),
        (2_000, series("one", &[(1.0, 10.0), (1.2, 30.0), (1.4, 20.0)], "rows")),
        (2_001, series("other", &[(1.1, 40.0), (1.3, 15.0), (1.5, 25.0)], "rows")),
        (2_002, Event::End(Outcome::Passed)),
    ];
    let svg = plot(events, "33_third-1.svg", PLOTTED);
    let axes = Axes::of(&svg);
    assert_eq!(axes.read(&svg, LINE), [[(0.0, 10.0), (0.2, 30.0), (0.4, 20.0)]]);
    assert_eq!(axes.read(&svg, OTHER_LINE), [[(0.1, 40.0), (0.3, 15.0), (0.5, 25.0)]]);
    let mut marks: Vec<_> = axes.read(&svg, MARK).concat().iter().map(|(at, _)| *at).collect();
    marks.dedup();
    assert_eq!(marks, [0.3]);
    let said = texts(&svg);
    for text in ["Two lines", "rows, rows", "on one", "on other", "promoted"] {
        assert!(said.iter().any(|(_, said)| said == text), "{text:?} is missing in {said:?}");
    }
}

/// A bar is as high as its duration, has its value as a label, and stands in its group; a group without a
/// figure is left out.
#[test]
fn bars_have_the_heights_of_their_durations() {
    let of = |name: &str, micros| Event::Measure {
        name: name.to_owned(),
        reading: Reading::Micros(micros),
        key: false,
    };
    let events = [
        (1, of("on of x", 2_000)),
        (2, of("off of x", 8_000)),
        (3, of("on of z", 4_000)),
        (4, of("off of z", 1_000)),
        (5, Event::End(Outcome::Passed)),
    ];
    let svg = plot(events, "33_third-1.svg", PLOTTED);
    let heights = |color: &str| {
        let pattern = format!(
            r#"<rect x="\d+" y="\d+" width="\d+" height="(\d+)" opacity="1" fill="{color}""#
        );
        let rects = captures(&pattern, &svg);
        // The first one is the legend.
        rects.iter().skip(1).map(|height| number(height)).collect::<Vec<_>>()
    };
    let (on, off) = (heights(LINE), heights(OTHER_LINE));
    let per_ms = off[0] / 8.0;
    let millis = |heights: &[f64]| {
        heights.iter().map(|height| (height / per_ms).round()).collect::<Vec<_>>()
    };
    assert_eq!((millis(&on), millis(&off)), (vec![2.0, 4.0], vec![8.0, 1.0]));
    let said = texts(&svg);
    for text in ["Times", "median, ms", "2.0", "8.0", "4.0", "1.0", "x", "z", "on", "off"] {
        assert!(said.iter().any(|(_, said)| said == text), "{text:?} is missing in {said:?}");
    }
    assert!(said.iter().all(|(_, said)| said != "y"), "{said:?}");
}

/// A run without a series has no plot.
#[test]
fn a_run_without_a_series_has_no_plot() {
    let records =
        [record_at(&begin("scenario_33_third@third", "17.2"), [(1, Event::End(Outcome::Passed))])];
    assert_eq!(render(&records).plots, []);
}

fn series(name: &str, points: &[(f64, f64)], unit: &str) -> Event {
    let reading = Reading::Series(points.to_vec(), unit.to_owned());
    Event::Measure { name: name.to_owned(), reading, key: false }
}

/// Returns the plot of this name of one run, for a workbook with these plots.
fn plot(events: impl IntoIterator<Item = (u64, Event)>, name: &str, plots: &str) -> String {
    let records = [record_at(&begin("scenario_33_third@third", "17.2"), events)];
    let third = format!("{THIRD}{plots}");
    let parts = workbook_parts(&third);
    let workbook = Workbook::read(&parts).unwrap_or_else(|e| panic!("{e}"));
    let plots = report::render(&workbook, &records).unwrap_or_else(|e| panic!("{e}")).plots;
    let found = plots.into_iter().find(|(file, _)| file == name);
    found.unwrap_or_else(|| panic!("no plot {name}")).1
}

/// The axes of a plot: from pixels to values.
struct Axes {
    /// Pixel and value of two labels on the axis of time.
    x: [(f64, f64); 2],
    /// Pixel and value of two labels on the other axis.
    y: [(f64, f64); 2],
}

impl Axes {
    fn of(svg: &str) -> Self {
        let labels = texts(svg);
        let ends = |of: &dyn Fn(&str) -> Option<f64>| {
            let read = |(tag, text): &(String, String)| Some((of(tag)?, text.parse().ok()?));
            let all: Vec<(f64, f64)> = labels.iter().filter_map(read).collect();
            let (Some(first), Some(last)) = (all.first(), all.last()) else { panic!("no labels") };
            [*first, *last]
        };
        let pixel = |tag: &str, anchor: &str, name: &str| {
            let is_label = tag.contains(&format!(r#"text-anchor="{anchor}""#));
            let pattern = format!(r#" {name}="(\d+)""#);
            is_label.then(|| captures(&pattern, tag).first().map(|at| number(at)))?
        };
        Self { x: ends(&|tag| pixel(tag, "middle", "x")), y: ends(&|tag| pixel(tag, "end", "y")) }
    }

    /// Returns the points of all lines of a colour, in values of the axes: seconds to a hundredth, and as
    /// much of the other axis as a pixel is.
    fn read(&self, svg: &str, color: &str) -> Vec<Vec<(f64, f64)>> {
        let value = |[one, other]: [(f64, f64); 2], pixel: f64| {
            one.1 + (pixel - one.0) * (other.1 - one.1) / (other.0 - one.0)
        };
        let step = (self.y[1].1 - self.y[0].1) / 8.0;
        let near = |value: f64, step: f64| (value / step).round() * step;
        let point = |point: &str| {
            let (x, y) = point.split_once(',').unwrap_or_default();
            let seconds = (value(self.x, number(x)) * 10.0).round() / 10.0;
            (seconds, near(value(self.y, number(y)), step))
        };
        let pattern = format!(
            r#"<polyline fill="none" opacity="1" stroke="{color}" stroke-width="\d" points="([^"]+)""#
        );
        let lines = captures(&pattern, svg);
        lines.iter().map(|line| line.split_whitespace().map(point).collect()).collect()
    }
}

/// Returns the texts of a plot, each with its tag.
fn texts(svg: &str) -> Vec<(String, String)> {
    let tags = captures("(<text [^>]+>)\n", svg);
    tags.into_iter().zip(captures("<text [^>]+>\n([^\n]+)\n", svg)).collect()
}

/// Returns what the group of a pattern matches, each time.
fn captures(pattern: &str, text: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).unwrap_or_else(|e| panic!("{e}"));
    let group = |found: regex::Captures<'_>| Some(found.get(1)?.as_str().to_owned());
    pattern.captures_iter(text).filter_map(group).collect()
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
}
