//! The place of a line of the notebook: the part of the workbook that answers it. Nothing here
//! reads a run.

use super::Workbook;
use super::checklist::{Tick, Tool};
use super::claim::Claim;
use super::notebook::{Line, begins_with, is_same};
use super::scenario::{Blank, Scenario};
use super::whole::Aside;

/// The part of the workbook that answers a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// A sentence that is judged.
    Claim(&'a Claim),
    /// A blank that a run fills.
    Blank(&'a Blank),
    /// An item that is ticked when its exercises passed.
    Tick(&'a Tick),
    /// A tool that is ticked when an exercise used it.
    Tool(&'a Tool),
    /// The title of a table of a scenario.
    Title(&'a Scenario),
    /// Nothing judges it; the reason is given.
    Aside(&'a Aside),
}

impl Workbook {
    /// Returns the part that answers a line of the notebook.
    pub(crate) fn place(&self, line: &Line) -> Option<Place<'_>> {
        let words = line.words.as_str();
        let claim = self.all_claims().find(|claim| claim.lines().any(|said| is_same(said, words)));
        let tick = || self.ticks().find(|tick| is_same(&tick.what, words));
        let tool = || self.tools.iter().find(|tool| is_same(&tool.what, words));
        let blank = || self.blanks().find(|blank| blank.answers(words));
        let title = || self.scenarios().find(|scenario| scenario.has_title(words));
        let aside =
            || self.asides.iter().find(|aside| aside.lines.iter().any(|one| is_same(one, words)));
        claim
            .map(Place::Claim)
            .or_else(|| tick().map(Place::Tick))
            .or_else(|| tool().map(Place::Tool))
            .or_else(|| blank().map(Place::Blank))
            .or_else(|| title().map(Place::Title))
            .or_else(|| aside().map(Place::Aside))
    }

    /// Returns lines that a part says it answers, and that the notebook does not have.
    pub(super) fn strange_lines(&self) -> impl Iterator<Item = String> {
        let of_claims = self.all_claims().flat_map(|claim| &claim.lines);
        let of_blanks = self.blanks().filter_map(|blank| blank.line.as_ref());
        let named = of_claims.chain(of_blanks);
        let named = named.chain(self.asides.iter().flat_map(|aside| &aside.lines));
        let is_there = |said: &str| self.notebook.iter().any(|line| is_same(&line.words, said));
        named.filter(move |said| !is_there(said)).map(|said| format!("not in the notebook: {said}"))
    }

    fn all_claims(&self) -> impl Iterator<Item = &Claim> {
        self.scenarios().flat_map(|scenario| &scenario.claims).chain(&self.claims)
    }

    fn blanks(&self) -> impl Iterator<Item = &Blank> {
        self.scenarios().flat_map(|scenario| &scenario.lists).flat_map(|list| &list.blanks)
    }

    fn ticks(&self) -> impl Iterator<Item = &Tick> {
        let skills = self.levels.iter().flat_map(|level| &level.skills).chain(&self.deep_dives);
        let lists = self.scenarios().flat_map(|scenario| &scenario.checklists);
        skills.chain(lists.flat_map(|list| &list.items))
    }
}

impl Claim {
    /// Returns the lines of the notebook that it judges.
    fn lines(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.says).chain(&self.lines).map(String::as_str)
    }
}

impl Blank {
    fn answers(&self, line: &str) -> bool {
        match &self.line {
            Some(own) => is_same(own, line),
            None => begins_with(&self.asks, line),
        }
    }
}

impl Scenario {
    fn has_title(&self, line: &str) -> bool {
        let lists = self.lists.iter().map(|list| &list.title);
        let grids = self.grids.iter().map(|grid| &grid.title);
        let checklists = self.checklists.iter().map(|list| &list.title);
        lists.chain(grids).chain(checklists).any(|title| begins_with(title, line))
    }
}
