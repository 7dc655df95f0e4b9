//! Write load for a while: clients that find the primary by themselves, and at the end what they were
//! told against what is there. One load at a time.

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

/// Ids that a load may use: more than it can write.
const IDS: i64 = 1_000_000_000;

impl Sandbox {
    pub(super) fn load(&self, seconds: u64) -> Answered {
        let mut state = self.state();
        if state.load.as_ref().is_some_and(|load| !load.0.is_finished()) {
            return Err("a load is under way; it tells when it is over".to_owned());
        }
        let first = state.next_order;
        state.next_order += IDS;
        let (cluster, news) = (Arc::clone(&self.cluster), self.news.clone());
        state.load = Some(Load(tokio::spawn(async move {
            let told =
                placed(&cluster, first, seconds).await.unwrap_or_else(|error| error.in_one_line());
            // Nobody listens any more when the sandbox ends.
            let _ = news.send(format!("load {seconds}: {told}"));
        })));
        Answer::new(
            format!(
                "{CLIENTS} clients place one order after the other for {seconds} s, wherever \
                 target_session_attrs=read-write leads them"
            ),
            "break something meanwhile; at the end they tell what was acked, and what of it is there",
        )
    }
}

async fn placed(cluster: &Arc<Cluster>, first: i64, seconds: u64) -> Result<String> {
    let writers = Writers::start_with(cluster, CLIENTS, first);
    elapse(Duration::from_secs(seconds)).await;
    let ledger = writers.stop().await?;
    let told = summary(&ledger);
    let primaries = watch::primaries_among(cluster.nodes().iter()).await;
    let Some((timeline, node)) = primaries.first() else {
        return Ok(format!("{told}; nobody takes writes now, so what is there is not known"));
    };
    let session = node.session_unrecorded().await?;
    let sql = format!("SELECT id FROM orders WHERE id BETWEEN {first} AND {}", first + IDS - 1);
    let rows = session.rows(&sql).await?;
    let found: BTreeSet<i64> = rows.iter().filter_map(|row| row.try_get(0).ok()).collect();
    let verdict = ledger.compare(found);
    Ok(format!(
        "{told}; on {} (timeline {}): {} of the acked are lost, {} of the unknown are there",
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
