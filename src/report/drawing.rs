//! A plot as plain data: panels, lines, bars and marks. Nothing here reads records or draws.

/// A plot: panels one above the other, over the same time.
pub(super) struct Plot {
    pub(super) exercise: String,
    pub(super) title: String,
    pub(super) panels: Vec<Panel>,
    pub(super) marks: Vec<Mark>,
    /// The end of the time axis, in seconds; it begins at 0.
    pub(super) end: f64,
}

/// A part of a plot with an axis of its own.
pub(super) struct Panel {
    pub(super) axis: String,
    pub(super) unit: String,
    pub(super) shape: Shape,
}

/// The content of a panel.
pub(super) enum Shape {
    /// Lines: names, and values over seconds.
    Lines(Vec<(String, Vec<(f64, f64)>)>),
    /// Bars: groups, and for each name one value in every group.
    Bars { groups: Vec<String>, bars: Vec<(String, Vec<f64>)> },
}

/// A moment or a period of a plot, in its seconds.
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) from: f64,
    pub(super) to: f64,
}

impl Plot {
    /// Returns the number of marks with different names.
    pub(super) fn names(&self) -> u32 {
        let mut names: Vec<_> = self.marks.iter().map(|mark| &mark.label).collect();
        names.sort_unstable();
        names.dedup();
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    }
}

impl Panel {
    /// Returns the title of its axis, with the unit.
    pub(super) fn title(&self, unit: &str) -> String {
        if self.axis.is_empty() { unit.to_owned() } else { format!("{}, {unit}", self.axis) }
    }

    /// Returns the points of its lines; none for bars.
    pub(super) fn lines(&mut self) -> impl Iterator<Item = &mut Vec<(f64, f64)>> {
        let lines = match &mut self.shape {
            Shape::Lines(lines) => lines.as_mut_slice(),
            Shape::Bars { .. } => &mut [],
        };
        lines.iter_mut().map(|(_, points)| points)
    }
}
