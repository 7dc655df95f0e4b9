//! The typed input: on a terminal key by key, so that the line stands below a table that is
//! redrawn; elsewhere line by line. Nothing here knows verbs.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::{Key, Term};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{Notify, mpsc};

/// The lines typed by a person.
pub(super) struct Input {
    lines: mpsc::UnboundedReceiver<String>,
    pub(super) typed: Typed,
    _terminal: Option<Terminal>,
}

/// The line that is being typed; a screen shows it.
#[derive(Clone, Default)]
pub(super) struct Typed {
    editor: Arc<Mutex<Editor>>,
    changed: Arc<Notify>,
}

impl Input {
    /// Starts to read the standard input.
    pub(super) fn listen(on_terminal: bool) -> Self {
        let (send, lines) = mpsc::unbounded_channel();
        let typed = Typed::default();
        let terminal = on_terminal.then(Terminal::take);
        match on_terminal {
            true => {
                let typed = typed.clone();
                std::thread::spawn(move || listen_to_keys(&typed, &send));
            }
            false => drop(tokio::spawn(listen_to_lines(send))),
        }
        Self { lines, typed, _terminal: terminal }
    }

    /// Returns the next line; none at the end of the input.
    pub(super) async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }
}

impl Typed {
    /// Returns the line that is being typed.
    pub(super) fn line(&self) -> String {
        self.editor().line.clone()
    }

    /// Waits until a key is pressed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn editor(&self) -> MutexGuard<'_, Editor> {
        self.editor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads keys until the terminal ends. Ctrl-C still raises its signal.
fn listen_to_keys(typed: &Typed, lines: &mpsc::UnboundedSender<String>) {
    let terminal = Term::stdout();
    loop {
        let key = match terminal.read_key() {
            Ok(key) => key,
            // A signal, such as a resize of the terminal, interrupts the read and ends nothing.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let heard = typed.editor().hears(&key);
        let goes_on = match heard {
            Heard::Nothing => true,
            Heard::Line(line) => lines.send(line).is_ok(),
            Heard::End => false,
        };
        if !goes_on {
            return;
        }
        typed.changed.notify_one();
    }
}

async fn listen_to_lines(lines: mpsc::UnboundedSender<String>) {
    let mut input = BufReader::new(tokio::io::stdin());
    loop {
        let mut line = Vec::new();
        match input.read_until(b'\n', &mut line).await {
            Ok(bytes) if bytes > 0 => {}
            _ => return,
        }
        if lines.send(String::from_utf8_lossy(&line).trim().to_owned()).is_err() {
            return;
        }
    }
}

/// A line that is edited at its end, and the lines before it.
#[derive(Default)]
struct Editor {
    line: String,
    before: Vec<String>,
    /// The number of lines back in the history; 0 for a new line.
    back: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Line(String),
    End,
}

impl Editor {
    fn hears(&mut self, key: &Key) -> Heard {
        const CTRL_D: char = '\u{4}';
        const CTRL_U: char = '\u{15}';
        match key {
            Key::Enter => return self.entered(),
            Key::Char(CTRL_D) if self.line.is_empty() => return Heard::End,
            Key::Char(CTRL_U) => self.line.clear(),
            Key::Char(c) if !c.is_control() => self.line.push(*c),
            Key::Backspace => drop(self.line.pop()),
            Key::ArrowUp => self.recall(self.back + 1),
            Key::ArrowDown => self.recall(self.back.saturating_sub(1)),
            _ => {}
        }
        Heard::Nothing
    }

    fn entered(&mut self) -> Heard {
        self.back = 0;
        let line = std::mem::take(&mut self.line);
        if !line.trim().is_empty() && self.before.last() != Some(&line) {
            self.before.push(line.clone());
        }
        Heard::Line(line)
    }

    fn recall(&mut self, back: usize) {
        let back = back.min(self.before.len());
        self.back = back;
        let line = self.before.iter().rev().nth(back.wrapping_sub(1));
        self.line = line.cloned().unwrap_or_default();
    }
}

/// A terminal without echo and line editing, restored when this is dropped.
struct Terminal(Option<Termios>);

impl Terminal {
    /// Takes the terminal. Where its mode cannot be changed, typed keys are shown twice, which does
    /// no harm.
    fn take() -> Self {
        let input = io::stdin();
        let Ok(before) = tcgetattr(input.as_fd()) else { return Self(None) };
        let mut keys = before.clone();
        keys.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
        let _ = tcsetattr(input.as_fd(), SetArg::TCSADRAIN, &keys);
        Self(Some(before))
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSADRAIN, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(editor: &mut Editor, keys: &str) -> Vec<Heard> {
        let key = |c| match c {
            '\n' => Key::Enter,
            '<' => Key::Backspace,
            '^' => Key::ArrowUp,
            'v' => Key::ArrowDown,
            c => Key::Char(c),
        };
        let heard = keys.chars().map(|c| editor.hears(&key(c)));
        heard.filter(|heard| *heard != Heard::Nothing).collect()
    }

    #[test]
    fn a_line_is_what_was_not_taken_back() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, "cux<t 1\n"), [Heard::Line("cut 1".to_owned())]);
        assert_eq!(typed(&mut editor, "stop\u{15}é\n"), [Heard::Line("é".to_owned())]);
        assert_eq!(typed(&mut editor, "x\u{4}<\u{4}"), [Heard::End]);
    }

    #[test]
    fn lines_come_back_newest_first() {
        let mut editor = Editor::default();
        typed(&mut editor, "cut 1\nhelp\n");
        assert_eq!(typed(&mut editor, "^^^\n"), [Heard::Line("cut 1".to_owned())]);
        assert_eq!(typed(&mut editor, "^^v\n"), [Heard::Line("cut 1".to_owned())]);
        assert_eq!(typed(&mut editor, "^v\n"), [Heard::Line(String::new())]);
    }
}
