//! Observes each server repeatedly, over a connection of its own: its position, its standbys and
//! its slots. A server that does not answer delays only its own watch.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::task::JoinSet;

use super::seen::{Observation, Pulse, Seen, Sync};
use crate::cluster::Cluster;
use crate::error::Result;
use crate::node::Node;
use crate::record::notebook::Notebook;
use crate::session::Session;
use crate::settings;
use crate::stat;
use crate::wal::Timeline;

/// The interval at which a server is observed.
const STEP: Duration = Duration::from_millis(250);

/// The time after which a server counts as not answering.
const SILENCE: Duration = Duration::from_secs(2);

/// The longest that a verb waits for an answer, before `LAB_TIMEOUT` multiplies it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The synchronous rule, and the sessions that wait for it.
const SYNC: &str = "SELECT current_setting('synchronous_standby_names'), \
                    (SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep')";

/// A watch over every server of a cluster. It ends when it is dropped.
pub(super) struct Watch {
    seen: Arc<Mutex<Vec<(Instant, Seen)>>>,
    _tasks: JoinSet<()>,
}

impl Watch {
    /// Starts with one observation of each server, so that the first board is complete.
    pub(super) async fn over(cluster: &Cluster) -> Self {
        let first = join_all(cluster.nodes().iter().map(observe)).await;
        let seen = first.into_iter().map(|seen| (Instant::now(), seen)).collect();
        let seen = Arc::new(Mutex::new(seen));
        let mut tasks = JoinSet::new();
        for (index, node) in cluster.nodes().iter().enumerate() {
            let (config, name) = (node.config(), node.name().to_owned());
            tasks.spawn(watch(config, name, index, Arc::clone(&seen)));
        }
        Self { seen, _tasks: tasks }
    }

    /// Returns what is known about each server, in the order of the cluster's nodes.
    pub(super) fn seen(&self) -> Vec<Seen> {
        let silent = |(at, seen): &(Instant, Seen)| match at.elapsed() < SILENCE {
            true => seen.clone(),
            false => Seen::silent(seen.last.clone()),
        };
        lock(&self.seen).iter().map(silent).collect()
    }
}

/// Observes a server now; the observation is missing where it does not answer.
pub(super) async fn observe(node: &Node) -> Seen {
    let answered = async { ask(&node.session_unrecorded().await?).await };
    match tokio::time::timeout(PATIENCE.mul_f64(settings::timeout_factor()), answered).await {
        Ok(answered) => seen_now(answered, None),
        Err(_) => Seen::silent(None),
    }
}

/// Returns the servers that are primaries now, the newest timeline first.
pub(super) async fn primaries_among<'a>(
    nodes: impl Iterator<Item = &'a Node>,
) -> Vec<(Timeline, &'a Node)> {
    let observation = async |node| (node, observe(node).await.last);
    let observations = join_all(nodes.map(observation)).await;
    let primaries = observations.into_iter().filter_map(|(node, observation)| {
        observation.filter(Observation::is_primary).map(|observation| (observation.timeline, node))
    });
    let mut primaries: Vec<_> = primaries.collect();
    primaries.sort_by_key(|(timeline, _)| std::cmp::Reverse(*timeline));
    primaries
}

/// Observes the server of a session.
async fn ask(session: &Session) -> Result<Observation> {
    let (position, timeline, followers, slots, sync) = tokio::try_join!(
        stat::position(session),
        stat::timeline(session),
        stat::replication(session),
        stat::slots(session),
        sync(session),
    )?;
    Ok(Observation { position, timeline, followers, slots, sync })
}

async fn sync(session: &Session) -> Result<Sync> {
    let rows = session.rows_unrecorded(SYNC).await?;
    let row = rows.first();
    let rule = row.and_then(|row| row.try_get(0).ok()).unwrap_or_default();
    let waiting: Option<i64> = row.and_then(|row| row.try_get(1).ok());
    Ok(Sync { rule, waiting: waiting.and_then(|count| u64::try_from(count).ok()).unwrap_or(0) })
}

fn seen_now(answered: Result<Observation>, before: Option<Observation>) -> Seen {
    match answered {
        Ok(observation) => Seen { pulse: Pulse::Answers, last: Some(observation) },
        Err(error) => {
            // 57P03 cannot_connect_now: the server starts up or shuts down, and its message says
            // which.
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
        let answered = async {
            let open = match session.take() {
                Some(open) => open,
                None => Session::open(&config, &name, &Notebook::in_memory()).await?,
            };
            let observation = ask(&open).await?;
            Ok((observation, open))
        };
        let answered = answered.await.map(|(observation, open)| {
            session = Some(open);
            observation
        });
        if let Some(one) = lock(&seen).get_mut(index) {
            let before = one.1.last.take();
            *one = (Instant::now(), seen_now(answered, before));
        }
    }
}

fn lock(seen: &Mutex<Vec<(Instant, Seen)>>) -> MutexGuard<'_, Vec<(Instant, Seen)>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}
