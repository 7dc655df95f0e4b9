//! A connection to a server, and the statements sent over it. Each statement is written into the
//! notebook as it is sent. A session never reconnects, because a lost connection is an observation.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, Row, SimpleQueryMessage};

use crate::error::{Error, Result, Why};
use crate::record::event::Event;
use crate::record::notebook::Notebook;
use crate::server_message::ServerMessage;
use crate::settings;

/// The longest that connecting may take, before `LAB_TIMEOUT` multiplies it. A frozen server
/// accepts connections and never answers.
pub(crate) const CONNECT: Duration = Duration::from_secs(5);

/// An open session on one server.
#[must_use = "a session ends when it is dropped"]
#[derive(Debug)]
pub struct Session {
    client: Client,
    name: String,
    notebook: Notebook,
    heard: Arc<Mutex<Heard>>,
    /// The task that drives the connection, until `close` takes it.
    connection: Option<JoinHandle<()>>,
}

/// Messages that the server sent outside of any result.
#[derive(Debug, Default)]
struct Heard {
    notices: Vec<ServerMessage>,
    end: Option<ServerMessage>,
}

impl Session {
    /// Opens a session; `name` is what the notebook shows before the prompt.
    ///
    /// # Errors
    ///
    /// The server refuses the connection, or does not answer in time.
    pub async fn open(config: &Config, name: &str, notebook: &Notebook) -> Result<Self> {
        let deadline = CONNECT.mul_f64(settings::timeout_factor());
        let connect = tokio::time::timeout(deadline, config.connect(NoTls));
        let (client, connection) = match connect.await {
            Ok(connected) => connected
                .map_err(|source| Error::sql("connecting to PostgreSQL", source).on(name))?,
            Err(_) => {
                let last = "no answer to the first message".to_owned();
                let why = Why::Deadline { waited: deadline, last };
                return Err(Error::new("connecting to PostgreSQL", why).on(name));
            }
        };
        Ok(Self::over(client, connection, name, notebook))
    }

    /// Returns the session of a connection that the caller has opened.
    pub(crate) fn over<S, T>(
        client: Client,
        connection: Connection<S, T>,
        name: &str,
        notebook: &Notebook,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let heard = Arc::default();
        let connection = Some(tokio::spawn(listen(connection, Arc::clone(&heard))));
        Self { client, name: name.to_owned(), notebook: notebook.clone(), heard, connection }
    }

    /// Ends the session as psql does, with Terminate, so that the server logs nothing. Returns when the connection is closed,
    /// or after `patience`; a session that is only dropped breaks off.
    #[cfg(feature = "cli")]
    pub(crate) async fn close(mut self, patience: Duration) {
        if let Some(connection) = self.connection.take() {
            // Once the client is gone, the task sends Terminate and closes the stream, TLS included.
            drop(self);
            let _ = tokio::time::timeout(patience, connection).await;
        }
    }

    /// Returns the notices and warnings received so far, oldest first.
    pub fn notices(&self) -> Vec<ServerMessage> {
        self.heard().notices.clone()
    }

    /// Returns the message with which the server ended the connection, if it sent one: an
    /// administrator's command, a conflict with recovery.
    pub fn end(&self) -> Option<ServerMessage> {
        self.heard().end.clone()
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs one or more statements and discards their results.
    ///
    /// # Errors
    ///
    /// PostgreSQL refuses a statement, or the connection is lost.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.note(sql);
        self.client.batch_execute(sql).await.map_err(|source| self.failed(sql, source))
    }

    /// Runs the statements of a file, as `\i fixtures/sql/shop.sql` does in psql.
    ///
    /// # Errors
    ///
    /// The file cannot be read, PostgreSQL refuses a statement, or the connection is lost.
    pub async fn run_file(&self, path: &str) -> Result<()> {
        self.note(&format!("\\i {path}"));
        let sql = fs::read_to_string(Path::new(path))
            .map_err(|source| Error::io(format!("reading {path}"), source))?;
        self.client.batch_execute(&sql).await.map_err(|source| self.failed(path, source))
    }

    /// Runs one statement and returns the number of rows it changed.
    ///
    /// # Errors
    ///
    /// PostgreSQL refuses the statement, or the connection is lost.
    pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        self.note(sql);
        let changed = self.client.execute(sql, parameters).await;
        changed.map_err(|source| self.failed(sql, source))
    }

    /// Runs a query and returns its rows.
    ///
    /// # Errors
    ///
    /// PostgreSQL refuses the query, or the connection is lost.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        self.note(sql);
        self.rows_unrecorded(sql).await
    }

    /// Runs a query and returns its one value: one row with one column.
    ///
    /// # Errors
    ///
    /// PostgreSQL refuses the query, the result has another shape or type, or the connection is
    /// lost.
    pub async fn value<T: FromSqlOwned>(&self, sql: &str) -> Result<T> {
        self.note(sql);
        self.value_unrecorded(sql).await
    }

    /// Runs a query as one message without a prepared statement, and returns its one value as text;
    /// empty where it is null. A pooler may give the next message to another server, which does not
    /// know a statement that was prepared before.
    ///
    /// # Errors
    ///
    /// PostgreSQL refuses the query, the result has no row, or the connection is lost.
    pub async fn text(&self, sql: &str) -> Result<String> {
        self.note(sql);
        let value = self.messages(sql).await?.into_iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
            _ => None,
        });
        value.ok_or_else(|| Error::not_found(format!("running {sql:?}"), "no row").on(&self.name))
    }

    /// Runs a query and returns its one value, a `bigint` that is never negative: a count, a size.
    ///
    /// # Errors
    ///
    /// As those of [`value`](Self::value).
    pub async fn count(&self, sql: &str) -> Result<u64> {
        self.value::<i64>(sql).await.map(i64::unsigned_abs)
    }

    /// Runs a statement that PostgreSQL may refuse, and returns the refusal; none where it was
    /// accepted.
    ///
    /// # Errors
    ///
    /// The connection is lost.
    pub async fn attempt(&self, sql: &str) -> Result<Option<ServerMessage>> {
        match self.run(sql).await {
            Ok(()) => Ok(None),
            Err(error) => error.server_message().cloned().map(Some).ok_or(error),
        }
    }

    /// Runs a statement that PostgreSQL refuses, and returns the refusal.
    ///
    /// # Errors
    ///
    /// The statement was accepted, or the connection is lost.
    pub async fn refusal(&self, sql: &str) -> Result<ServerMessage> {
        self.attempt(sql).await?.ok_or_else(|| {
            Error::new(format!("expecting a refusal of {sql:?}"), Why::Accepted).on(&self.name)
        })
    }

    /// Runs a query as [`rows`](Self::rows) does, unrecorded: polling repeats a query a varying
    /// number of times.
    pub(crate) async fn rows_unrecorded(&self, sql: &str) -> Result<Vec<Row>> {
        self.client.query(sql, &[]).await.map_err(|source| self.failed(sql, source))
    }

    /// Runs a query as [`value`](Self::value) does, unrecorded.
    pub(crate) async fn value_unrecorded<T: FromSqlOwned>(&self, sql: &str) -> Result<T> {
        let row = self.client.query_one(sql, &[]).await;
        let value = row.and_then(|row| row.try_get(0));
        value.map_err(|source| self.failed(sql, source))
    }

    /// Runs statements that contain passwords: neither the notebook nor an error shows them.
    pub(crate) async fn run_without_trace(&self, act: &str, sql: &str) -> Result<()> {
        let run = self.client.batch_execute(sql).await;
        run.map_err(|source| Error::sql(act, source).on(&self.name))
    }

    /// Runs statements as psql does, unrecorded, and returns their rows as text.
    pub(crate) async fn messages(&self, sql: &str) -> Result<Vec<SimpleQueryMessage>> {
        self.client.simple_query(sql).await.map_err(|source| self.failed(sql, source))
    }

    /// Runs statements as [`run`](Self::run) does, unrecorded.
    pub(crate) async fn run_unrecorded(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(|source| self.failed(sql, source))
    }

    fn note(&self, sql: &str) {
        self.notebook.note(Event::Sql { node: self.name.clone(), text: sql.to_owned() });
    }

    fn failed(&self, sql: &str, source: tokio_postgres::Error) -> Error {
        let act = format!("running {sql:?}");
        // When the server ends a connection, the statement fails with "closed" only; the reason came
        // as a message of its own.
        match self.end().filter(|_| source.is_closed()) {
            Some(end) => Error::new(act, Why::Refused(end)).on(&self.name),
            None => Error::sql(act, source).on(&self.name),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
    }
}

/// Drives a connection to its end, and keeps the messages that the server sends outside of results.
async fn listen<S, T>(mut connection: Connection<S, T>, heard: Arc<Mutex<Heard>>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let message = std::future::poll_fn(|context| connection.poll_message(context)).await;
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        match message {
            Some(Ok(AsyncMessage::Notice(notice))) => {
                heard.notices.push(ServerMessage::from_server(&notice));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                heard.end = error.as_db_error().map(ServerMessage::from_server);
                return;
            }
            None => return,
        }
    }
}
