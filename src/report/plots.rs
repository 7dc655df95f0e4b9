//! The plots of runs: series of their records with the faults marked, and figures side by side, as
//! the workbook asks. No exercise is named here.

use std::time::Duration;

use super::drawing::{Mark, Panel, Plot, Shape};
use super::run::{Measured, Run};
use super::runs::Runs;
use super::svg;
use super::workbook::Workbook;
use super::workbook::plots::{Bars, Line, Moment, Wanted, WantedPanel};
use crate::record::event::Event;
use crate::record::reading::Reading;

/// A drawn plot.
pub(super) struct Drawn {
    pub(super) exercise: String,
    pub(super) title: String,
    pub(super) file: String,
    pub(super) svg: String,
}

/// Returns the plots of the journal's runs. Runs that did not pass are included: a plot shows how
/// far the run came.
pub(super) fn all(runs: &Runs, workbook: &Workbook) -> Vec<Drawn> {
    let drawn = |run: &Run| {
        let plots = of(run, workbook).into_iter().enumerate();
        let drawn = plots.filter_map(|(index, plot)| {
            let svg = svg::draw(&plot)?;
            let name = plot.exercise.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
            let (exercise, title) = (plot.exercise, plot.title);
            Some(Drawn { exercise, title, file: format!("{name}-{}.svg", index + 1), svg })
        });
        drawn.collect::<Vec<_>>()
    };
    runs.journal().flat_map(drawn).collect()
}

/// Returns the plots of a run. A series that no plot asks for has a plot of its own.
fn of(run: &Run, workbook: &Workbook) -> Vec<Plot> {
    let exercise = run.exercise();
    let mut plots: Vec<_> =
        workbook.plots(&exercise).filter_map(|wanted| plot(run, wanted)).collect();
    let panels = workbook.plots(&exercise).flat_map(|wanted| &wanted.panels);
    let shown: Vec<_> =
        panels.flat_map(|panel| &panel.lines).map(|line| line.series.as_str()).collect();
    let mut others: Vec<_> = series(run).map(|(one, ..)| one.name).collect();
    others.sort_unstable();
    others.dedup();
    let others = others.into_iter().filter(|other| !shown.contains(other));
    plots.extend(others.filter_map(|other| plot(run, &Wanted::of_series(&exercise, other))));
    plots.extend(workbook.bars(&exercise).filter_map(|wanted| bars(run, wanted)));
    plots
}

fn plot(run: &Run, wanted: &Wanted) -> Option<Plot> {
    let panels = wanted.panels.iter().filter_map(|wanted| panel(run, wanted));
    let mut panels: Vec<_> = panels.collect();
    let mut all: Vec<_> = panels.iter_mut().flat_map(Panel::lines).collect();
    let began = all.iter().filter_map(|line| Some(line.first()?.0)).reduce(f64::min)?;
    let ended = all.iter().filter_map(|line| Some(line.last()?.0)).reduce(f64::max)?;
    for (at, _) in all.iter_mut().flat_map(|line| line.iter_mut()) {
        *at -= began;
    }
    // Before format 2 a series did not record when it began.
    let is_placed = run.begin.format >= 2 && !repeats(run, &wanted.panels);
    let moments = noted(run, &wanted.moments).filter(|_| is_placed).collect::<Vec<_>>();
    let ended = moments.iter().map(|mark| mark.to).fold(ended, f64::max);
    let mut marks: Vec<_> = faults(run).filter(|_| is_placed).chain(moments).collect();
    marks.retain(|mark| mark.to >= began && mark.from <= ended);
    marks.sort_by(|one, other| one.from.total_cmp(&other.from));
    for mark in &mut marks {
        mark.from = mark.from.max(began) - began;
        mark.to = mark.to.min(ended) - began;
    }
    let (exercise, title) = (run.exercise(), wanted.title.clone());
    Some(Plot { exercise, title, panels, marks, end: ended - began })
}

fn panel(run: &Run, wanted: &WantedPanel) -> Option<Panel> {
    let of_name = |name: &str| series(run).filter(move |(one, ..)| one.name == name).count();
    let mut unit = String::new();
    let mut lines = Vec::new();
    for Line { label, series: name } in &wanted.lines {
        let many = of_name(name) > 1;
        for (one, points, its_unit) in series(run).filter(|(one, ..)| one.name == name) {
            its_unit.clone_into(&mut unit);
            let mut points = points.to_vec();
            if many {
                let began = points.first().map_or(0.0, |(at, _)| *at);
                for (at, _) in &mut points {
                    *at -= began;
                }
            }
            lines.push((if many { one.step } else { label }.to_owned(), points));
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    let shape = Shape::Lines(lines);
    (!unit.is_empty()).then(|| Panel { axis: wanted.axis.clone(), unit, shape })
}

/// Tells whether a series was taken in several steps. It is then drawn once for each step, from its
/// own beginning, without marks: the steps have no common time.
fn repeats(run: &Run, panels: &[WantedPanel]) -> bool {
    let mut names = panels.iter().flat_map(|panel| &panel.lines).map(|line| &line.series);
    names.any(|name| series(run).filter(|(one, ..)| one.name == name).count() > 1)
}

fn series(run: &Run) -> impl Iterator<Item = (Measured<'_>, &[(f64, f64)], &str)> {
    run.measured().filter_map(|one| match one.reading {
        Reading::Series(points, unit) => Some((one, points.as_slice(), unit.as_str())),
        _ => None,
    })
}

/// Returns the faults of a run, from when to when.
fn faults(run: &Run) -> impl Iterator<Item = Mark> {
    let mut open: Vec<Mark> = Vec::new();
    let mut closed = Vec::new();
    for entry in &run.entries {
        let at = Duration::from_millis(entry.at_ms).as_secs_f64();
        match &entry.event {
            Event::Fault { what } => {
                open.push(Mark { label: what.clone(), from: at, to: f64::MAX });
            }
            Event::Heal { what } => {
                if let Some(index) = open.iter().position(|mark| mark.label == *what) {
                    closed.push(Mark { to: at, ..open.remove(index) });
                }
            }
            _ => {}
        }
    }
    let heals = match closed.as_slice() {
        [one] => vec![Mark { label: "healed".to_owned(), from: one.to, to: one.to }],
        _ => Vec::new(),
    };
    closed.into_iter().chain(heals).chain(open)
}

fn noted(run: &Run, moments: &[Moment]) -> impl Iterator<Item = Mark> {
    let mark = |moment: &Moment| {
        let noted = run.measured().filter(|one| one.name == moment.seen).last()?;
        let at = noted.at.as_secs_f64();
        Some(Mark { label: moment.label.clone(), from: at, to: at })
    };
    moments.iter().filter_map(mark)
}

/// Returns a plot of durations side by side. A group without any of them is left out.
fn bars(run: &Run, wanted: &Bars) -> Option<Plot> {
    let millis = |group: &str, bar: &str| millis(run, &wanted.figure(group, bar));
    let is_there = |group: &&String| wanted.names.iter().any(|bar| millis(group, bar).is_some());
    let groups: Vec<_> = wanted.groups.iter().filter(is_there).cloned().collect();
    let values = |bar: &String| {
        let values = groups.iter().map(|group| millis(group, bar).unwrap_or(0.0));
        (bar.clone(), values.collect())
    };
    let bars = wanted.names.iter().map(values).collect();
    let is_empty = groups.is_empty();
    let shape = Shape::Bars { groups, bars };
    let panel = Panel { axis: wanted.axis.clone(), unit: "ms".to_owned(), shape };
    (!is_empty).then(|| Plot {
        exercise: run.exercise(),
        title: wanted.title.clone(),
        panels: vec![panel],
        marks: Vec::new(),
        end: 0.0,
    })
}

/// Returns a duration that a run measured, in milliseconds.
fn millis(run: &Run, name: &str) -> Option<f64> {
    run.measured().find_map(|one| match one.reading {
        #[expect(clippy::cast_precision_loss, reason = "no run takes so long")]
        Reading::Micros(micros) if one.name == name => Some(*micros as f64 / 1000.0),
        _ => None,
    })
}
