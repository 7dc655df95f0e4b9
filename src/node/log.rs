//! The log of a server: all of it, its last lines, and the wait for a line. Nothing here judges a
//! line.

use super::Node;
use crate::error::Result;
use crate::server_message::ServerMessage;
use crate::wait::{PATIENCE, Seen, until};

/// The number of lines of a log that an error shows.
const TAIL: usize = 15;

impl Node {
    /// Returns everything that the server has logged, over all its starts.
    ///
    /// # Errors
    ///
    /// The server was never started, or its host is gone.
    pub async fn log(&self) -> Result<String> {
        self.host().read("../log").await.map_err(|error| error.on(self.name()))
    }

    /// Returns the last lines of the log; empty where there is none.
    pub async fn log_tail(&self) -> String {
        let log = self.log().await.unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines
            .iter()
            .skip(lines.len().saturating_sub(TAIL))
            .fold(String::new(), |tail, line| tail + line + "\n")
    }

    /// Waits until the server logs a line that contains `words`, and returns the first one.
    ///
    /// # Errors
    ///
    /// No such line came within [`PATIENCE`]: the error has the last line of the log.
    pub async fn wait_for_log(&self, words: &str) -> Result<ServerMessage> {
        self.wait_for_log_since(0, words).await
    }

    /// Waits as [`wait_for_log`](Self::wait_for_log) does, and skips the first `bytes` of the log:
    /// pass `node.log().await?.len()` from before an act.
    ///
    /// # Errors
    ///
    /// As those of [`wait_for_log`](Self::wait_for_log).
    pub async fn wait_for_log_since(&self, bytes: usize, words: &str) -> Result<ServerMessage> {
        until(&format!("{} logs {words:?}", self.name()), PATIENCE, || async {
            let log = self.log().await?;
            let new = log.get(bytes..).unwrap_or_default();
            let line = new.lines().find(|line| line.contains(words)).map(ServerMessage::from_log);
            let last = || new.lines().last().unwrap_or("no new line").to_owned();
            Ok(line.map_or_else(|| Seen::NotYet(last()), Seen::Done))
        })
        .await
    }
}
