//! Write load for some seconds: clients that find the primary by themselves. At the end the
//! outcomes that they recorded are compared with the rows that are present. One load runs at a
//! time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Answered};
use super::sandbox::Sandbox;
use super::state::Load;
use super::watch;
use crate::cluster::Cluster;
use crate::error::Result;
use crate::wait::elapse;
use crate::workload::Writers;
use crate::workload::ledger::{Ledger, Outcome};

const CLIENTS: usize = 2;

/// The number of ids of a load: more than it can write.
const IDS: i64 = 1_000_000_000;

impl Sandbox {
    pub(super) fn load(&self, seconds: u64) -> Answered {
        let mut state = self.state();
        if state.load.as_ref().is_some_and(|load| !load.0.is_finished()) {
            return Err("a load is running; its outcome is shown when it ends".to_owned());
        }
        let first = state.next_order;
        state.next_order += IDS;
        let (cluster, news) = (Arc::clone(&self.cluster), self.news.clone());
        state.load = Some(Load(tokio::spawn(async move {
            let outcome =
                placed(&cluster, first, seconds).await.unwrap_or_else(|error| error.in_one_line());
            // The receiver is gone when the sandbox has ended.
            let _ = news.send(format!("load {seconds}: {outcome}"));
        })));
        Answer::new(
            format!(
                "{CLIENTS} clients place one order after the other for {seconds} s, on the server that \
                 target_session_attrs=read-write finds"
            ),
            "crash or cut something meanwhile; the outcome says what was acked, and what of it is present",
        )
    }
}

async fn placed(cluster: &Arc<Cluster>, first: i64, seconds: u64) -> Result<String> {
    let writers = Writers::start_with(cluster, CLIENTS, first);
    elapse(Duration::from_secs(seconds)).await;
    let ledger = writers.stop().await?;
    let outcome = summary(&ledger);
    let primaries = watch::primaries_among(cluster.nodes().iter()).await;
    let Some((timeline, node)) = primaries.first() else {
        return Ok(format!(
            "{outcome}; no server takes writes now, so the orders that are present are unknown"
        ));
    };
    let session = node.session_unrecorded().await?;
    let sql = format!("SELECT id FROM orders WHERE id BETWEEN {first} AND {}", first + IDS - 1);
    let rows = session.rows(&sql).await?;
    let found: BTreeSet<i64> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    let verdict = ledger.compare(found);
    Ok(format!(
        "{outcome}; on {} (timeline {}): {} of the acked orders are lost, {} of the unknown ones are present",
        node.name(),
        timeline,
        verdict.lost.len(),
        verdict.recovered.len(),
    ))
}

fn summary(ledger: &Ledger) -> String {
    format!(
        "{} orders acked, {} failed, {} unknown; longest time without an ack {:.1} s",
        ledger.count(Outcome::Acked),
        ledger.count(Outcome::Failed),
        ledger.count(Outcome::Unknown),
        ledger.longest_gap().as_secs_f64(),
    )
}
