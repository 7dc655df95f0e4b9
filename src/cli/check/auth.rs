//! The kinds of authentication that `require_auth` allows (manual: Parameter Key Words). Pure.

use super::words::BadTarget;

/// The allowed kinds of authentication; by default all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Allowed {
    /// The value of `require_auth`, for messages; empty where it is not set.
    text: String,
    names: Vec<String>,
    /// Whether `names` are those that are forbidden.
    negated: bool,
}

/// The names that `require_auth` takes. `oauth` came with version 18.
const NAMES: [&str; 7] = ["password", "md5", "gss", "sspi", "scram-sha-256", "none", "oauth"];

impl Allowed {
    /// Reads `require_auth`: a list of names, or a list of names that each begin with `!`.
    ///
    /// # Errors
    ///
    /// A name is unknown or repeated, or only some names begin with `!`.
    pub(super) fn read(text: &str) -> Result<Self, BadTarget> {
        let negated = text.is_empty() || text.starts_with('!');
        let mut names: Vec<String> = Vec::new();
        for part in text.split(',').filter(|_| !text.is_empty()) {
            let name = part.strip_prefix('!').unwrap_or(part);
            let bad = |why: &str| BadTarget(format!("require_auth is {text:?}: {why}"));
            if !NAMES.contains(&name) {
                return Err(bad(&format!("{name:?} is none of {}", NAMES.join(", "))));
            }
            if part.starts_with('!') != negated {
                return Err(bad("either every name begins with \"!\", or none does"));
            }
            if names.iter().any(|known| known == name) {
                return Err(bad(&format!("{name:?} is there twice")));
            }
            names.push(name.to_owned());
        }
        Ok(Self { text: text.to_owned(), names, negated })
    }

    /// Returns why a request for authentication is refused; `None` where it is allowed. `asked` tells whether the
    /// server made another request before.
    pub(super) fn refuses(&self, request: u32, asked: bool) -> Option<String> {
        let (name, done) = match request {
            0 if asked => return None,
            0 => ("none", "completes none"),
            3 => ("password", "requests a password in clear text"),
            5 => ("md5", "requests an MD5 hash of the password"),
            7 => ("gss", "requests GSSAPI"),
            9 => ("sspi", "requests SSPI"),
            10 => ("scram-sha-256", "requests SCRAM"),
            // A message that continues a request.
            8 | 11 | 12 => return None,
            _ => ("", "requests an unknown kind"),
        };
        let text = &self.text;
        let is_named = self.names.iter().any(|known| known == name);
        let refused = !text.is_empty() && is_named == self.negated;
        refused.then(|| {
            format!("require_auth={text} does not allow the authentication: the server {done}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_named_or_is_negated_is_refused() {
        let refused = |text: &str| -> Vec<u32> {
            let allowed = Allowed::read(text).unwrap();
            let requests = [0, 3, 5, 7, 9, 10];
            requests.into_iter().filter(|one| allowed.refuses(*one, false).is_some()).collect()
        };
        assert_eq!(refused(""), Vec::<u32>::new());
        assert_eq!(refused("scram-sha-256"), [0, 3, 5, 7, 9]);
        assert_eq!(refused("md5,none"), [3, 7, 9, 10]);
        assert_eq!(refused("!password"), [3]);
        assert_eq!(refused("!password,!none,!gss,!sspi,!md5,!scram-sha-256"), [0, 3, 5, 7, 9, 10]);
        let allowed = Allowed::read("scram-sha-256").unwrap();
        assert_eq!([0, 11, 12].map(|one| allowed.refuses(one, true)), [None, None, None]);
        assert!(allowed.refuses(99, false).unwrap().contains("require_auth=scram-sha-256"));
    }

    #[test]
    fn a_list_that_is_not_understood_is_refused() {
        for (text, part) in [
            ("scram", "none of"),
            ("md5,", "none of"),
            ("md5,!none", "every name"),
            ("!md5,none", "every name"),
            ("md5,md5", "twice"),
        ] {
            let BadTarget(why) = Allowed::read(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
