//! The shop of the exercises, filled a little. What is bought in it is the scenarios' to say.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Result, Session};

pub(crate) const ORDERS: &str = "SELECT count(*) FROM orders";

/// A shop with a hundred users and two hundred orders, on the primary and on `standby1`.
pub(crate) async fn shop(writer: &Session) -> Result<()> {
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run("SELECT fill_shop(100)").await?;
    wait_for_no_lag(writer, "standby1").await.map(drop)
}
