//! The progress of a run: on a terminal the current scenario, its step, the time and a bar for the
//! whole run; elsewhere plain lines. Nothing is decided here.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use console::style;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::summary::Ended;

/// The output for the progress of a run.
pub(super) enum View {
    /// A terminal that is redrawn.
    Live(Live),
    /// Lines on standard output.
    Plain,
    /// No output but failures.
    Quiet,
}

pub(super) struct Live {
    screen: MultiProgress,
    now: ProgressBar,
    whole: ProgressBar,
}

impl View {
    pub(super) fn new(quiet: bool, in_the_open: bool) -> Self {
        match (quiet, std::io::stderr().is_terminal() && !in_the_open) {
            (true, _) => Self::Quiet,
            (false, true) => Self::Live(Live::new()),
            (false, false) => Self::Plain,
        }
    }

    /// Shows what happens before the scenarios: a build, a pull.
    pub(super) fn preparing(&self, what: &str) {
        if let Self::Live(live) = self {
            live.now.set_message(what.to_owned());
        }
    }

    /// Shows the number of scenarios to run.
    pub(super) fn begins(&self, count: usize) {
        match self {
            Self::Live(live) => {
                live.whole.set_length(count as u64);
                live.whole.reset_elapsed();
                live.whole.enable_steady_tick(Duration::from_millis(200));
            }
            Self::Plain => print(&format!("scenarios to run, one at a time: {count}")),
            Self::Quiet => {}
        }
    }

    /// Shows that the scenarios after it run at another place, such as `container 17`.
    pub(super) fn reaches(&self, place: &str) {
        match self {
            Self::Live(live) => drop(live.screen.println(style(place).bold().to_string())),
            Self::Plain => print(place),
            Self::Quiet => {}
        }
    }

    /// Shows the step of the current scenario.
    pub(super) fn doing(&self, scenario: &str, step: &str) {
        if let Self::Live(live) = self {
            live.now.set_message(format!("{scenario}  {}", style(step).dim()));
        }
    }

    /// Shows that a scenario begins.
    pub(super) fn starts(&self, scenario: &str) {
        if let Self::Live(live) = self {
            live.now.reset_elapsed();
            live.now.set_message(scenario.to_owned());
        }
    }

    /// Shows how a scenario ended; `failure` is its output, if it failed.
    pub(super) fn ended(
        &self,
        scenario: &str,
        took: Duration,
        ended: &Ended,
        failure: Option<&str>,
    ) {
        let (word, why) = match ended {
            Ended::Passed => (style("passed").green(), String::new()),
            Ended::Failed => (style("FAILED").red().bold(), String::new()),
            Ended::Skipped(why) => (style("skipped").yellow(), format!(": {why}")),
        };
        let row = format!("{word}  {:>6.1} s  {scenario}{why}", took.as_secs_f64());
        match self {
            Self::Live(live) => {
                let _ = live.screen.println(row);
                live.whole.inc(1);
            }
            Self::Plain => print(&row),
            Self::Quiet if failure.is_some() => print(&row),
            Self::Quiet => {}
        }
        if let Some(output) = failure {
            self.say(output);
        }
    }

    /// Stops drawing, so that another program can use the terminal.
    pub(super) fn hide(&self) {
        if let Self::Live(live) = self {
            live.screen.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Draws again.
    pub(super) fn show(&self) {
        if let Self::Live(live) = self {
            live.screen.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// Prints a text that must not be missed.
    pub(super) fn say(&self, text: &str) {
        match self {
            Self::Live(live) => drop(live.screen.println(text)),
            Self::Plain | Self::Quiet => {
                let _ = writeln!(std::io::stderr(), "{text}");
            }
        }
    }

    /// Ends the drawing.
    pub(super) fn ends(&self) {
        if let Self::Live(live) = self {
            live.now.finish_and_clear();
            live.whole.finish_and_clear();
        }
    }
}

impl Live {
    fn new() -> Self {
        let screen = MultiProgress::new();
        let style = |template: &str| {
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
        };
        let now = ProgressBar::new_spinner().with_style(style("{spinner} {elapsed:>4} {wide_msg}"));
        let whole = ProgressBar::new(0).with_style(style("  {bar:30} {pos} of {len}, {elapsed}"));
        let (now, whole) = (screen.add(now), screen.add(whole));
        now.enable_steady_tick(Duration::from_millis(100));
        Self { screen, now, whole }
    }
}

fn print(row: &str) {
    let _ = writeln!(std::io::stdout(), "{row}");
}
