//! The shop of the exercises, `fixtures/sql/shop.sql`, and statements on it. Nothing here asserts.

use replication_lab::catchup::wait_for_no_lag;
use replication_lab::{Cluster, Result, Session};

/// Counts the orders.
pub(crate) const ORDERS: &str = "SELECT count(*) FROM orders";
/// Counts the products.
pub(crate) const PRODUCTS: &str = "SELECT count(*) FROM products";
/// Counts the users.
pub(crate) const USERS: &str = "SELECT count(*) FROM users";

/// Inserts one order.
pub(crate) const ORDER: &str = "INSERT INTO orders (user_id, product, amount) VALUES (1, 1, 1)";
/// Inserts one product.
pub(crate) const ADD_PRODUCT: &str = "INSERT INTO products (name, price) VALUES ('one more', 1)";

const SUMS: &str = "SELECT concat_ws(' ', \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM users t), \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM products t), \
     (SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM orders t))";

/// Opens a session on the primary, to write, and one on the only standby, to read.
pub(crate) async fn sessions(pair: &Cluster) -> Result<(Session, Session)> {
    Ok((pair.primary().session().await?, pair.standby()?.session().await?))
}

/// Creates and fills a shop with this number of users and twice as many orders, and waits until `standby1`
/// has it.
pub(crate) async fn shop(writer: &Session, users: u64) -> Result<()> {
    writer.run_file("fixtures/sql/shop.sql").await?;
    writer.run(&format!("SELECT fill_shop({users})")).await?;
    wait_for_no_lag(writer, "standby1").await.map(drop)
}

/// Returns a checksum of each table's rows, separated by spaces.
pub(crate) async fn sums(session: &Session) -> Result<String> {
    session.value(SUMS).await
}
