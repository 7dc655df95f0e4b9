//! The monitoring views of `fixtures/sql`, column by column. Method: a chain in which no figure is zero;
//! every row is compared with the figures of the library and of the catalogs, read before and after it.

mod behind;
mod expected;
mod states;

use pretty_assertions::assert_eq;
use replication_lab::health::observe;
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::{Result, Session, Settings, Site, catchup, stat};
use serde_json::{Value, json};

use self::behind::{Behind, monitor, write};
use self::expected::{ALERTS, Views};
use crate::support::within_deadline;

/// The columns that are times: microseconds instead of an interval.
const LAGS: &str = "jsonb_build_object('write_lag', (extract(epoch FROM write_lag) * 1e6)::bigint, \
     'flush_lag', (extract(epoch FROM flush_lag) * 1e6)::bigint, \
     'replay_lag', (extract(epoch FROM replay_lag) * 1e6)::bigint)";

/// The checks whose values are times that pass.
const TIMES: &str =
    "{lag_time,commit_wait,archive_age,archive_feed,oldest_transaction,oldest_prepared}";

/// Every column of every view shows the figure that the library reads, on the primary and on a standby, while
/// none of them is zero on a local host; then after a promotion.
#[test]
fn every_column_of_the_views_shows_its_figure() {
    within_deadline(async move {
        let behind = Behind::start().await?;
        let (primary, standby) = (behind.chain.primary(), behind.chain.node("standby1")?);
        let up = monitor(primary).await?;
        let views = compared(&up).await?;
        // Between containers the buffers of the network take what a cut holds back on a local host, so that
        // a figure may be zero there.
        let local = Site::choose(&Settings::from_env()?).await?.kind() == "local";
        if local {
            the_primary_is_as_it_was_made(&views);
        }
        the_history_is_noted(&behind.writer, &up).await?;
        standby.set("wal_receiver_timeout", "100ms").await?;
        let down = monitor(standby).await?;
        let views = compared(&down).await?;
        if local {
            the_standby_is_as_it_was_made(&views);
        }
        the_times_of_the_standby(&down).await?;
        let noted: i64 = standby.session().await?.value("SELECT note_replication()").await?;
        assert_eq!(noted, 0, "a standby notes nothing");
        drop((up, down));
        let chain = behind.recover().await?;
        a_promotion_shows_at_once(&chain).await?;
        Ok(chain.stop().await?)
    });
}

/// Reads the views between two equal readings of the expected rows, and compares them.
async fn compared(session: &Session) -> Result<Views> {
    let (expected, seen) = until("nothing changes between two readings", PATIENCE, || async {
        let before = expected::views(session).await?;
        let seen = seen(session, &before).await?;
        let after = expected::views(session).await?;
        let changed = Seen::NotYet("the figures changed".to_owned());
        Ok(if before == after { Seen::Done((before, seen)) } else { changed })
    })
    .await?;
    assert_eq!(seen, expected);
    Ok(seen)
}

/// Reads the rows of the views that are expected, in the same order; the times that pass are left out.
async fn seen(session: &Session, expected: &Views) -> Result<Views> {
    let mut views = Views::new();
    for view in expected.keys() {
        let row = match *view {
            "replication_health" => {
                format!("to_jsonb(v) - '{{pid,since_reply}}'::text[] || {LAGS}")
            }
            "standby_health" => "to_jsonb(v) - \
                 '{silent_for,since_last_transaction,not_replayed_for}'::text[]"
                .into(),
            "wal_statistics" => "to_jsonb(v) - 'archive_oldest'".into(),
            "synchronous_health" => "to_jsonb(v) - 'waits_for'".into(),
            "replication_checks" | ALERTS => format!(
                "to_jsonb(v) || CASE WHEN name = ANY ('{TIMES}') THEN '{{\"value\": null}}' ELSE '{{}}' END::jsonb"
            ),
            _ => "to_jsonb(v)".to_owned(),
        };
        let mut rows = json_rows(session, &format!("SELECT ({row})::text FROM {view} v")).await?;
        if *view != ALERTS {
            rows.sort_by_key(Value::to_string);
        }
        views.insert(view, rows);
    }
    Ok(views)
}

async fn json_rows(session: &Session, sql: &str) -> Result<Vec<Value>> {
    let rows = session.rows(sql).await?;
    let parse =
        |text: String| serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    Ok(rows.iter().map(|row| parse(row.get(0))).collect())
}

/// Returns a column of the one row in which another column has this value.
fn column(views: &Views, view: &str, key: (&str, &str), column: &str) -> Value {
    let rows = views.get(view).map(Vec::as_slice).unwrap_or_default();
    let found: Vec<_> = rows.iter().filter(|row| row[key.0] == key.1).collect();
    let [row] = found.as_slice() else { panic!("{key:?} in {view}: {rows:?}") };
    row[column].clone()
}

/// Returns the one row of a view.
fn one<'a>(views: &'a Views, view: &str) -> &'a Value {
    let rows = views.get(view).map(Vec::as_slice).unwrap_or_default();
    let [row] = rows else { panic!("{view} has {rows:?}") };
    row
}

/// Asserts that the figures that the comparison rests on are there, and differ.
fn the_primary_is_as_it_was_made(views: &Views) {
    let health = |name: &str| column(views, "replication_health", ("standby", "standby1"), name);
    let positions = ["not_sent_bytes", "not_written_bytes", "not_replayed_bytes"];
    let bytes = positions.map(|name| health(name).as_u64().unwrap_or_default());
    assert!(bytes[0] > 0 && bytes[0] < bytes[1] && bytes[1] < bytes[2], "{bytes:?}");
    assert_eq!(health("sync_state"), "quorum");
    let received = ("standby", "pg_receivewal");
    let of_receiver = |name: &str| column(views, "replication_health", received, name);
    assert_ne!(of_receiver("not_written_bytes"), of_receiver("not_flushed_bytes"));
    assert_eq!(of_receiver("not_replayed_bytes"), Value::Null);
    assert_eq!(of_receiver("slot_name"), "receiver");
    let idle = column(views, "replication_health", ("standby", "idle"), "state");
    assert_eq!(idle, "not connected");
    let slot = |name: &str, wanted: &str| column(views, "slot_health", ("slot_name", name), wanted);
    assert_eq!(slot("logical", "slot_type"), "logical");
    assert!(slot("logical", "xmin_age").as_u64() > slot("standby1", "xmin_age").as_u64());
    assert!(slot("standby1", "xmin_age").as_u64() > Some(0));
    let wal = one(views, "wal_statistics");
    assert_eq!(wal["archived_count"], 1);
    assert!(wal["archive_waiting"].as_u64() >= Some(2), "{wal}");
    assert_eq!(
        (wal["failed_count"].as_u64() >= Some(3), &wal["archiver_failing"]),
        (true, &json!(true))
    );
    let prepared = ("holder", "prepared transaction transfer");
    assert_eq!(column(views, "old_transactions", prepared, "xmin_age"), 3);
    let row = json!({ "needed": 2, "level": "on", "there": 1, "able": 1, "sessions": 0 });
    assert_eq!(views["synchronous_health"], [row]);
    for severity in ["CRITICAL", "WARNING", "INFO"] {
        let alerts = &views[ALERTS];
        assert!(alerts.iter().any(|row| row["severity"] == severity), "{severity}: {alerts:?}");
    }
}

/// Each call notes every row of `replication_health` with the worst severity, and deletes rows that are
/// older than the time to keep.
async fn the_history_is_noted(writer: &Session, reader: &Session) -> Result<()> {
    let before = figures(reader).await?;
    let rows = reader.count("SELECT count(*) FROM replication_health").await?;
    assert_eq!(writer.count("SELECT note_replication()").await?, rows);
    let noted = "SELECT to_jsonb(h)::text FROM replication_history h WHERE standby = 'standby1'";
    let noted = json_rows(reader, noted).await?;
    let after = figures(reader).await?;
    let [noted] = noted.as_slice() else { panic!("{noted:?}") };
    assert_eq!((&noted["state"], &noted["worst"]), (&json!("streaming"), &json!("CRITICAL")));
    let lag = before.get("replay_lag");
    assert_eq!((noted.get("replay_lag"), lag.is_some_and(Value::is_string)), (lag, true));
    for name in ["not_replayed_bytes", "retained_bytes"] {
        let [before, noted, after] = [&before, noted, &after].map(|figures| figures[name].as_u64());
        assert!(before > Some(0) && before <= noted && noted <= after, "{name}: {noted:?}");
    }
    let age =
        "UPDATE replication_history SET noted = noted - '8 days'::interval WHERE standby = 'idle'";
    writer.run(age).await?;
    writer.run("SELECT note_replication()").await?;
    let all = "SELECT count(*) FROM replication_history";
    assert_eq!(reader.count(all).await?, 2 * rows - 1, "the old row is deleted");
    writer.run("SELECT note_replication('0 s')").await?;
    assert_eq!(reader.count(all).await?, rows, "only the new rows are kept");
    Ok(())
}

/// Returns the replay lag of `standby1`, and the bytes that it has not replayed and that its slot retains.
async fn figures(reader: &Session) -> Result<Value> {
    let row = stat::replication_to(reader, "standby1").await?;
    let slot = stat::slot(reader, "standby1").await?;
    let lag = "SELECT to_jsonb(replay_lag) #>> '{}' FROM pg_stat_replication \
               WHERE application_name = 'standby1'";
    Ok(json!({
        "replay_lag": reader.value::<Option<String>>(lag).await?,
        "not_replayed_bytes": row.and_then(|row| row.lag()),
        "retained_bytes": slot.retained(),
    }))
}

fn the_standby_is_as_it_was_made(views: &Views) {
    let standby = one(views, "standby_health");
    let bytes = |name: &str| standby[name].as_u64().unwrap_or_default();
    assert!(bytes("not_received_bytes") > 0, "{standby}");
    assert!(bytes("not_replayed_bytes") > bytes("not_received_bytes"), "{standby}");
    assert_eq!((&standby["hears"], &standby["replay_paused"]), (&json!(false), &json!(true)));
    let second = |name: &str| column(views, "replication_health", ("standby", "standby2"), name);
    assert!(second("not_written_bytes").as_u64() > Some(0));
    let spare = column(views, "slot_health", ("slot_name", "spare"), "retained_bytes");
    assert!(spare.as_u64() > Some(0), "{spare}");
}

/// The times that pass lie between two plain readings.
async fn the_times_of_the_standby(session: &Session) -> Result<()> {
    let plain = "SELECT extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8";
    let view = "SELECT extract(epoch FROM since_last_transaction)::float8 FROM standby_health";
    let (before, seen, after): (f64, f64, f64) =
        (session.value(plain).await?, session.value(view).await?, session.value(plain).await?);
    assert!(before > 0.0 && before <= seen && seen <= after, "{before} {seen} {after}");
    let silence = || async {
        let receiver = observe(session).await?.receiver;
        Ok::<_, replication_lab::Error>(receiver.and_then(|one| one.silence).unwrap_or_default())
    };
    let view = "SELECT extract(epoch FROM silent_for)::float8 FROM standby_health";
    let before = silence().await?.as_secs_f64();
    let seen: f64 = session.value(view).await?;
    let after = silence().await?.as_secs_f64();
    assert!(before > 0.0 && before <= seen && seen <= after, "{before} {seen} {after}");
    Ok(())
}

/// A promoted server shows its new timeline before its control file does, and its standby follows; a standby
/// without an upstream has no receiver.
async fn a_promotion_shows_at_once(chain: &replication_lab::Cluster) -> Result<()> {
    let (first, second) = (chain.node("standby1")?, chain.node("standby2")?);
    first.promote().await?;
    let up = monitor(first).await?;
    let wal = "SELECT role || ' on timeline ' || timeline FROM replication_dashboard";
    assert_eq!(up.value::<String>(wal).await?, "primary on timeline 2");
    write(&first.session().await?, 1_000).await?;
    catchup::wait_for_no_lag(&up, "standby2").await?;
    compared(&monitor(second).await?).await?;
    second.set("primary_conninfo", "").await?;
    let down = monitor(second).await?;
    until("standby2 has no walreceiver", PATIENCE, || async {
        let receiver = observe(&down).await?.receiver;
        Ok(if receiver.is_none() { Seen::Done(()) } else { Seen::NotYet(format!("{receiver:?}")) })
    })
    .await?;
    let views = compared(&down).await?;
    let standby = one(&views, "standby_health");
    assert_eq!((&standby["receiver"], &standby["has_upstream"]), (&json!("none"), &json!(false)));
    assert_eq!(standby["hears"], Value::Null);
    Ok(())
}
