//! The writers' ledger compared with the orders on each server. What must come of it is the scenario's to
//! say.

use replication_lab::ledger::Ledger;
use replication_lab::workload::orders;
use replication_lab::{Node, Result};

/// Returns, by server, how many of the writers' orders are lost, unexpected or duplicated there.
pub(super) async fn wrong_on_each(ledger: &Ledger, nodes: &[Node]) -> Result<String> {
    let mut wrong = Vec::new();
    for node in nodes {
        let found = orders(&node.session_unrecorded().await?).await?;
        let count: u64 = ledger.compare(found).wrong().iter().sum();
        wrong.push(format!("{}: {count}", node.name()));
    }
    Ok(wrong.join(", "))
}
