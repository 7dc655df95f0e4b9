//! A connection to a server, and what is typed into it. Every statement is noted in the notebook
//! as it is sent; a session never reconnects, because a lost connection is an observation.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_postgres::types::{FromSqlOwned, ToSql};
use tokio_postgres::{Client, Config, NoTls, Row};

use crate::error::{Error, Result, Why};
use crate::notebook::Notebook;
use crate::record::Event;
use crate::refusal::Refusal;
use crate::settings;

/// How long a connection may take to come about, before `LAB_TIMEOUT` multiplies it. A frozen
/// server accepts connections and says nothing.
const CONNECT: Duration = Duration::from_secs(5);

/// An open session on one server.
#[derive(Debug)]
pub struct Session {
    client: Client,
    name: String,
    notebook: Notebook,
    connection: JoinHandle<()>,
}

impl Session {
    /// Opens a session; `name` is what the notebook shows before the prompt.
    pub async fn open(config: &Config, name: &str, notebook: &Notebook) -> Result<Self> {
        let deadline = CONNECT.mul_f64(settings::timeout_factor());
        let failed = |source| Error::sql("connecting", source).on(name);
        let connect = tokio::time::timeout(deadline, config.connect(NoTls));
        let (client, connection) = match connect.await {
            Ok(connected) => connected.map_err(failed)?,
            Err(_) => {
                let last = "no answer to the connection's first message".to_owned();
                return Err(
                    Error::new("connecting", Why::Deadline { waited: deadline, last }).on(name)
                );
            }
        };
        let connection = tokio::spawn(async move {
            // How a connection ended is told by the next statement sent over it.
            let _ = connection.await;
        });
        Ok(Self { client, name: name.to_owned(), notebook: notebook.clone(), connection })
    }

    /// Runs one or more statements for what they do.
    pub async fn run(&self, sql: &str) -> Result<()> {
        self.note(sql);
        self.client.batch_execute(sql).await.map_err(|source| self.failed(sql, source))
    }

    /// Runs the statements of a file, `\i fixtures/sql/shop.sql` in psql.
    pub async fn run_file(&self, path: &str) -> Result<()> {
        self.note(&format!("\\i {path}"));
        let sql = fs::read_to_string(Path::new(path))
            .map_err(|source| Error::io(format!("reading {path}"), source))?;
        self.client.batch_execute(&sql).await.map_err(|source| self.failed(path, source))
    }

    /// Runs one statement and gives the number of rows it changed.
    pub async fn execute(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<u64> {
        self.note(sql);
        let changed = self.client.execute(sql, parameters).await;
        changed.map_err(|source| self.failed(sql, source))
    }

    /// Runs a query and gives its rows.
    pub async fn rows(&self, sql: &str) -> Result<Vec<Row>> {
        self.note(sql);
        self.look(sql).await
    }

    /// Runs a query that has one row with one column, and gives that.
    pub async fn value<T: FromSqlOwned>(&self, sql: &str) -> Result<T> {
        self.note(sql);
        self.look_at(sql).await
    }

    /// Runs a statement that PostgreSQL refuses, and gives the refusal.
    ///
    /// # Errors
    ///
    /// It was accepted, or the connection broke.
    pub async fn refusal(&self, sql: &str) -> Result<Refusal> {
        let Err(error) = self.run(sql).await else {
            return Err(
                Error::new(format!("expecting a refusal of {sql:?}"), Why::Accepted).on(&self.name)
            );
        };
        error.refusal().cloned().ok_or(error)
    }

    /// As [`rows`](Self::rows), for waits and views: how often they look is nobody's business.
    pub(crate) async fn look(&self, sql: &str) -> Result<Vec<Row>> {
        self.client.query(sql, &[]).await.map_err(|source| self.failed(sql, source))
    }

    /// As [`value`](Self::value), without a note.
    pub(crate) async fn look_at<T: FromSqlOwned>(&self, sql: &str) -> Result<T> {
        let row = self.client.query_one(sql, &[]).await;
        let value = row.and_then(|row| row.try_get(0));
        value.map_err(|source| self.failed(sql, source))
    }

    fn note(&self, sql: &str) {
        self.notebook.note(Event::Sql { node: self.name.clone(), text: sql.to_owned() });
    }

    fn failed(&self, sql: &str, source: tokio_postgres::Error) -> Error {
        Error::sql(format!("running {sql:?}"), source).on(&self.name)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
