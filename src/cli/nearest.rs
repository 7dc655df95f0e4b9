//! The names that are nearest to one that was typed and is not known.

/// How similar a name must be to one that was typed to be worth naming; 1 is the same.
const SIMILAR: f64 = 0.5;

/// The number of names that are offered instead of one that is not known.
const OFFERED: usize = 3;

/// Returns the names that are most similar to a typed one, the nearest first.
pub(super) fn nearest<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let typed = typed.to_lowercase();
    let similar = |name: &str| strsim::normalized_damerau_levenshtein(name, &typed);
    let mut names: Vec<_> = known.into_iter().filter(|name| similar(name) >= SIMILAR).collect();
    names.sort_unstable();
    names.dedup();
    names.sort_by(|one, other| similar(other).total_cmp(&similar(one)));
    names.truncate(OFFERED);
    names
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn the_nearest_come_first() {
        let known = ["cut", "crash", "stop", "start", "status", "stop"];
        assert_eq!(nearest("sotp", known), ["stop"]);
        assert_eq!(nearest("STAT", known), ["start", "status", "stop"]);
        assert_eq!(nearest("xyzzy", known), [""; 0]);
    }
}
