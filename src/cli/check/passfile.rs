//! Finds a password in the text of a password file, as libpq does (manual: The Password File). Pure: the
//! caller reads the file and checks its permissions.

/// The connection that a password is searched for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: &'a str,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// Returns the password of the first line, `host:port:database:user:password`, that matches.
pub(super) fn password(file: &str, wanted: Wanted<'_>) -> Option<String> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let wanted = [wanted.host, wanted.port, wanted.database, wanted.user];
    lines.map(fields).find_map(|fields| {
        let [host, port, database, user, password] = fields?;
        let fits = |(field, wanted): (&Field, &str)| field.is_any || field.text == wanted;
        let all = [&host, &port, &database, &user].into_iter().zip(wanted).all(fits);
        (all && !password.text.is_empty()).then_some(password.text)
    })
}

#[derive(Debug, Default)]
struct Field {
    text: String,
    /// Whether the field is an unescaped `*`, which matches everything.
    is_any: bool,
}

/// Splits a line into its five fields. A backslash escapes the next character.
fn fields(line: &str) -> Option<[Field; 5]> {
    let mut fields = vec![String::new()];
    let mut raw = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        // A colon within the password needs no backslash: only the first four separate fields.
        if character == ':' && fields.len() < 5 {
            fields.push(String::new());
            raw.push(String::new());
            continue;
        }
        let plain = if character == '\\' { characters.next()? } else { character };
        fields.last_mut()?.push(plain);
        raw.last_mut()?.extend((character == '\\').then_some('\\').into_iter().chain([plain]));
    }
    let both = fields.into_iter().zip(raw);
    let fields: Vec<_> = both.map(|(text, raw)| Field { text, is_any: raw == "*" }).collect();
    fields.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(file: &str) -> Option<String> {
        password(file, Wanted { host: "db", port: "5432", database: "shop", user: "me" })
    }

    #[test]
    fn the_first_matching_line_counts() {
        let file =
            "# db:5432:shop:me:no\nother:*:*:*:no\n\nshort\ndb:5432:shop:me:one\n*:*:*:*:two\n";
        assert_eq!(of(file).as_deref(), Some("one"));
        assert_eq!(of("*:*:*:*:two\ndb:5432:shop:me:one").as_deref(), Some("two"));
        assert_eq!(of("db:1:*:*:no"), None);
        assert_eq!(of(""), None);
    }

    #[test]
    fn a_backslash_escapes_the_next_character() {
        assert_eq!(of(r"*:*:*:*:a\:b\\c:d").as_deref(), Some(r"a:b\c:d"));
        assert_eq!(of(r"\*:*:*:*:no"), None);
        let wanted = Wanted { host: "::1", port: "5432", database: "shop", user: "me" };
        assert_eq!(password(r"\:\:1:*:*:*:six", wanted).as_deref(), Some("six"));
    }

    #[test]
    fn every_field_must_match_and_a_password_is_not_empty() {
        for (line, found) in [
            ("db:5432:shop:me:yes", Some("yes")),
            ("*:*:*:*:yes", Some("yes")),
            ("x:5432:shop:me:no", None),
            ("db:1:shop:me:no", None),
            ("db:5432:x:me:no", None),
            ("db:5432:shop:x:no", None),
            ("db:5432:shop:me:", None),
            ("db:5432:shop:me", None),
            (r"db:5432:shop:me:a\", None),
        ] {
            assert_eq!(of(line).as_deref(), found, "{line}");
        }
    }
}
