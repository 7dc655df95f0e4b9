//! What each server says about itself and its followers, over and over, each from a connection of its
//! own. A server that does not answer holds up nobody but its own watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use replication_lab::stat::{self, Position, Replication, Slot};
use replication_lab::wal::Timeline;
use replication_lab::{Cluster, Node, Notebook, Result, Session, settings};
use tokio::task::JoinSet;

/// How often a server is looked at.
const STEP: Duration = Duration::from_millis(250);

/// After this time a server counts as one that does not answer.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a verb waits for an answer, before `LAB_TIMEOUT` multiplies it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a server said at one moment.
#[derive(Clone, Debug)]
pub(super) struct Look {
    pub(super) position: Position,
    pub(super) timeline: Timeline,
    pub(super) followers: Vec<Replication>,
    pub(super) slots: Vec<Slot>,
}

/// Whether a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Answers,
    /// It has said nothing for a while.
    Silent,
    /// It refuses connections, and this is what it says, if it says anything.
    Down(Option<String>),
}

/// What is known of a server.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) pulse: Pulse,
    /// The last look that came back.
    pub(super) last: Option<Look>,
}

impl Look {
    /// Looks at the server of a session.
    pub(super) async fn at(session: &Session) -> Result<Self> {
        let (position, timeline, followers, slots) = tokio::try_join!(
            stat::position(session),
            stat::timeline(session),
            stat::replication(session),
            stat::slots(session),
        )?;
        Ok(Self { position, timeline, followers, slots })
    }

    /// Looks at a server now; nothing where it does not answer.
    pub(super) async fn at_node(node: &Node) -> Seen {
        let look = async { Self::at(&node.session_unnoted().await?).await };
        match tokio::time::timeout(PATIENCE.mul_f64(settings::timeout_factor()), look).await {
            Ok(looked) => Seen::of(looked, None),
            Err(_) => Seen { pulse: Pulse::Silent, last: None },
        }
    }

    /// The servers of these that take writes now, the newest timeline first.
    pub(super) async fn at_primaries<'a>(
        nodes: impl Iterator<Item = &'a Node>,
    ) -> Vec<(Timeline, &'a Node)> {
        let look = async |node| (node, Self::at_node(node).await.last);
        let looks = join_all(nodes.map(look)).await;
        let primaries = looks.into_iter().filter_map(|(node, look)| {
            look.filter(Self::is_primary).map(|look| (look.timeline, node))
        });
        let mut primaries: Vec<_> = primaries.collect();
        primaries.sort_by_key(|(timeline, _)| std::cmp::Reverse(*timeline));
        primaries
    }

    /// Does it take writes?
    pub(super) fn is_primary(&self) -> bool {
        !self.position.in_recovery
    }
}

impl Seen {
    fn of(looked: Result<Look>, before: Option<Look>) -> Self {
        match looked {
            Ok(look) => Self { pulse: Pulse::Answers, last: Some(look) },
            Err(error) => {
                // 57P03 cannot_connect_now: it starts up, or shuts down.
                let said = error.refusal().filter(|refusal| refusal.sqlstate() == "57P03");
                let said = said.map(|refusal| refusal.message().to_owned());
                Self { pulse: Pulse::Down(said), last: before }
            }
        }
    }

    /// What it says, if it answers.
    pub(super) fn now(&self) -> Option<&Look> {
        self.last.as_ref().filter(|_| self.pulse == Pulse::Answers)
    }
}

/// A watch over every server of a cluster. It ends when it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Begins with a look at each, so that nothing is ever shown of which nothing is known.
    pub(super) async fn over(cluster: &Cluster) -> Self {
        let first = join_all(cluster.nodes().iter().map(Look::at_node)).await;
        let seen = first.into_iter().map(|seen| (Instant::now(), seen)).collect();
        let seen = Arc::new(Mutex::new(seen));
        let mut tasks = JoinSet::new();
        for (index, node) in cluster.nodes().iter().enumerate() {
            let (config, name) = (node.config(), node.name().to_owned());
            tasks.spawn(watch(config, name, index, Arc::clone(&seen)));
        }
        Self { seen, _tasks: tasks }
    }

    /// What is known of each server, in the order of the cluster's nodes.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let silent = |(at, seen): &(Instant, Seen)| match at.elapsed() < SILENCE {
            true => seen.clone(),
            false => Seen { pulse: Pulse::Silent, last: seen.last.clone() },
        };
        lock(&self.seen).iter().map(silent).collect()
    }
}

async fn watch(
    config: tokio_postgres::Config,
    name: String,
    index: usize,
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
) {
    #[expect(clippy::disallowed_methods, reason = "a view is drawn in steps")]
    let mut steps = tokio::time::interval(STEP);
    let mut session = None;
    loop {
        steps.tick().await;
        let looked = async {
            let open = match session.take() {
                Some(open) => open,
                None => Session::open(&config, &name, &Notebook::in_memory()).await?,
            };
            let look = Look::at(&open).await?;
            Ok((look, open))
        };
        let looked = looked.await.map(|(look, open)| {
            session = Some(open);
            look
        });
        if let Some(one) = lock(&seen).get_mut(index) {
            let before = one.1.last.take();
            *one = (Instant::now(), Seen::of(looked, before));
        }
    }
}

fn lock(seen: &Mutex<Vec<(Instant, Seen)>>) -> MutexGuard<'_, Vec<(Instant, Seen)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
