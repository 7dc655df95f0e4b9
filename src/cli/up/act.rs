//! The verbs and their acts: the one match from a parsed verb to the function that does it. What
//! was typed into servers and shells meanwhile is part of the answer.

use super::answer::{Answer, Answered};
use super::sandbox::Sandbox;
use super::verb::{self, Verb};
use crate::record::page;

impl Sandbox {
    /// Runs a verb.
    pub(super) async fn act(&self, verb: Verb) -> Answered {
        let before = self.notebook.entries().len();
        let answer = self.done(verb).await;
        let entries = self.notebook.entries();
        let typed = page::with_figures(entries.get(before..).unwrap_or_default());
        answer.map(|answer| Answer { typed, ..answer })
    }

    async fn done(&self, verb: Verb) -> Answered {
        match verb {
            Verb::Cut(node, way) => self.cut(&node, way),
            Verb::Delay(node, time) => self.delay(&node, time),
            Verb::Throttle(node, bytes) => self.throttle(&node, bytes),
            Verb::Reset(node) => self.reset(&node),
            Verb::Heal(node) => self.heal(node.as_deref()),
            Verb::Freeze(node) => self.freeze(&node).await,
            Verb::Thaw(node) => self.thaw(&node).await,
            Verb::Crash(node) => self.crash(&node).await,
            Verb::Stop(node) => self.stop(&node).await,
            Verb::Start(node) => self.start(&node).await,
            Verb::Promote(node) => self.promote(&node).await,
            Verb::Follow(node, upstream) => self.follow(&node, &upstream).await,
            Verb::Rewind(node, upstream) => self.rewind(&node, upstream).await,
            Verb::Rebuild(node, upstream) => self.rebuild(&node, upstream).await,
            Verb::Load(seconds) => self.load(seconds),
            Verb::Sync(rule) => self.sync(&rule).await,
            Verb::Status => Answer::new(self.fresh_board().await.lines().join("\n"), ""),
            Verb::Log(node) => Answer::new(self.node(&node)?.log_tail().await.trim_end(), ""),
            Verb::Psql => Answer::new(self.connections().map_err(|error| error.in_one_line())?, ""),
            Verb::Sql(node, sql) => self.sql(&node, sql).await,
            Verb::Help(verb) => Answer::new(verb::help(verb.as_deref()), ""),
            Verb::Quit => Answer::new("", ""),
        }
    }
}
