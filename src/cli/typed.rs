//! The program's name as people type it: `cargo lab` in a checkout, `lab` where it is installed.

use crate::settings;

/// Returns a text in which the program has the name that this process was started by.
pub(super) fn as_here(text: &str) -> String {
    named(text, settings::is_run_by_cargo())
}

fn named(text: &str, by_cargo: bool) -> String {
    match by_cargo {
        true => text.to_owned(),
        false => text.replace("cargo lab", "lab"),
    }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn an_installed_program_has_its_own_name() {
        let text = "cargo lab --install\nthen: cargo lab run 04, not cargo test";
        assert_eq!(named(text, true), text);
        assert_eq!(named(text, false), "lab --install\nthen: lab run 04, not cargo test");
    }
}
