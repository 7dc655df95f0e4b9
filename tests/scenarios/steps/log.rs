//! The log of a server: waits for a line of it. What the line means is the scenarios' to judge.

use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Node, Refusal, Result};

/// Waits until a server logs these words, and gives the first line that has them.
pub(crate) async fn wait_for_log(node: &Node, words: &str) -> Result<Refusal> {
    until(&format!("{} logs {words:?}", node.name()), PATIENCE, || async {
        let log = node.log().await?;
        let line = log.lines().find(|line| line.contains(words)).map(Refusal::from_log);
        Ok(line.map_or_else(|| Seen::NotYet(node.name().to_owned()), Seen::Done))
    })
    .await
}
