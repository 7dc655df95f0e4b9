//! Watches the first messages of a server, until it accepts the client: whether it is PostgreSQL at all, and whether
//! it requests only allowed kinds of authentication (manual: Message Formats). Pure.

use super::auth::Allowed;

/// The longest message that can come before the server accepts a client, as in libpq.
const LONGEST: u32 = 30_000;

/// What has been heard of a server so far.
pub(super) struct Watch {
    allowed: Allowed,
    /// The beginning of the current message: its kind, its length, and the number of a request.
    beginning: Vec<u8>,
    /// The bytes of the current message that do not matter and are still to come.
    rest: u32,
    /// Whether the server has requested authentication.
    has_asked: bool,
    /// Whether the server has accepted the client.
    pub(super) is_accepted: bool,
    /// Why a message was refused.
    pub(super) refusal: Option<String>,
}

impl Watch {
    pub(super) fn new(allowed: Allowed) -> Self {
        let (beginning, rest) = (Vec::new(), 0);
        Self { allowed, beginning, rest, has_asked: false, is_accepted: false, refusal: None }
    }

    /// Hears the next bytes.
    ///
    /// # Errors
    ///
    /// They are not PostgreSQL's, or request a kind of authentication that is not allowed.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<(), String> {
        for byte in bytes {
            if self.is_accepted {
                break;
            }
            if self.rest > 0 {
                self.rest -= 1;
                continue;
            }
            self.beginning.push(*byte);
            let judged = self.judge().map_err(|why| match why {
                Refusal::Stranger => stranger(bytes),
                Refusal::NotAllowed(why) => why,
            });
            if let Err(why) = judged {
                self.refusal = Some(why.clone());
                return Err(why);
            }
        }
        Ok(())
    }

    /// Judges the message as soon as enough of it is there.
    fn judge(&mut self) -> Result<(), Refusal> {
        let kind = self.beginning.first().copied().unwrap_or_default();
        match self.beginning.len() {
            // An authentication request, an error, or another version of the protocol.
            1 if !b"REv".contains(&kind) => return Err(Refusal::Stranger),
            5 => {
                let least = if kind == b'R' { 8 } else { 4 };
                if !(least..=LONGEST).contains(&self.number(1)) {
                    return Err(Refusal::Stranger);
                }
                if kind != b'R' {
                    self.skip(4);
                }
            }
            9 => {
                let request = self.number(5);
                self.skip(8);
                if let Some(why) = self.allowed.refuses(request, self.has_asked) {
                    return Err(Refusal::NotAllowed(why));
                }
                self.has_asked = true;
                self.is_accepted = request == 0;
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns the number at this place of the beginning.
    fn number(&self, at: usize) -> u32 {
        let bytes = self.beginning.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    }

    /// Leaves out the rest of the message, of whose length this part has been read.
    fn skip(&mut self, read: u32) {
        self.rest = self.number(1).saturating_sub(read);
        self.beginning.clear();
    }
}

enum Refusal {
    Stranger,
    NotAllowed(String),
}

/// Returns the sentence about a server that is not PostgreSQL, with the first line of its answer.
pub(super) fn stranger(answer: &[u8]) -> String {
    let said = String::from_utf8_lossy(answer);
    let said: String = said.lines().next().unwrap_or_default().trim().chars().take(60).collect();
    format!("this is not a PostgreSQL server, it answers {said:?}; check the port")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(allowed: &str) -> Watch {
        Watch::new(Allowed::read(allowed).unwrap())
    }

    fn request(code: u8, more: &[u8]) -> Vec<u8> {
        let length = u8::try_from(8 + more.len()).unwrap();
        [&[b'R', 0, 0, 0, length, 0, 0, 0, code], more].concat()
    }

    #[test]
    fn requests_are_found_however_the_bytes_are_cut() {
        let bytes =
            [request(10, b"SCRAM-SHA-256\0\0"), request(11, b"r=1"), request(0, b"")].concat();
        for size in 1..bytes.len() {
            let mut watch = watch("scram-sha-256");
            assert!(bytes.chunks(size).all(|part| watch.hear(part) == Ok(())), "{size}");
            assert!(watch.is_accepted && watch.refusal.is_none());
            let mut strict = super::tests::watch("md5");
            assert!(bytes.chunks(size).any(|part| strict.hear(part).is_err()), "{size}");
            assert!(strict.refusal.unwrap().contains("SCRAM") && !strict.is_accepted);
        }
    }

    #[test]
    fn what_follows_the_acceptance_is_not_read() {
        let mut watch = watch("none");
        assert_eq!(watch.hear(&[request(0, b""), b"Z\0\0\0\x05I".to_vec()].concat()), Ok(()));
        assert_eq!(watch.hear(b"anything"), Ok(()));
    }

    #[test]
    fn an_error_of_the_server_passes_and_a_stranger_does_not() {
        assert_eq!(watch("md5").hear(b"E\0\0\0\x0bSFATAL\0R\0\0"), Ok(()));
        for answer in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"RSVP please", b"Ehlo \xff"] {
            let why = watch("").hear(answer).unwrap_err();
            assert!(why.contains("not a PostgreSQL server"), "{why}");
        }
        assert!(watch("").hear(b"HTTP/1.1 400\r\nx").unwrap_err().contains("\"HTTP/1.1 400\""));
    }
}
