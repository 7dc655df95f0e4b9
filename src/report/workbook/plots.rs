//! The plots that the workbook asks for: series with moments marked in them, and figures side by
//! side. Nothing here draws.

use serde::Deserialize;

/// Series of an exercise that belong together: panels one above the other, over the same time.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    pub(crate) exercise: String,
    pub(crate) title: String,
    #[serde(default)]
    pub(crate) moments: Vec<Moment>,
    #[serde(rename = "panel")]
    pub(crate) panels: Vec<WantedPanel>,
}

impl Wanted {
    /// Returns the plot of a series that no other plot shows.
    pub(crate) fn of_series(exercise: &str, series: &str) -> Self {
        let line = Line { label: series.to_owned(), series: series.to_owned() };
        let panel = WantedPanel { axis: series.to_owned(), lines: vec![line] };
        let (exercise, title) = (exercise.to_owned(), series.to_owned());
        Self { exercise, title, moments: Vec::new(), panels: vec![panel] }
    }
}

/// Lines over one axis. Without a title of its own the axis is named after the unit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedPanel {
    #[serde(default)]
    pub(crate) axis: String,
    pub(crate) lines: Vec<Line>,
}

/// A line's label, and the series that it shows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) series: String,
}

/// A moment's label, and the figure that was recorded at it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    pub(crate) label: String,
    pub(crate) seen: String,
}

/// Durations side by side, in milliseconds: groups, and in each group a bar for every name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Bars {
    pub(crate) exercise: String,
    pub(crate) title: String,
    pub(crate) axis: String,
    pattern: String,
    pub(crate) groups: Vec<String>,
    /// The names of the bars in each group.
    #[serde(rename = "bars")]
    pub(crate) names: Vec<String>,
}

impl Bars {
    /// Returns the name of the figure that a bar shows: `{group}` and `{bar}` in the pattern are
    /// replaced.
    pub(crate) fn figure(&self, group: &str, bar: &str) -> String {
        self.pattern.replace("{group}", group).replace("{bar}", bar)
    }
}
