//! Which plots there are, and what each shows: series of the records, with what was broken on purpose
//! marked, and figures side by side. It draws nothing.

use std::time::Duration;

use super::run::{Measured, Run};
use super::runs::Runs;
use super::svg;
use crate::record::{Event, Reading};

/// Something to draw: panels one above the other, over the same time.
pub(super) struct Plot {
    pub(super) exercise: String,
    pub(super) title: String,
    pub(super) panels: Vec<Panel>,
    pub(super) marks: Vec<Mark>,
    /// In seconds; they begin at 0.
    pub(super) end: f64,
}

pub(super) struct Panel {
    pub(super) axis: String,
    pub(super) unit: String,
    pub(super) shape: Shape,
}

pub(super) enum Shape {
    /// Names, and values over seconds.
    Lines(Vec<(String, Vec<(f64, f64)>)>),
    /// Groups, and for each of the names one value in a group.
    Bars { groups: Vec<String>, bars: Vec<(String, Vec<f64>)> },
}

/// A moment or a while of a plot, in its seconds.
pub(super) struct Mark {
    pub(super) label: String,
    pub(super) from: f64,
    pub(super) to: f64,
}

/// Series that belong together.
pub(super) struct Wanted {
    pub(super) exercise: &'static str,
    title: &'static str,
    /// The title of each panel's axis; and in it the names of lines and the series they show.
    pub(super) panels: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Moments: what a plot calls them, and the figure that was noted then.
    pub(super) moments: &'static [(&'static str, &'static str)],
}

pub(super) const WANTED: [Wanted; 11] = [
    Wanted {
        exercise: "01@bulk_inserts",
        title: "Lag while rows are inserted in bulk",
        panels: &[("lag", &[("lag", "lag, sampled every 5 ms")])],
        moments: &[],
    },
    Wanted {
        exercise: "05@with_a_slot",
        title: "An interruption: what the slot holds, and lag",
        panels: &[
            ("WAL held by the slot", &[("WAL held by the slot", "WAL held by the slot over time")]),
            ("lag, while connected", &[("lag", "lag")]),
        ],
        moments: &[
            ("primary notices", "until the primary noticed"),
            ("all there", "until the standby had everything"),
        ],
    },
    Wanted {
        exercise: "05@flapping",
        title: "Lag through short cuts, under write load",
        panels: &[("lag", &[("lag", "lag")])],
        moments: &[],
    },
    under_pgbench("06@pgbench_load_one_client", "One client: transactions, WAL and lag"),
    under_pgbench("06@pgbench_load_four_clients", "Four clients: transactions, WAL and lag"),
    under_pgbench("06@pgbench_load_sixteen_clients", "Sixteen clients: transactions, WAL and lag"),
    Wanted {
        exercise: "06@a_million_rows",
        title: "WAL and lag while a million rows are inserted",
        panels: &[
            ("WAL written", &[("WAL written", "WAL written over time")]),
            ("lag", &[("lag", "lag over time")]),
        ],
        moments: &[],
    },
    Wanted {
        exercise: "06@cannot_keep_up",
        title: "Lag while replay is held back, and after",
        panels: &[("lag", &[("lag", "lag over time")])],
        moments: &[],
    },
    Wanted {
        exercise: "07@added_under_load",
        title: "Two standbys, replay paused on one of them",
        panels: &[("lag", &[("standby1", "lag of standby1"), ("standby2", "lag of standby2")])],
        moments: &[],
    },
    drilled("10@drill", "The drill, as clients saw it"),
    drilled("10@drill_behind", "The drill with a standby that is behind, as clients saw it"),
];

const fn under_pgbench(exercise: &'static str, title: &'static str) -> Wanted {
    Wanted {
        exercise,
        title,
        panels: &[
            ("", &[("transactions", "transactions per second over time")]),
            ("WAL written", &[("WAL written", "WAL written over time")]),
            ("lag", &[("lag", "lag over time")]),
        ],
        moments: &[],
    }
}

const fn drilled(exercise: &'static str, title: &'static str) -> Wanted {
    Wanted {
        exercise,
        title,
        panels: &[("", &[("orders acked", "orders acked over time")])],
        moments: &[
            ("crash", "time before the crash"),
            ("noticed", "detection"),
            ("promoted", "promotion"),
            ("first ack", "failover"),
            ("rejoined", "recovery"),
        ],
    }
}

/// Times that a commit takes.
const LEVELS: &str = "08@commit_levels";
const LEVEL_NAMES: [&str; 5] = ["off", "local", "remote_write", "on", "remote_apply"];
const LINKS: [&str; 2] = ["direct link", "slow link"];

/// A plot, drawn.
pub(super) struct Drawn {
    pub(super) exercise: String,
    pub(super) title: String,
    pub(super) file: String,
    pub(super) svg: String,
}

/// The plots of the journal's runs, those that did not pass included: they show how far it came.
pub(super) fn all(runs: &Runs) -> Vec<Drawn> {
    let drawn = |run: &Run| {
        let plots = of(run).into_iter().enumerate();
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

/// The plots of a run. A series that no plot asks for has its own.
fn of(run: &Run) -> Vec<Plot> {
    let exercise = run.exercise();
    let wanted = WANTED.iter().filter(|wanted| wanted.exercise == exercise);
    let mut plots: Vec<_> = wanted.clone().filter_map(|wanted| wanted.plot(run)).collect();
    let shown: Vec<_> = wanted
        .flat_map(|wanted| wanted.panels.iter())
        .flat_map(|(_, lines)| lines.iter().map(|(_, series)| *series))
        .collect();
    let mut others: Vec<_> = series(run).map(|(one, ..)| one.name).collect();
    others.sort_unstable();
    others.dedup();
    for other in others.into_iter().filter(|other| !shown.contains(other)) {
        plots.extend(plot(run, other, &[(other, &[(other, other)])], &[]));
    }
    plots.extend((exercise == LEVELS).then(|| commit_levels(run)).flatten());
    plots
}

impl Wanted {
    fn plot(&self, run: &Run) -> Option<Plot> {
        plot(run, self.title, self.panels, self.moments)
    }
}

type Asked<'a> = (&'a str, &'a [(&'a str, &'a str)]);

fn plot(run: &Run, title: &str, asked: &[Asked<'_>], moments: &[(&str, &str)]) -> Option<Plot> {
    let panels = asked.iter().filter_map(|(axis, lines)| panel(run, axis, lines));
    let mut panels: Vec<_> = panels.collect();
    let mut all: Vec<_> = panels.iter_mut().flat_map(Panel::lines).collect();
    let began = all.iter().filter_map(|line| Some(line.first()?.0)).reduce(f64::min)?;
    let ended = all.iter().filter_map(|line| Some(line.last()?.0)).reduce(f64::max)?;
    for (at, _) in all.iter_mut().flat_map(|line| line.iter_mut()) {
        *at -= began;
    }
    // Before format 2 a series did not say when it began.
    let is_placed = run.begin.format >= 2 && !repeats(run, asked);
    let moments = noted(run, moments).filter(|_| is_placed).collect::<Vec<_>>();
    let ended = moments.iter().map(|mark| mark.to).fold(ended, f64::max);
    let mut marks: Vec<_> = faults(run).filter(|_| is_placed).chain(moments).collect();
    marks.retain(|mark| mark.to >= began && mark.from <= ended);
    marks.sort_by(|one, other| one.from.total_cmp(&other.from));
    for mark in &mut marks {
        mark.from = mark.from.max(began) - began;
        mark.to = mark.to.min(ended) - began;
    }
    let (exercise, title) = (run.exercise(), title.to_owned());
    Some(Plot { exercise, title, panels, marks, end: ended - began })
}

fn panel(run: &Run, axis: &str, asked: &[(&str, &str)]) -> Option<Panel> {
    let of_name = |name: &str| series(run).filter(move |(one, ..)| one.name == name).count();
    let mut unit = String::new();
    let mut lines = Vec::new();
    for (line, wanted) in asked {
        let many = of_name(wanted) > 1;
        for (one, points, its_unit) in series(run).filter(|(one, ..)| one.name == *wanted) {
            its_unit.clone_into(&mut unit);
            let mut points = points.to_vec();
            if many {
                let began = points.first().map_or(0.0, |(at, _)| *at);
                for (at, _) in &mut points {
                    *at -= began;
                }
            }
            lines.push((if many { one.step } else { line }.to_owned(), points));
        }
    }
    lines.retain(|(_, points)| points.len() > 1);
    let shape = Shape::Lines(lines);
    (!unit.is_empty()).then(|| Panel { axis: axis.to_owned(), unit, shape })
}

impl Plot {
    /// How many marks have a name of their own.
    pub(super) fn names(&self) -> u32 {
        let mut names: Vec<_> = self.marks.iter().map(|mark| &mark.label).collect();
        names.sort_unstable();
        names.dedup();
        u32::try_from(names.len()).unwrap_or(u32::MAX)
    }
}

impl Panel {
    /// The title of its axis, with the unit.
    pub(super) fn title(&self, unit: &str) -> String {
        if self.axis.is_empty() { unit.to_owned() } else { format!("{}, {unit}", self.axis) }
    }

    fn lines(&mut self) -> impl Iterator<Item = &mut Vec<(f64, f64)>> {
        let lines = match &mut self.shape {
            Shape::Lines(lines) => lines.as_mut_slice(),
            Shape::Bars { .. } => &mut [],
        };
        lines.iter_mut().map(|(_, points)| points)
    }
}

/// A series that was taken in several steps is drawn once for each, from its own begin: there is no
/// common time for marks.
fn repeats(run: &Run, asked: &[Asked<'_>]) -> bool {
    let names = asked.iter().flat_map(|(_, lines)| lines.iter().map(|(_, name)| *name));
    names.into_iter().any(|name| series(run).filter(|(one, ..)| one.name == name).count() > 1)
}

fn series(run: &Run) -> impl Iterator<Item = (Measured<'_>, &[(f64, f64)], &str)> {
    run.measured().filter_map(|one| match one.reading {
        Reading::Series(points, unit) => Some((one, points.as_slice(), unit.as_str())),
        _ => None,
    })
}

/// What was broken on purpose, from when to when.
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

fn noted(run: &Run, moments: &[(&str, &str)]) -> impl Iterator<Item = Mark> {
    let mark = |(label, figure): &(&str, &str)| {
        let at = run.measured().filter(|one| one.name == *figure).last()?.at.as_secs_f64();
        Some(Mark { label: (*label).to_owned(), from: at, to: at })
    };
    moments.iter().filter_map(mark)
}

fn commit_levels(run: &Run) -> Option<Plot> {
    let millis = |level: &str, link: &str| {
        let name = format!("commit, {level}, {link}, median");
        run.measured().find_map(|one| match one.reading {
            #[expect(clippy::cast_precision_loss, reason = "no commit takes so long")]
            Reading::Micros(micros) if one.name == name => Some(*micros as f64 / 1000.0),
            _ => None,
        })
    };
    let there = |level: &&str| LINKS.iter().any(|link| millis(level, link).is_some());
    let groups: Vec<_> = LEVEL_NAMES.into_iter().filter(there).collect();
    let values = |link: &str| -> Vec<f64> {
        groups.iter().map(|level| millis(level, link).unwrap_or(0.0)).collect()
    };
    let bars = LINKS.map(|link| (link.to_owned(), values(link))).to_vec();
    let shape = Shape::Bars { groups: groups.iter().copied().map(str::to_owned).collect(), bars };
    let panel = Panel { axis: "a commit takes".to_owned(), unit: "ms".to_owned(), shape };
    (!groups.is_empty()).then(|| Plot {
        exercise: run.exercise(),
        title: "What a commit waits for: median by synchronous_commit".to_owned(),
        panels: vec![panel],
        marks: Vec::new(),
        end: 0.0,
    })
}
