//! What clients see of a failover: with every server in their connection string, and with one address, that
//! of a proxy. Nothing here repairs the old primary.

use std::time::Instant;

use macro_rules_attribute::apply;
use replication_lab::ledger::Outcome;
use replication_lab::proxy::{Check, HaProxy, PgBouncer};
use replication_lab::wait::{PATIENCE, Seen, until};
use replication_lab::workload::orders;
use replication_lab::{Companion, Result, Session, Shutdown, Topology, Writers};
use rstest::{Context, rstest};

use super::way::{Way, note_errors, only_on_the_old, two_clients};
use crate::steps::crash::{WRITERS, must_have_crashed};
use crate::steps::shop::ADD_PRODUCT;
use crate::steps::shutdown::shut_down_and_replay;
use crate::support::{Lab, exercise, scenario_with};

/// Clients get errors from the crash of the primary until their way leads to the promoted standby; then they
/// go on with the address that they had, and no acked order is on the wrong server.
///
/// Method: writers with a ledger take each way; crash the primary, promote, lead the way; then read both
/// servers.
#[apply(exercise)]
#[rstest]
#[case::target_session_attrs(Way::Attributes)]
#[case::haproxy(Way::HaProxy)]
#[case::pgbouncer(Way::PgBouncer)]
fn clients_in_a_failover(#[context] test: Context, #[case] way: Way) {
    let about = "What clients see of a crash and a failover: errors until their way leads to the new \
                 primary, then none, with the address that they had. The standby is synchronous, so that \
                 no acked order is lost";
    scenario_with(&test, way.needs(), about, async |lab: &Lab| {
        lab.step("A pair with a synchronous standby, and writers that find the primary by themselves or through a proxy");
        let pair = lab.start(Topology::pair().synchronous("standby1")).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        fill(&primary.session().await?).await?;
        let front = way.open(lab, &pair).await?;
        let before = front.reached(&pair).await?;
        let before = lab.must_be("server that a client reaches before", &before, "primary");
        let (writers, addresses) = front.writers(lab, &pair)?;
        writers.wait_for_acks(lab.scaled(200)).await?;
        lab.must_be("errors before the crash", total(&writers), 0_u64);

        lab.step("The primary's server crashes: clients get errors");
        let crashed = Instant::now();
        primary.crash().await?;
        must_have_crashed(lab, primary, "in production").await?;
        writers.wait_for_an_error().await?;
        let error = lab.must_be("did a client get an error", total(&writers) > 0, true);

        lab.step("The standby is promoted, and the clients' way leads to it");
        standby.promote().await?;
        front.lead_to(&pair, "standby1").await?;
        let acked = writers.acked();
        writers.wait_for_acks(acked + lab.scaled(50)).await?;
        lab.key_figure("from the crash until the new primary acked orders", crashed.elapsed());
        let after = front.reached(&pair).await?;
        let after = lab.must_be("server that a client reaches afterwards", &after, "standby1");

        lab.step("The writers stop; then the old primary is started, only to read its orders");
        let others = note_errors(lab, &writers);
        let ledger = writers.stop().await?;
        lab.key_figure("longest time without an acked order", ledger.longest_gap());
        primary.start().await?;
        let new = orders(&standby.session().await?).await?;
        let old = orders(&primary.session().await?).await?;
        let [lost, unexpected, duplicated] = ledger.compare(new.iter().copied()).wrong();
        let lost = lab.must_be("acked orders that the new primary lacks", lost, 0_u64);
        lab.must_be("orders that were refused and are there", unexpected, 0_u64);
        lab.must_be("orders that are there twice", duplicated, 0_u64);
        let wrong = only_on_the_old(&ledger, &new, &old);
        let wrong = lab.must_be("acked orders that only the old primary has", wrong, 0_u64);

        lab.learn(
            "When a primary crashes, its clients get errors: their connection breaks, or a new one is not \
             established. These errors have SQLSTATE class 08 or 57, or none. An order without an answer may \
             have been committed.",
            [&error, &others],
        );
        lab.learn(
            "After the failover clients reach the new primary with the connection string that they had.",
            [&before, &addresses, &after],
        );
        lab.learn(
            "With a synchronous standby every acked order is on the new primary.",
            [&lost, &wrong],
        );
        Ok(())
    });
}

/// PAUSE hides a planned switchover from the clients of PgBouncer: their orders wait, and none fails.
///
/// Method: writers at PgBouncer's address; PAUSE, stop the primary, promote, change the configuration,
/// RELOAD, RESUME (PgBouncer's manual: Admin Console).
#[apply(exercise)]
#[rstest]
fn switchover_behind_pgbouncer(#[context] test: Context) {
    let about = "A planned switchover behind PgBouncer: PAUSE makes clients wait, and no client gets an \
                 error. In pool mode transaction PAUSE waits for the running transactions only; in pool mode \
                 session it would wait until the clients disconnect";
    scenario_with(&test, &[Companion::PgBouncer], about, async |lab: &Lab| {
        lab.step("A pair, and writers at PgBouncer's address");
        let pair = lab.start(Topology::pair()).await?;
        let (primary, standby) = (pair.primary(), pair.standby()?);
        let (watcher, reader) = (primary.session().await?, standby.session().await?);
        fill(&watcher).await?;
        let pooler = PgBouncer::start(lab.site(), &pair, "primary").await?;
        let writers = Writers::start_at(&pair, &pooler.config(), WRITERS);
        writers.wait_for_acks(lab.scaled(200)).await?;

        lab.step("PAUSE: PgBouncer lets running transactions end and disconnects from the primary; clients wait");
        let (console, paused) = (pooler.console().await?, Instant::now());
        console.run("PAUSE").await?;
        let left = wait_for_no_other_client(&watcher).await?;
        let left = lab.must_be(
            "sessions of clients on the primary, without the one that counts them",
            left,
            0_u64,
        );

        lab.step("The primary stops; the standby replays its last WAL record, and is promoted");
        shut_down_and_replay(lab, primary, &reader).await?;
        standby.promote().await?;

        lab.step("PgBouncer's configuration names the new primary: RELOAD and RESUME");
        pooler.configure(&pair, "standby1").await?;
        console.run("RELOAD").await?;
        console.run("RESUME").await?;
        lab.key_figure("from PAUSE to RESUME", paused.elapsed());
        let acked = writers.acked();
        writers.wait_for_acks(acked + lab.scaled(50)).await?;
        let errors = lab.must_be("errors that clients got", total(&writers), 0_u64);
        let ledger = writers.stop().await?;
        lab.key_figure("longest time without an acked order", ledger.longest_gap());
        let unanswered = ledger.count(Outcome::Unknown) + ledger.count(Outcome::Failed);
        let unanswered = lab.must_be("orders that were not acked", unanswered, 0_u64);
        let [lost, unexpected, duplicated] = ledger.compare(orders(&reader).await?).wrong();
        let lost = lab.must_be("acked orders that the new primary lacks", lost, 0_u64);
        lab.must_be("orders that are there and were never placed", unexpected, 0_u64);
        lab.must_be("orders that are there twice", duplicated, 0_u64);

        lab.learn(
            "PAUSE, then RELOAD with the new primary in the configuration, then RESUME: clients of a \
             PgBouncer in pool mode transaction see a planned switchover as a delay and get no error.",
            [&left, &errors, &unanswered],
        );
        lab.learn(
            "A switchover loses no order where the primary is stopped first and the standby has replayed its \
             last WAL record.",
            [&lost],
        );
        Ok(())
    });
}

/// A check of HAProxy that asks for the role tells a primary from a standby, and not one primary from
/// another; `option pgsql-check` does not ask for the role.
///
/// Method: HAProxy with both checks; before and after a promotion while the old primary runs; then with the
/// old primary stopped.
#[apply(exercise)]
#[rstest]
fn checks_of_haproxy(#[context] test: Context) {
    let about = "What HAProxy's checks see: option pgsql-check whether a server answers, an external check \
                 with pg_is_in_recovery() whether it is a primary, and neither which of two primaries is the \
                 right one";
    let needed = [Companion::HaProxy, Companion::Psql];
    scenario_with(&test, &needed, about, async |lab: &Lab| {
        lab.step("A pair behind HAProxy: an address for each check");
        let pair = lab.start(Topology::pair()).await?;
        fill(&pair.primary().session().await?).await?;
        pair.wait_for_catchup("standby1").await?;
        let proxy = HaProxy::start(lab.site(), &pair).await?;
        let up = proxy.wait_for_up(Check::Role, &["primary"]).await?;
        let role = lab.must_be("servers that pass the check of the role", up, ["primary"]);
        let up = proxy.wait_for_up(Check::Answer, &["primary", "standby1"]).await?;
        let both = "servers that pass option pgsql-check";
        let answer = lab.must_be(both, up, ["primary", "standby1"]);

        lab.step(
            "Two clients connect at the address with option pgsql-check, and one of them writes",
        );
        let clients = (proxy.session_on_any().await?, proxy.session_on_any().await?);
        let (reached, on_standby) = two_clients(clients.0, clients.1, "standby1").await?;
        let reached =
            lab.must_be("servers that they reach", reached.join(", "), "primary, standby1");
        let refused = on_standby.refusal(ADD_PRODUCT).await?;
        let refused =
            lab.must_be("SQLSTATE of an INSERT on the standby", refused.sqlstate(), "25006");

        lab.step("The standby is promoted while the old primary runs: two primaries");
        pair.standby()?.promote().await?;
        let up = proxy.wait_for_up(Check::Role, &["primary", "standby1"]).await?;
        let two = "servers that pass the check of the role, with two primaries";
        let two = lab.must_be(two, up, ["primary", "standby1"]);
        let clients = (proxy.session().await?, proxy.session().await?);
        let (reached_then, _) = two_clients(clients.0, clients.1, "standby1").await?;
        let split = "servers that two clients reach at the address with the check of the role";
        let split = lab.must_be(split, reached_then.join(", "), "primary, standby1");

        lab.step("The old primary is stopped");
        pair.primary().stop(Shutdown::Fast).await?;
        let up = proxy.wait_for_up(Check::Role, &["standby1"]).await?;
        let one = "servers that pass the check of the role, with the old primary stopped";
        let one = lab.must_be(one, up, ["standby1"]);

        lab.learn(
            "option pgsql-check of HAProxy tells whether a server answers, not its role: a client that writes \
             can reach a standby and gets 25006.",
            [&answer, &reached, &refused],
        );
        lab.learn(
            "A check that asks pg_is_in_recovery() lets clients through to a primary only, and follows a \
             promotion without a change of the configuration.",
            [&role, &one],
        );
        lab.learn(
            "A check of the role does not see a timeline: with two primaries clients are let through to both. \
             Stop or fence the old primary before the standby is promoted.",
            [&two, &split],
        );
        Ok(())
    });
}

async fn fill(writer: &Session) -> Result<()> {
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run("SELECT fill_shop(10)").await
}

fn total(writers: &Writers) -> u64 {
    writers.errors().values().sum()
}

/// Waits until no other client has a session on a server, and returns how many have one.
async fn wait_for_no_other_client(watcher: &Session) -> Result<u64> {
    const OTHERS: &str = "SELECT count(*) FROM pg_stat_activity \
                          WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    until("no other client has a session", PATIENCE, || async {
        let others = watcher.count(OTHERS).await?;
        Ok(if others == 0 { Seen::Done(others) } else { Seen::NotYet(format!("{others} have")) })
    })
    .await
}
