//! Writers: clients that place orders in the shop one after the other, find the server that takes
//! writes by themselves or connect to the one address of a proxy, and record the outcome of every
//! order. They never judge: see [`Ledger::compare`].
//!
//! ```text
//!   ledger.rs    the outcomes of writers, compared with the rows that are present
//!   pgbench.rs   the load that comes with PostgreSQL
//! ```

pub mod ledger;
pub mod pgbench;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use self::ledger::{Attempt, Ledger, Outcome};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::record::notebook::Notebook;
use crate::session::Session;
use crate::settings;
use crate::wait::{self, Seen, pause, until};

/// The id of the writers' first order: above the ids that a sequence generates.
pub const FIRST: i64 = 1_000_000_000;

/// The longest that a writer waits for an answer, before `LAB_TIMEOUT` multiplies it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The pause of a writer that finds no server that takes writes.
const BREATH: Duration = Duration::from_millis(20);

/// The key under which errors without an SQLSTATE are counted: the connection ended or was refused.
const NO_SQLSTATE: &str = "no SQLSTATE";

/// Running writers. They end when this is dropped; their ledger is then lost.
#[must_use = "writers give their ledger when they are stopped"]
#[derive(Debug)]
pub struct Writers {
    end: watch::Sender<bool>,
    acked: Arc<AtomicU64>,
    errors: Errors,
    tasks: Vec<JoinHandle<Vec<Attempt>>>,
}

impl Writers {
    /// Starts `count` writers in the shop of `fixtures/sql/shop.sql`, which must have a user and a
    /// product with the id 1.
    pub fn start(cluster: &Arc<Cluster>, count: usize) -> Self {
        Self::start_with(cluster, count, FIRST)
    }

    /// Starts writers as [`start`](Self::start) does, with another id of the first order, where
    /// earlier writers used the default.
    pub fn start_with(cluster: &Arc<Cluster>, count: usize, first: i64) -> Self {
        Self::start_by(&Route::Attributes(Arc::clone(cluster)), cluster.notebook(), count, first)
    }

    /// Starts writers as [`start`](Self::start) does, which know nothing of the cluster: they
    /// connect with this configuration, such as that of a proxy.
    pub fn start_at(cluster: &Cluster, config: &Config, count: usize) -> Self {
        Self::start_by(&Route::Address(Box::new(config.clone())), cluster.notebook(), count, FIRST)
    }

    fn start_by(route: &Route, notebook: &Notebook, count: usize, first: i64) -> Self {
        let (end, ended) = watch::channel(false);
        let (acked, next) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(first)));
        let errors = Errors::default();
        let writer = |_| Writer {
            route: route.clone(),
            notebook: notebook.clone(),
            ended: ended.clone(),
            acked: Arc::clone(&acked),
            errors: errors.clone(),
            next: Arc::clone(&next),
        };
        let tasks = (0..count).map(writer).map(|writer| tokio::spawn(writer.work())).collect();
        Self { end, acked, errors, tasks }
    }

    /// Returns the number of orders acked so far.
    pub fn acked(&self) -> u64 {
        self.acked.load(Ordering::Relaxed)
    }

    /// Waits until this many orders are acked.
    ///
    /// # Errors
    ///
    /// Fewer were acked within [`PATIENCE`](wait::PATIENCE).
    pub async fn wait_for_acks(&self, acks: u64) -> Result<()> {
        until(&format!("{acks} orders are acked"), wait::PATIENCE, || async {
            let acked = self.acked();
            let fewer = Seen::NotYet(format!("{acked} are"));
            Ok(if acked >= acks { Seen::Done(()) } else { fewer })
        })
        .await
    }

    /// Returns the number of errors that the writers got so far, by SQLSTATE: of connections that
    /// were not established, and of orders. Errors without an SQLSTATE have the key `no SQLSTATE`.
    pub fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.counted()
    }

    /// Waits until a writer has got an error.
    ///
    /// # Errors
    ///
    /// No writer got one within [`PATIENCE`](wait::PATIENCE).
    pub async fn wait_for_an_error(&self) -> Result<()> {
        until("a writer gets an error", wait::PATIENCE, || async {
            let none = Seen::NotYet(format!("{} orders are acked", self.acked()));
            Ok(if self.errors().is_empty() { none } else { Seen::Done(()) })
        })
        .await
    }

    /// Stops the writers once the outcome of every attempt is known, and returns their ledger.
    ///
    /// # Errors
    ///
    /// A writer panicked.
    pub async fn stop(mut self) -> Result<Ledger> {
        self.end.send_replace(true);
        let mut attempts = Vec::new();
        for task in &mut self.tasks {
            let done = task.await;
            attempts.extend(done.map_err(|source| Error::io("placing orders", source.into()))?);
        }
        Ok(Ledger::new(attempts))
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Returns the ids of the writers' orders on a server, for the comparison with a ledger.
///
/// # Errors
///
/// The server refuses the query, or the connection is lost.
pub async fn orders(session: &Session) -> Result<Vec<i64>> {
    let sql = format!("SELECT id FROM orders WHERE id >= {FIRST}");
    let rows = session.rows(&sql).await?;
    rows.iter().map(|row| row.try_get(0).map_err(|source| Error::sql(&sql, source))).collect()
}

/// How a writer finds the server.
#[derive(Clone)]
enum Route {
    /// Its connection string names every server, and `target_session_attrs` is `read-write`.
    Attributes(Arc<Cluster>),
    /// It connects to one address.
    Address(Box<Config>),
}

impl Route {
    async fn connect(&self) -> Result<Session> {
        match self {
            Self::Attributes(cluster) => {
                cluster.client_unrecorded(TargetSessionAttrs::ReadWrite).await
            }
            Self::Address(config) => Session::open(config, "client", &Notebook::in_memory()).await,
        }
    }
}

/// The errors of all writers, counted by SQLSTATE.
#[derive(Clone, Debug, Default)]
struct Errors(Arc<Mutex<BTreeMap<String, u64>>>);

impl Errors {
    fn count(&self, error: &Error) {
        let code = error.code().map_or(NO_SQLSTATE, |code| code.code());
        let mut counted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counted.entry(code.to_owned()).or_default() += 1;
    }

    fn counted(&self) -> BTreeMap<String, u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

struct Writer {
    route: Route,
    notebook: Notebook,
    ended: watch::Receiver<bool>,
    acked: Arc<AtomicU64>,
    errors: Errors,
    next: Arc<AtomicI64>,
}

impl Writer {
    async fn work(self) -> Vec<Attempt> {
        let (mut attempts, mut session) = (Vec::new(), None);
        while !*self.ended.borrow() {
            let Some(open) = session.take() else {
                match self.route.connect().await {
                    Ok(open) => session = Some(open),
                    Err(error) => {
                        self.errors.count(&error);
                        pause(BREATH).await;
                    }
                }
                continue;
            };
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            let outcome = self.write_order(&open, id).await;
            attempts.push(Attempt { id, at: self.notebook.age(), outcome });
            if outcome == Outcome::Acked {
                self.acked.fetch_add(1, Ordering::Relaxed);
                session = Some(open);
            }
        }
        attempts
    }

    /// Places one order in a transaction of its own. It is one message without parameters: a pooler
    /// may give the next message to another server, which knows no statement prepared before.
    async fn write_order(&self, session: &Session, id: i64) -> Outcome {
        let order =
            format!("INSERT INTO orders (id, user_id, product, amount) VALUES ({id}, 1, 1, 1)");
        let deadline = PATIENCE.mul_f64(settings::timeout_factor());
        match tokio::time::timeout(deadline, session.run_unrecorded(&order)).await {
            Ok(Ok(())) => Outcome::Acked,
            Ok(Err(error)) => {
                self.errors.count(&error);
                if has_failed(&error) { Outcome::Failed } else { Outcome::Unknown }
            }
            Err(_) => Outcome::Unknown,
        }
    }
}

/// Tells whether the server reported that the transaction did not commit. A server that ends a
/// session (class 57) may have committed before; so may the server of a pooler that reports a broken
/// connection (class 08).
fn has_failed(error: &Error) -> bool {
    let may_have_committed = |code: &str| code.starts_with("57") || code.starts_with("08");
    error.code().is_some_and(|code| !may_have_committed(code.code()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Why;
    use crate::server_message::ServerMessage;
    use crate::server_message::tests::refused;

    /// Answers of a server that keeps the session end the order; those of a server that ends it, and
    /// a connection that broke, leave the outcome unknown.
    #[tokio::test]
    async fn an_order_has_failed_only_where_the_server_went_on() {
        for (code, failed) in [
            ("23505", true),
            ("25006", true),
            ("53300", true),
            ("57P01", false),
            ("57P03", false),
            ("57014", false),
            ("08P01", false),
            ("08006", false),
        ] {
            let fields = [(b'S', "ERROR"), (b'C', code), (b'M', "refused")];
            let error = Error::sql("placing an order", refused(&fields).await);
            assert_eq!(error.code().map(|code| code.code().to_owned()).as_deref(), Some(code));
            assert_eq!(has_failed(&error), failed, "{code}");
        }
        let broken = Error::io("placing an order", std::io::ErrorKind::BrokenPipe.into());
        assert!(!has_failed(&broken));
        let line = Why::Refused(ServerMessage::from_log("LOG:  shutting down"));
        assert!(!has_failed(&Error::new("placing an order", line)));
    }

    fn writers(acked: u64, tasks: Vec<JoinHandle<Vec<Attempt>>>) -> Writers {
        let (end, _) = watch::channel(false);
        Writers { end, acked: Arc::new(AtomicU64::new(acked)), errors: Errors::default(), tasks }
    }

    #[tokio::test]
    async fn errors_are_counted_by_their_sqlstate() {
        let writers = writers(0, Vec::new());
        let fields = [(b'S', "FATAL"), (b'C', "08P01"), (b'M', "server conn crashed?")];
        let crashed = Error::sql("placing an order", refused(&fields).await);
        let broken = Error::io("placing an order", std::io::ErrorKind::BrokenPipe.into());
        for error in [&crashed, &broken, &crashed] {
            writers.errors.count(error);
        }
        let counted: Vec<_> = writers.errors().into_iter().collect();
        assert_eq!(counted, [("08P01".to_owned(), 2), (NO_SQLSTATE.to_owned(), 1)]);
        writers.wait_for_an_error().await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_for_acks_ends_with_the_last_of_them() {
        let writers = writers(5, Vec::new());
        assert_eq!(writers.acked(), 5);
        writers.wait_for_acks(5).await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(50), writers.wait_for_acks(6)).await;
        assert!(more.is_err(), "{more:?}");
    }

    #[tokio::test]
    async fn the_ledger_has_the_attempts_of_every_writer() {
        let attempt =
            |id, millis| Attempt { id, at: Duration::from_millis(millis), outcome: Outcome::Acked };
        let all = [vec![attempt(2, 20), attempt(4, 40)], Vec::new(), vec![attempt(1, 10)]];
        let tasks = all.into_iter().map(|one| tokio::spawn(std::future::ready(one))).collect();
        let ledger = writers(3, tasks).stop().await.unwrap();
        assert_eq!(ledger.attempts(), [attempt(1, 10), attempt(2, 20), attempt(4, 40)]);
    }

    #[tokio::test]
    async fn writers_end_when_they_are_dropped() {
        let (running, dropped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(running);
            Vec::new()
        });
        drop(writers(0, vec![task]));
        let ended = tokio::time::timeout(Duration::from_secs(20), dropped).await;
        assert!(ended.is_ok_and(|ended| ended.is_err()), "the writer goes on");
    }
}
