//! What each server says about itself and its followers, over and over, each from a connection of its
//! own. A server that does not answer holds up nobody but its own watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::seen::{Look, Pulse, Seen};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::node::Node;
use crate::record::notebook::Notebook;
use crate::session::Session;
use crate::settings;
use crate::stat;
use crate::wal::Timeline;

/// How often a server is looked at.
const STEP: Duration = Duration::from_millis(250);

/// After this time a server counts as one that does not answer.
const SILENCE: Duration = Duration::from_secs(2);

/// How long a verb waits for an answer, before `LAB_TIMEOUT` multiplies it.
const PATIENCE: Duration = Duration::from_secs(10);

/// A watch over every server of a cluster. It ends when it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Begins with a look at each, so that nothing is ever shown of which nothing is known.
    pub(super) async fn over(cluster: &Cluster) -> Self {
        let first = join_all(cluster.nodes().iter().map(look_at)).await;
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
            false => Seen::silent(seen.last.clone()),
        };
        lock(&self.seen).iter().map(silent).collect()
    }
}

/// Looks at a server now; nothing where it does not answer.
pub(super) async fn look_at(node: &Node) -> Seen {
    let looked = async { look(&node.session_unrecorded().await?).await };
    match tokio::time::timeout(PATIENCE.mul_f64(settings::timeout_factor()), looked).await {
        Ok(looked) => seen_now(looked, None),
        Err(_) => Seen::silent(None),
    }
}

/// The servers of these that take writes now, the newest timeline first.
pub(super) async fn primaries_among<'a>(
    nodes: impl Iterator<Item = &'a Node>,
) -> Vec<(Timeline, &'a Node)> {
    let look = async |node| (node, look_at(node).await.last);
    let looks = join_all(nodes.map(look)).await;
    let primaries = looks
        .into_iter()
        .filter_map(|(node, look)| look.filter(Look::is_primary).map(|look| (look.timeline, node)));
    let mut primaries: Vec<_> = primaries.collect();
    primaries.sort_by_key(|(timeline, _)| std::cmp::Reverse(*timeline));
    primaries
}

/// Asks the server of a session.
async fn look(session: &Session) -> Result<Look> {
    let (position, timeline, followers, slots) = tokio::try_join!(
        stat::position(session),
        stat::timeline(session),
        stat::replication(session),
        stat::slots(session),
    )?;
    Ok(Look { position, timeline, followers, slots })
}

fn seen_now(looked: Result<Look>, before: Option<Look>) -> Seen {
    match looked {
        Ok(look) => Seen { pulse: Pulse::Answers, last: Some(look) },
        Err(error) => {
            // 57P03 cannot_connect_now: it starts up, or shuts down.
            let said = error.server_message().filter(|refusal| refusal.sqlstate() == "57P03");
            let said = said.map(|refusal| refusal.message().to_owned());
            Seen { pulse: Pulse::Down(said), last: before }
        }
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
            let look = look(&open).await?;
            Ok((look, open))
        };
        let looked = looked.await.map(|(look, open)| {
            session = Some(open);
            look
        });
        if let Some(one) = lock(&seen).get_mut(index) {
            let before = one.1.last.take();
            *one = (Instant::now(), seen_now(looked, before));
        }
    }
}

fn lock(seen: &Mutex<Vec<(Instant, Seen)>>) -> MutexGuard<'_, Vec<(Instant, Seen)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
