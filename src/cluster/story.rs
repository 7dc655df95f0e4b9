//! A description of a cluster after a failure. Each server is asked once; none is waited for.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;

use super::Cluster;
use crate::node::Node;
use crate::{settings, stat};

/// The longest wait for a node that does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

impl Cluster {
    /// Returns what a person needs after a failure: each node's role, timeline and position, the
    /// last lines of its log, and its location.
    pub async fn story(&self) -> String {
        join_all(self.nodes.iter().map(|node| story_of(node).boxed())).await.concat()
    }
}

async fn story_of(node: &Node) -> String {
    let state = tokio::time::timeout(PATIENCE.mul_f64(settings::timeout_factor()), async {
        stat::position(&node.session_unrecorded().await?).await
    });
    let state = match state.await {
        Ok(Ok(position)) => format!("{position:?}"),
        Ok(Err(error)) => format!("{error:?}"),
        Err(_) => "no answer".to_owned(),
    };
    let log = node.log_tail().await.replace('\n', "\n    | ");
    format!("{}: {state}\n  in {}\n    | {log}\n", node.name(), node.host().location())
}
