//! SQL on a node: its rows as a table, or PostgreSQL's refusal. A statement that waits, for a synchronous
//! standby or for a lock, goes on beside the sandbox, and its outcome is shown when it is there.

use std::time::Duration;

use tokio_postgres::SimpleQueryMessage;

use super::super::summary;
use super::answer::{Answer, Answered};
use super::sandbox::Sandbox;
use crate::error::Result;
use crate::session::Session;
use crate::wait::elapse;

/// The time that a person waits for an answer without doing something else.
const PATIENCE: Duration = Duration::from_secs(2);

impl Sandbox {
    pub(super) async fn sql(&self, name: &str, sql: String) -> Answered {
        let session = self.node(name)?.session_unrecorded().await;
        let session = session.map_err(|error| error.in_one_line())?;
        let news = self.news.clone();
        let asked = format!("{name}: {sql}");
        let (send, mut answer) = tokio::sync::oneshot::channel();
        tokio::spawn(async move {
            let said = answered(&session, &sql).await;
            let said = said.unwrap_or_else(|error| error.in_one_line());
            if let Err(late) = send.send(said) {
                // The receiver is gone when the sandbox has ended.
                let _ = news.send(format!("{asked}\n{late}"));
            }
        });
        tokio::select! {
            said = &mut answer => Answer::new(said.unwrap_or_default(), ""),
            () = elapse(PATIENCE) => {
                answer.close();
                // It may have come while the channel was closed.
                match answer.try_recv() {
                    Ok(said) => Answer::new(said, ""),
                    Err(_) => Answer::new(
                        "it waits; its outcome is shown when it is there",
                        "status shows whether commits wait for a standby",
                    ),
                }
            }
        }
    }
}

/// Runs statements and returns what psql would show: rows as a table, or the number of rows.
async fn answered(session: &Session, sql: &str) -> Result<String> {
    let mut shown: Vec<String> = Vec::new();
    let mut table = None;
    for message in session.messages(sql).await? {
        match message {
            SimpleQueryMessage::RowDescription(columns) => {
                let mut begun = summary::plain();
                begun.set_header(columns.iter().map(|column| column.name().to_owned()));
                table = Some(begun);
            }
            SimpleQueryMessage::Row(row) => {
                let cells = (0..row.len()).map(|index| row.get(index).unwrap_or("NULL").to_owned());
                table.get_or_insert_with(summary::plain).add_row(cells.collect::<Vec<_>>());
            }
            SimpleQueryMessage::CommandComplete(rows) => {
                shown.extend(table.take().map(|table| summary::text(&table)));
                shown.push(format!("({rows} rows)"));
            }
            _ => {}
        }
    }
    Ok(shown.join("\n"))
}
