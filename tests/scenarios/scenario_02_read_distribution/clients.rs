//! Clients with both servers in their connection string, and the server that each of them reaches.
//! Nothing here is measured.

use macro_rules_attribute::apply;
use replication_lab::catchup::wait_for_streaming;
use replication_lab::{Cluster, Result, Session, Shutdown, Topology};
use rstest::{Context, rstest};
use tokio_postgres::config::TargetSessionAttrs::{self, Any, ReadOnly, ReadWrite};

use crate::steps::crash::must_have_crashed;
use crate::steps::reads::SERVER;
use crate::steps::shop::{ORDER, ORDERS};
use crate::support::{Lab, exercise, scenario};

/// One connection string leads writers to the primary and readers to the standby.
///
/// Method: both hosts in either order, with each value of `target_session_attrs`; then with the primary
/// stopped, and with both stopped (manual: Connection Strings, Specifying Multiple Hosts).
#[apply(exercise)]
#[rstest]
fn routing(#[context] test: Context) {
    let about = "target_session_attrs: one connection string leads writers to the primary, readers to the standby";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("Both servers run; the connection string names them in either order");
        let pair = lab.start(Topology::pair()).await?;
        let writes = in_both_orders(lab, &pair, ReadWrite).await?;
        let writes = lab.must_be("target_session_attrs=read-write", &writes, TO_THE_PRIMARY);
        let reads = in_both_orders(lab, &pair, ReadOnly).await?;
        let reads = lab.must_be("target_session_attrs=read-only", &reads, TO_THE_STANDBY);
        let any = in_both_orders(lab, &pair, Any).await?;
        let any = lab.must_be("target_session_attrs=any", &any, TO_THE_FIRST);

        lab.step("The primary is stopped: readers still connect, writers get an error");
        pair.primary().stop(Shutdown::Fast).await?;
        let found = reached(lab, &pair, &BOTH, ReadOnly).await?;
        let left = lab.must_be("target_session_attrs=read-only reaches", found, "standby1");
        let named = named_by(&pair, ReadWrite).await;
        let none = lab.must_be("servers named in the error for read-write", named, BOTH);

        lab.step("Both servers are stopped: every client gets an error");
        pair.standby()?.stop(Shutdown::Fast).await?;
        let named = named_by(&pair, ReadOnly).await;
        let gone = lab.must_be("servers named in the error for read-only", named, BOTH);

        lab.learn(
            "With target_session_attrs=read-write or read-only one connection string serves writers and \
             readers, in any order of hosts.",
            [&writes, &reads],
        );
        lab.learn(
            "With target_session_attrs=any, the default, the first server that answers is taken, primary \
             or standby.",
            [&any],
        );
        lab.learn(
            "A client whose target_session_attrs no server meets gets an error, not a server of the other \
             kind.",
            [&left, &none, &gone],
        );
        Ok(())
    });
}

/// A reader that accepts any server goes on reading when the standby fails, and uses it again later.
///
/// Method: a reader that asks for a standby first and takes any server where there is none; crash the
/// standby, insert, start it again.
#[apply(exercise)]
#[rstest]
fn standby_fails(#[context] test: Context) {
    let about = "The standby fails: reads go to the primary until it is back";
    scenario(&test, about, async |lab: &Lab| {
        lab.step("A reader asks for a read-only server first, and then for any server");
        let pair = lab.start(Topology::pair()).await?;
        let (writer, standby) = (pair.primary().session().await?, pair.standby()?);
        writer.run_file("fixtures/sql/shop.sql").await?;
        writer.run("SELECT fill_shop(10)").await?;
        pair.wait_for_catchup("standby1").await?;
        let read = read_somewhere(&pair).await?;
        let before = lab.must_be("before the failure", &read, "20 orders, read from standby1");

        lab.step(
            "The standby crashes, and an order is placed: the reader falls back to the primary",
        );
        standby.crash().await?;
        must_have_crashed(lab, standby, "in archive recovery").await?;
        writer.run(ORDER).await?;
        let read = read_somewhere(&pair).await?;
        let meanwhile =
            lab.must_be("while the standby is down", &read, "21 orders, read from primary");

        lab.step("The standby is started again: the next read goes to it");
        standby.start().await?;
        wait_for_streaming(&writer, &["standby1"]).await?;
        pair.wait_for_catchup("standby1").await?;
        let read = read_somewhere(&pair).await?;
        let after =
            lab.must_be("after the standby's return", &read, "21 orders, read from standby1");

        lab.learn(
            "A reader that falls back to any server goes on reading when the standby fails. When the \
             standby is back, the reader's next connection uses it, and the new rows are there.",
            [&before, &meanwhile, &after],
        );
        Ok(())
    });
}

const BOTH: [&str; 2] = ["primary", "standby1"];
const TO_THE_PRIMARY: &str = "primary first: primary, standby1 first: primary";
const TO_THE_STANDBY: &str = "primary first: standby1, standby1 first: standby1";
const TO_THE_FIRST: &str = "primary first: primary, standby1 first: standby1";

/// Connects twice, with the hosts in either order, and says which server each connection reached.
async fn in_both_orders(lab: &Lab, pair: &Cluster, wanted: TargetSessionAttrs) -> Result<String> {
    let primary_first = reached(lab, pair, &BOTH, wanted).await?;
    let standby_first = reached(lab, pair, &["standby1", "primary"], wanted).await?;
    Ok(format!("primary first: {primary_first}, standby1 first: {standby_first}"))
}

/// The server that a client reaches with these hosts in its string, in this order, and this
/// `target_session_attrs`.
async fn reached(
    lab: &Lab,
    pair: &Cluster,
    hosts: &[&str],
    wanted: TargetSessionAttrs,
) -> Result<String> {
    let mut config = pair.config_of(hosts)?;
    config.target_session_attrs(wanted);
    Session::open(&config, "client", lab).await?.value(SERVER).await
}

/// The servers that are named in the error of a client that finds none with these attributes.
async fn named_by(pair: &Cluster, wanted: TargetSessionAttrs) -> Vec<&'static str> {
    let error = pair.client(wanted).await.map_or_else(|error| error.to_string(), |_| String::new());
    BOTH.into_iter().filter(|name| error.contains(&format!("{name}: "))).collect()
}

/// Reads the number of orders on a standby if there is one, else on any server, and says where.
async fn read_somewhere(pair: &Cluster) -> Result<String> {
    let client = match pair.client(ReadOnly).await {
        Ok(client) => client,
        Err(_) => pair.client(Any).await?,
    };
    let (orders, server) = (client.count(ORDERS).await?, client.value::<String>(SERVER).await?);
    Ok(format!("{orders} orders, read from {server}"))
}
