//! The typed input: on a terminal key by key, so that the line stands below a table that is
//! redrawn; elsewhere line by line. Nothing here knows verbs.

use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use console::{Key, Term};
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{Notify, mpsc};
use tui_input::InputRequest;

/// Returns the words that the one before the cursor can become.
pub(super) type Complete = Box<dyn Fn(&str) -> Vec<String> + Send>;

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
    pub(super) fn listen(on_terminal: bool, complete: Complete) -> Self {
        let (send, lines) = mpsc::unbounded_channel();
        let typed = Typed::default();
        let terminal = on_terminal.then(Terminal::take);
        match on_terminal {
            true => {
                let typed = typed.clone();
                std::thread::spawn(move || listen_to_keys(&typed, &send, &complete));
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
    pub(super) fn line(&self) -> Line {
        self.editor().shown()
    }

    /// Waits until a key is pressed.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn editor(&self) -> MutexGuard<'_, Editor> {
        self.editor.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line as it is shown while it is typed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    /// The number of characters before the cursor.
    pub(super) cursor: usize,
    /// The words that the one before the cursor can become, where there are several.
    pub(super) choices: String,
}

/// Reads keys until the terminal ends. Ctrl-C still raises its signal.
fn listen_to_keys(typed: &Typed, lines: &mpsc::UnboundedSender<String>, complete: &Complete) {
    let terminal = Term::stdout();
    loop {
        let key = match terminal.read_key() {
            Ok(key) => key,
            // A signal, such as a resize of the terminal, interrupts the read and ends nothing.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let heard = typed.editor().hears(&key, complete);
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

/// A line that is edited, and the lines before it.
#[derive(Default)]
struct Editor {
    line: tui_input::Input,
    before: Vec<String>,
    /// The number of lines back in the history; 0 for a new line.
    back: usize,
    choices: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Nothing,
    Line(String),
    End,
}

impl Editor {
    fn hears(&mut self, key: &Key, complete: impl Fn(&str) -> Vec<String>) -> Heard {
        const CTRL_D: char = '\u{4}';
        self.choices.clear();
        match key {
            Key::Enter => return self.entered(),
            Key::Char(CTRL_D) if self.line.value().is_empty() => return Heard::End,
            Key::ArrowUp => self.recall(self.back + 1),
            Key::ArrowDown => self.recall(self.back.saturating_sub(1)),
            Key::Tab => self.complete(complete),
            key => drop(edit(key).and_then(|edit| self.line.handle(edit))),
        }
        Heard::Nothing
    }

    fn shown(&self) -> Line {
        let (text, cursor) = (self.line.value().to_owned(), self.line.cursor());
        Line { text, cursor, choices: self.choices.join(" ") }
    }

    fn entered(&mut self) -> Heard {
        self.back = 0;
        let line = self.line.value_and_reset();
        if !line.trim().is_empty() && self.before.last() != Some(&line) {
            self.before.push(line.clone());
        }
        Heard::Line(line)
    }

    fn recall(&mut self, back: usize) {
        let back = back.min(self.before.len());
        self.back = back;
        let line = self.before.iter().rev().nth(back.wrapping_sub(1));
        self.line = line.cloned().unwrap_or_default().into();
    }

    /// Completes the word before the cursor as far as all choices agree, and keeps them where they do not.
    fn complete(&mut self, complete: impl Fn(&str) -> Vec<String>) {
        let before: String = self.line.value().chars().take(self.line.cursor()).collect();
        let begun = before.rsplit(char::is_whitespace).next().unwrap_or_default();
        let choices = complete(&before);
        let whole = match choices.as_slice() {
            [] => return,
            [one] => format!("{one} "),
            [one, rest @ ..] => rest.iter().fold(one.clone(), |all, other| agreed(&all, other)),
        };
        for c in whole.chars().skip(begun.chars().count()) {
            self.line.handle(InputRequest::InsertChar(c));
        }
        if choices.len() > 1 {
            self.choices = choices;
        }
    }
}

/// Returns what two words begin with.
fn agreed(one: &str, other: &str) -> String {
    let pairs = one.chars().zip(other.chars());
    pairs.take_while(|(one, other)| one == other).map(|(c, _)| c).collect()
}

/// Returns what a key does to the line, as in a shell.
fn edit(key: &Key) -> Option<InputRequest> {
    Some(match key {
        Key::ArrowLeft | Key::Char('\u{2}') => InputRequest::GoToPrevChar,
        Key::ArrowRight | Key::Char('\u{6}') => InputRequest::GoToNextChar,
        Key::Home | Key::Char('\u{1}') => InputRequest::GoToStart,
        Key::End | Key::Char('\u{5}') => InputRequest::GoToEnd,
        Key::Backspace | Key::Char('\u{8}') => InputRequest::DeletePrevChar,
        Key::Del | Key::Char('\u{4}') => InputRequest::DeleteNextChar,
        Key::Char('\u{15}') => InputRequest::DeleteLine,
        Key::Char('\u{b}') => InputRequest::DeleteTillEnd,
        Key::Char('\u{17}') => InputRequest::DeletePrevWord,
        Key::Char(c) if !c.is_control() => InputRequest::InsertChar(*c),
        _ => return None,
    })
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
            '(' => Key::ArrowLeft,
            ')' => Key::ArrowRight,
            '\t' => Key::Tab,
            c => Key::Char(c),
        };
        let complete = |line: &str| {
            let begun = line.rsplit(' ').next().unwrap_or_default();
            let words = ["stop", "start", "standby1"];
            words
                .iter()
                .filter(|word| word.starts_with(begun))
                .map(|word| (*word).to_owned())
                .collect()
        };
        let heard = keys.chars().map(|c| editor.hears(&key(c), complete));
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
    fn a_line_is_edited_where_the_cursor_is() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, "ut(\u{1}c\n"), [Heard::Line("cut".to_owned())]);
        assert_eq!(typed(&mut editor, "cat((<u\n"), [Heard::Line("uat".to_owned())]);
        assert_eq!(typed(&mut editor, "stop two\u{17}1\n"), [Heard::Line("stop 1".to_owned())]);
        typed(&mut editor, "abc((");
        let line = editor.shown();
        assert_eq!((line.text.as_str(), line.cursor), ("abc", 1));
    }

    #[test]
    fn a_word_is_completed_as_far_as_its_choices_agree() {
        let mut editor = Editor::default();
        assert_eq!(typed(&mut editor, "sto\tstan\t\n"), [Heard::Line("stop standby1 ".to_owned())]);
        typed(&mut editor, "s\t");
        assert_eq!(editor.shown().text, "st");
        assert_eq!(editor.shown().choices, "stop start standby1");
        typed(&mut editor, "x");
        assert_eq!((editor.shown().text.as_str(), editor.shown().choices.as_str()), ("stx", ""));
        typed(&mut editor, "\t");
        assert_eq!(editor.shown().text, "stx");
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
