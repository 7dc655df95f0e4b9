//! Lines of PostgreSQL's configuration files and connection strings, quoted as PostgreSQL reads
//! them. Nothing here knows which settings exist: the server reports an unknown one.

use std::fmt::Write as _;

/// Settings of `postgresql.conf`, in the order given. Of two lines with the same name PostgreSQL
/// takes the last one (manual: Setting Parameters).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf {
    settings: Vec<(String, String)>,
    lines: String,
}

impl Conf {
    /// Creates an empty configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a setting, by name and value as in `SHOW`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "a builder takes what it is given")]
    pub fn set(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// Appends the settings of `others`, which take precedence.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.settings.extend(others.settings.iter().cloned());
        self.lines.push_str(&others.lines);
        self
    }

    /// Appends lines as a person wrote them. They stand after all settings and take precedence.
    #[must_use]
    pub fn with_lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self
    }

    /// Returns the names of the settings in the lines that a person wrote, in lower case.
    pub(crate) fn names_in_lines(&self) -> Vec<String> {
        let names = self.lines.lines().map(|line| {
            let is_name = |c: &char| c.is_ascii_alphanumeric() || "_.".contains(*c);
            line.trim_start().chars().take_while(is_name).collect::<String>().to_ascii_lowercase()
        });
        names.filter(|name| !name.is_empty()).collect()
    }

    /// The lines of the file.
    ///
    /// ```
    /// use replication_lab::Conf;
    /// let conf = Conf::new().set("wal_keep_size", "16MB").set("search_path", "'shop'");
    /// assert_eq!(conf.lines(), "wal_keep_size = '16MB'\nsearch_path = '''shop'''\n");
    /// ```
    pub fn lines(&self) -> String {
        let settings = self.settings.iter().fold(String::new(), |mut lines, (name, value)| {
            let _ =
                writeln!(lines, "{name} = '{}'", value.replace('\\', r"\\").replace('\'', "''"));
            lines
        });
        settings + &self.lines
    }
}

/// A connection string of keywords and values (manual: Connection Strings), each value quoted
/// where it must be.
///
/// ```
/// use replication_lab::conf::conninfo;
/// let string = conninfo(&[("host", "127.0.0.1"), ("password", r"it's a \")]);
/// assert_eq!(string, r"host=127.0.0.1 password='it\'s a \\'");
/// ```
pub fn conninfo(parameters: &[(&str, &str)]) -> String {
    let words: Vec<_> =
        parameters.iter().map(|(key, value)| format!("{key}={}", word(value))).collect();
    words.join(" ")
}

fn word(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-,:%+=".contains(c);
    match !value.is_empty() && value.chars().all(plain) {
        true => value.to_owned(),
        false => format!("'{}'", value.replace('\\', r"\\").replace('\'', r"\'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_values_the_later_one_stands_last() {
        let given = Conf::new().set("fsync", "off");
        let conf = Conf::new().set("fsync", "on").set("port", 5432).and(&given);
        assert_eq!(conf.lines(), "fsync = 'on'\nport = '5432'\nfsync = 'off'\n");
        let conf = conf.with_lines("fsync = on # mine\n").set("port", 1);
        assert!(conf.lines().ends_with("port = '1'\nfsync = on # mine\n"));
    }

    #[test]
    fn the_names_in_a_person_s_lines() {
        let conf = Conf::new().with_lines("  Fsync=on\n# note\n\nauto_explain.log_nested on\n");
        assert_eq!(conf.names_in_lines(), ["fsync", "auto_explain.log_nested"]);
    }

    #[test]
    fn a_connection_string_quotes_what_would_end_a_word() {
        assert_eq!(conninfo(&[("user", "lab"), ("options", "")]), "user=lab options=''");
        assert_eq!(conninfo(&[("host", "/tmp/a b")]), "host='/tmp/a b'");
    }

    #[test]
    fn values_are_quoted_as_each_reader_needs_it() {
        let conf = Conf::new().set("a", r"C:\x").set("b", "it's").set("c", "");
        assert_eq!(conf.lines(), "a = 'C:\\\\x'\nb = 'it''s'\nc = ''\n");
        for (value, word) in [
            ("/tmp/a.b_c-d,e:f%+=1Z", "/tmp/a.b_c-d,e:f%+=1Z"),
            ("a b", "'a b'"),
            ("it's", r"'it\'s'"),
            (r"a\b", r"'a\\b'"),
            ("é", "'é'"),
            ("", "''"),
        ] {
            assert_eq!(conninfo(&[("k", value)]), format!("k={word}"));
        }
        assert_eq!(conninfo(&[("c", "3"), ("a", "1"), ("b", "2")]), "c=3 a=1 b=2");
        assert_eq!(conninfo(&[]), "");
    }

    #[test]
    fn lines_of_both_are_kept_and_those_of_the_other_stand_last() {
        let one = Conf::new().set("a", 1).with_lines("x = 1\n");
        let other = Conf::new().set("b", 2).with_lines("y = 2\n");
        let both = one.and(&other);
        assert_eq!(both.lines(), "a = '1'\nb = '2'\nx = 1\ny = 2\n");
        assert_eq!(both.names_in_lines(), ["x", "y"]);
        assert_eq!(Conf::new().lines(), "");
    }
}
