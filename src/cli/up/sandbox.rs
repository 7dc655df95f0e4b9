//! A cluster and what was done to it: who follows whom, which faults are on, what is frozen. Every
//! verb is done here or in the files beside, and answers with what it did and where to look next; a
//! verb that makes no sense now does nothing and says what would.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{
    Cluster, Error, Fault, Frozen, Link, Node, Notebook, Result, page, workload,
};
use tokio::sync::mpsc;

use super::board::{Board, Standing};
use super::load::Load;
use super::verb::{self, Verb};
use super::watch::{self, Look, Pulse, Watch};

/// A cluster to play with.
pub(super) struct Sandbox {
    pub(super) cluster: Arc<Cluster>,
    pub(super) news: mpsc::UnboundedSender<String>,
    notebook: Notebook,
    watch: Watch,
    state: Mutex<State>,
}

/// What was done and not undone.
#[derive(Default)]
pub(super) struct State {
    /// Whom each node follows; a primary follows nobody.
    pub(super) follows: BTreeMap<String, String>,
    /// Of each node's link.
    pub(super) faults: BTreeMap<String, Vec<On>>,
    pub(super) frozen: BTreeMap<String, Frozen>,
    pub(super) load: Option<Load>,
    /// The id of the next order of a load.
    pub(super) next_order: i64,
}

/// A fault that is on, until this is dropped.
pub(super) struct On {
    /// The verb that put it on.
    pub(super) verb: &'static str,
    /// What it is, in a few words.
    pub(super) what: String,
    pub(super) _fault: Fault,
}

/// What a verb did.
#[derive(Default)]
pub(super) struct Answer {
    /// What was typed into servers and shells for it, a line each.
    pub(super) typed: String,
    /// In PostgreSQL's words.
    pub(super) did: String,
    /// What to look at, or to type, next.
    pub(super) next: String,
}

/// What came of a verb; an error is one line.
pub(super) type Answered = Result<Answer, String>;

impl Answer {
    #[expect(clippy::unnecessary_wraps, reason = "it is how a verb ends that was done")]
    pub(super) fn new(did: impl Into<String>, next: impl Into<String>) -> Answered {
        Ok(Self { did: did.into(), next: next.into(), ..Self::default() })
    }
}

impl Sandbox {
    /// Over a cluster in which these nodes follow those, and which notes in `notebook`.
    pub(super) async fn over(
        cluster: Cluster,
        notebook: Notebook,
        follows: BTreeMap<String, String>,
        news: mpsc::UnboundedSender<String>,
    ) -> Self {
        let state = State { follows, next_order: workload::FIRST, ..State::default() };
        let watch = Watch::over(&cluster).await;
        Self { cluster: Arc::new(cluster), news, notebook, watch, state: Mutex::new(state) }
    }

    /// Never held while something is waited for.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The names of the nodes, the primary's first.
    pub(super) fn names(&self) -> Vec<&str> {
        self.cluster.nodes().iter().map(Node::name).collect()
    }

    /// Everything as it was seen last.
    pub(super) fn board(&self) -> Board {
        self.board_of(self.watch.seen())
    }

    /// Everything as it is now.
    async fn fresh_board(&self) -> Board {
        let look = async |node: &Node| {
            let frozen = self.state().frozen.contains_key(node.name());
            match frozen {
                true => watch::Seen { pulse: Pulse::Silent, last: None },
                false => Look::at_node(node).await,
            }
        };
        let looks = self.cluster.nodes().iter().map(look);
        let before = self.watch.seen();
        let mut now = join_all(looks).await;
        for (now, before) in std::iter::zip(&mut now, before) {
            now.last = now.last.take().or(before.last);
        }
        self.board_of(now)
    }

    fn board_of(&self, seen: Vec<watch::Seen>) -> Board {
        let state = self.state();
        let standing = |(name, seen): (&str, _)| Standing {
            name: name.to_owned(),
            follows: state.follows.get(name).cloned(),
            troubles: state.troubles(name),
            seen,
        };
        Board(std::iter::zip(self.names(), seen).map(standing).collect())
    }

    /// Does what a verb says.
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
            Verb::Slow(node, time) => self.slow(&node, time),
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
            Verb::Psql => Answer::new(self.connections().map_err(|error| one_line(&error))?, ""),
            Verb::Help => Answer::new(verb::help(), ""),
            Verb::Quit => Answer::new("", ""),
        }
    }

    /// How to connect: a line for each node to paste into a shell, a connection string for each, and
    /// one that finds whoever takes writes.
    pub(super) fn connections(&self) -> Result<String> {
        let mut lines = Vec::new();
        for ((about, psql), name) in std::iter::zip(self.cluster.psql_lines(), self.names()) {
            let string = self.cluster.connection_string(&[name])?;
            lines.extend([format!("# {about}"), psql, string, String::new()]);
        }
        let all = self.cluster.connection_string(&self.names())?;
        lines.push("# whoever takes writes: a client asks one after the other".to_owned());
        lines.push(format!("{all} target_session_attrs=read-write connect_timeout=2"));
        Ok(lines.join("\n"))
    }

    /// Takes everything away.
    pub(super) async fn ends(self) -> Result<()> {
        let Self { cluster, watch, state, .. } = self;
        drop((watch, state));
        // A load that was ended lets go of the cluster a moment later.
        until("nobody uses the cluster", PATIENCE, || async {
            let users = Arc::strong_count(&cluster);
            Ok(if users == 1 { Seen::Done(()) } else { Seen::NotYet(format!("{users} do")) })
        })
        .await?;
        match Arc::into_inner(cluster) {
            Some(cluster) => cluster.stop().await,
            None => Ok(()),
        }
    }

    pub(super) fn node(&self, name: &str) -> Result<&Node, String> {
        self.cluster.node(name).map_err(|error| one_line(&error))
    }

    /// The link of a node that follows somebody.
    pub(super) fn link(&self, name: &str) -> Result<(&Link, String), String> {
        let link = self.cluster.link(name).map_err(|error| one_line(&error))?;
        let state = self.state();
        let upstream = state.follows.get(name).cloned();
        upstream.map(|upstream| (link, upstream)).ok_or_else(|| {
            let followers: Vec<_> = state.follows.keys().map(String::as_str).collect();
            format!("{name} follows nobody and has no link; those that have: {}", list(&followers))
        })
    }

    /// A node whose server runs, and not only holds its sockets.
    pub(super) async fn running(&self, name: &str) -> Result<&Node, String> {
        let node = self.node(name)?;
        if self.state().frozen.contains_key(name) {
            return Err(format!("{name} is frozen: thaw {name} first"));
        }
        match node.ended().await.map_err(|error| one_line(&error))? {
            None => Ok(node),
            Some(_) => Err(format!("{name} does not run: start {name} first")),
        }
    }

    /// A node whose server does not run.
    pub(super) async fn stopped(&self, name: &str, verb: &str) -> Result<&Node, String> {
        let node = self.node(name)?;
        match node.ended().await.map_err(|error| one_line(&error))? {
            Some(_) => Ok(node),
            None if verb == "start" => Err(format!("{name} runs already; see status")),
            None => Err(format!("{name} runs, and {verb} needs it stopped: stop {name} first")),
        }
    }

    /// Every server that takes writes now, the newest timeline first. What is frozen does not.
    pub(super) async fn primaries(&self) -> Vec<&Node> {
        let thawed = {
            let state = self.state();
            let nodes = self.cluster.nodes().iter();
            nodes.filter(|node| !state.frozen.contains_key(node.name())).collect::<Vec<_>>()
        };
        let primaries = Look::at_primaries(thawed.into_iter()).await;
        primaries.into_iter().map(|(_, node)| node).collect()
    }
}

impl State {
    /// Does nothing pass on a node's link, one way or both?
    pub(super) fn is_cut(&self, name: &str) -> bool {
        let mut faults = self.faults.get(name).into_iter().flatten();
        faults.any(|on| on.verb == "cut")
    }

    /// What is wrong with a node or its link, in a few words each.
    fn troubles(&self, name: &str) -> Vec<String> {
        let faults = self.faults.get(name).into_iter().flatten();
        let faults = faults.map(|on| on.what.clone());
        let frozen = self.frozen.contains_key(name).then(|| "frozen".to_owned());
        frozen.into_iter().chain(faults).collect()
    }
}

/// A line of a log without its time and process.
pub(super) fn said_in(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, said)| said)
}

/// Names as a person reads them.
pub(super) fn list(names: &[&str]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// An error in one line: what was done and why it failed, with the last thing that a program or a
/// log said about it.
pub(super) fn one_line(error: &Error) -> String {
    let text = format!("{error:?}");
    let mut lines = text.lines().map(str::trim);
    let mut line = lines.next().unwrap_or_default().to_owned();
    let said: Vec<_> = lines.collect();
    let quoted = said.iter().filter_map(|line| line.strip_prefix("| "));
    // A server that ends says this to everybody who asks meanwhile, and it is no reason.
    let telling = |line: &&str| {
        ["FATAL", "PANIC", "error:"].iter().any(|word| line.contains(word))
            && !line.contains("the database system is")
    };
    let quoted: Vec<_> = quoted.collect();
    let reason = quoted.iter().rev().find(|line| telling(line)).or(quoted.last()).copied();
    let cause = said.iter().find_map(|line| line.strip_prefix("because: "));
    for reason in [reason, cause].into_iter().flatten() {
        line.push_str(": ");
        line.push_str(said_in(reason));
    }
    line
}
