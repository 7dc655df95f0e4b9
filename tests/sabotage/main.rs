//! Sabotage: the code is made wrong in one place, and each test that guards that place must fail. Each sabotage
//! is a test here, which passes when the sabotage is caught.
//!
//! ```text
//! cargo test --features sabotage --test sabotage               all of them
//! cargo test --features sabotage --test sabotage fast          those that need few seconds
//! cargo test --features sabotage --test sabotage containers    those that need a container engine
//! cargo test --features sabotage --test sabotage crash         those with this word in their name
//! ```
//!
//! The sources stay as they are: all sabotages are woven into a copy of the checkout, which is built once. A
//! variable says which one is active.
//!
//! ```text
//!   table/*.toml   the sabotages by kind: where, what instead of what, and the tests that must fail
//!   table.rs       the table as values
//!   weave.rs       the copy of the checkout, with every sabotage in it and none active
//!   suite.rs       the tests of the copy: built once, run with one sabotage or with none
//! ```

mod suite;
mod table;
mod weave;

use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};

use self::suite::{Suite, Verdict};
use self::table::Sabotage;

#[expect(clippy::print_stderr, reason = "it is a program")]
fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A sabotage of a fixture changes the copy while its tests run.
    arguments.test_threads = Some(1);
    match prepare(&arguments) {
        Ok(trials) => libtest_mimic::run(&arguments, trials).exit_code(),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the table, and builds the copy unless the tests are only listed.
fn prepare(arguments: &Arguments) -> Result<Vec<Trial>, String> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = table::read(&checkout.join("tests/sabotage/table"))?;
    let suite = match arguments.list {
        true => None,
        false => {
            let copy = weave::weave(checkout, &table)?;
            Some(Arc::new(Mutex::new(Suite::build(&copy)?)))
        }
    };
    Ok(table.into_iter().map(|sabotage| trial(sabotage, suite.clone())).collect())
}

fn trial(sabotage: Sabotage, suite: Option<Arc<Mutex<Suite>>>) -> Trial {
    Trial::test(sabotage.title(), move || {
        let Some(suite) = suite else { return Ok(()) };
        let mut suite = suite.lock().unwrap_or_else(PoisonError::into_inner);
        match suite.judge(&sabotage)? {
            Verdict::Caught => Ok(()),
            Verdict::Missed(blind) => Err(Failed::from(format!(
                "not caught: {} still pass with {:?} instead of {:?} in {}",
                blind.join(", "),
                sabotage.new,
                sabotage.old,
                sabotage.file
            ))),
        }
    })
}
