//! The shop of the exercises, filled a little. What is bought in it is the scenarios' to say.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Cluster, Result, Session};

pub(crate) const ORDERS: &str = "SELECT count(*) FROM orders";
pub(crate) const PRODUCTS: &str = "SELECT count(*) FROM products";
pub(crate) const USERS: &str = "SELECT count(*) FROM users";

/// Places one order.
pub(crate) const ORDER: &str = "INSERT INTO orders (user_id, product, amount) VALUES (1, 1, 1)";
/// Adds one product to the catalogue.
pub(crate) const ADD_PRODUCT: &str = "INSERT INTO products (name, price) VALUES ('one more', 1)";

const SUMS: &str = "SELECT concat_ws(' ', \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM users t), \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM products t), \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM orders t))";

/// Who writes, on the primary, and who reads, on `standby1`.
pub(crate) async fn sessions(pair: &Cluster) -> Result<(Session, Session)> {
    Ok((pair.primary().session().await?, pair.standby()?.session().await?))
}

/// A shop with so many users, and twice as many orders, on the primary and on `standby1`.
pub(crate) async fn shop(writer: &Session, users: u64) -> Result<()> {
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run(&format!("SELECT fill_shop({users})")).await?;
    wait_for_no_lag(writer, "standby1").await.map(drop)
}

/// The checksums of every table.
pub(crate) async fn sums(session: &Session) -> Result<String> {
    session.value(SUMS).await
}
