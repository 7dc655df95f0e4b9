//! The files beside the journal and the scenarios: the runbook of the drill, the notebook line by
//! line, the SQL files that were run. Each is there only where the runs give it something to say.

use std::collections::BTreeSet;

use askama::Template;

use super::lines;
use super::run::{Run, date};
use super::runs::Runs;
use super::tables::Table;
use super::workbook::Workbook;

/// A file of the report beside the journal.
pub(super) struct Appendix {
    pub(super) title: &'static str,
    pub(super) file: &'static str,
    pub(super) text: String,
}

#[derive(Template)]
#[template(path = "runbook.md")]
struct Runbook {
    exercise: String,
    postgres: String,
    date: String,
    steps: Vec<Step>,
}

/// A step of the runbook.
#[derive(Default)]
struct Step {
    title: String,
    typed: Vec<String>,
    shown: Vec<String>,
    took: Vec<String>,
}

#[derive(Template)]
#[template(path = "notebook.md")]
struct Notebook {
    lines: Table,
}

#[derive(Template)]
#[template(path = "sql.md")]
struct Sql<'a> {
    files: Vec<(&'a str, Vec<&'a str>)>,
}

/// Renders all of them.
pub(super) fn all(runs: &Runs, workbook: &Workbook) -> askama::Result<Vec<Appendix>> {
    let drill = workbook.runbook.as_deref().and_then(|exercise| runs.of(exercise));
    let runbook = drill.filter(|run| run.passed()).map(|run| {
        let text = runbook(run).render()?;
        Ok(Appendix { title: "Runbook: a primary that does not answer", file: "runbook.md", text })
    });
    let notebook = (!workbook.notebook.is_empty()).then(|| {
        let text = Notebook { lines: lines::table(runs, workbook) }.render()?;
        Ok(Appendix { title: "The notebook, line by line", file: "notebook.md", text })
    });
    let files = files(runs, workbook);
    let sql = (!files.is_empty()).then(|| {
        let text = Sql { files }.render()?;
        Ok(Appendix { title: "SQL files that exercises run", file: "sql.md", text })
    });
    [runbook, notebook, sql].into_iter().flatten().collect()
}

/// Returns the steps of a drill after its first one, which builds the servers.
fn runbook(run: &Run) -> Runbook {
    let facts: BTreeSet<_> = run.fact_names().collect();
    let mut steps: Vec<Step> = Vec::new();
    for line in run.page() {
        if let Some((_, title)) = line.strip_prefix("## ").and_then(|line| line.split_once(". ")) {
            steps.push(Step { title: title.to_owned(), ..Step::default() });
        } else if let Some(step) = steps.last_mut() {
            step.add(&line, &facts);
        }
    }
    steps.drain(..steps.len().min(1));
    Runbook {
        exercise: run.exercise(),
        postgres: run.servers().join(", "),
        date: date(run.begin.started),
        steps,
    }
}

impl Step {
    /// Adds a line of the page: what was typed, a fact, or a figure.
    fn add(&mut self, line: &str, facts: &BTreeSet<&str>) {
        if let Some(typed) = line.strip_prefix("    ") {
            self.typed.push(typed.to_owned());
        } else if let Some(seen) = line.strip_prefix("- ") {
            let is_fact = facts.iter().any(|name| seen.starts_with(&format!("{name}: ")));
            let list = if is_fact { &mut self.shown } else { &mut self.took };
            list.push(seen.to_owned());
        } else if line.starts_with("  ") {
            self.typed.push(line.to_owned());
        }
    }
}

/// Returns the files that runs typed, each with the lines of its text.
fn files<'a>(runs: &Runs, workbook: &'a Workbook) -> Vec<(&'a str, Vec<&'a str>)> {
    let typed = |path: &str| runs.journal().any(|run| run.typed(&format!("\\i {path}")));
    let files = workbook.files.iter().filter(|(path, _)| typed(path));
    files.map(|(path, text)| (path.as_str(), text.lines().collect())).collect()
}
