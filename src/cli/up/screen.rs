//! The output of a sandbox: on a terminal above a table that is redrawn, with the typed line below
//! it; elsewhere plain lines. Nothing is decided here.

use std::io::{self, IsTerminal as _, Write as _};

use console::{Term, style, truncate_str};

use super::super::summary;
use super::answer::Answer;
use super::board::Board;
use super::input::Line;

const PROMPT: &str = "lab> ";

/// A terminal that is drawn on, or lines on standard output.
pub(super) enum Screen {
    Live(Area),
    Plain(Option<Board>),
}

/// The lines at the bottom of a terminal that are redrawn.
pub(super) struct Area {
    terminal: Term,
    shown: Vec<String>,
    /// The number of characters between the cursor and the end of the last line.
    behind: usize,
}

impl Screen {
    pub(super) fn new() -> Self {
        match io::stdin().is_terminal() && io::stdout().is_terminal() {
            true => {
                Self::Live(Area { terminal: Term::buffered_stdout(), shown: Vec::new(), behind: 0 })
            }
            false => Self::Plain(None),
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Prints a line that stays; on a terminal it is wrapped between words.
    pub(super) fn tell(&mut self, line: &str) {
        match self {
            Self::Live(area) => area.say(&wrapped(line, area.width())),
            Self::Plain(_) => self.say(line),
        }
    }

    /// Prints the answer to a verb. A list is printed as it is.
    pub(super) fn answer(&mut self, answer: &Answer) {
        let typed = answer.typed.trim_end();
        if !typed.is_empty() {
            self.say(&style(typed).dim().to_string());
        }
        match answer.did.contains('\n') {
            true => self.say(&answer.did),
            false => self.tell(&answer.did),
        }
        if !answer.next.is_empty() {
            self.tell(&format!("next: {}", answer.next));
        }
    }

    /// Prints a text that stays.
    pub(super) fn say(&mut self, text: &str) {
        match self {
            Self::Live(area) => area.say(text),
            Self::Plain(_) => {
                let mut out = io::stdout();
                let _ = writeln!(out, "{text}");
                let _ = out.flush();
            }
        }
    }

    /// Prints the line that a person typed.
    pub(super) fn echo(&mut self, line: &str) {
        let said = format!("\n{}", style(format!("{PROMPT}{line}")).bold());
        self.say(&said);
    }

    /// Shows the cluster as it is now, and the line that is being typed. Without a terminal only
    /// changes are printed.
    pub(super) fn show(&mut self, board: Board, typed: &Line) {
        match self {
            Self::Live(area) => area.show(&board, typed),
            Self::Plain(shown) => {
                let news = shown.as_ref().map(|before| board.news(before)).unwrap_or_default();
                *shown = Some(board);
                for line in news {
                    self.say(&format!("- {line}"));
                }
            }
        }
    }

    /// Ends the drawing and erases the drawn lines.
    pub(super) fn ends(&mut self) {
        if let Self::Live(area) = self {
            area.draw(Vec::new());
        }
    }
}

impl Area {
    fn say(&mut self, text: &str) {
        let shown = std::mem::take(&mut self.shown);
        self.erase(shown.len());
        let _ = self.terminal.write_line(text);
        self.draw(shown);
    }

    fn width(&self) -> usize {
        usize::from(self.terminal.size().1).max(20)
    }

    fn show(&mut self, board: &Board, typed: &Line) {
        let width = self.width();
        let rule = style("─".repeat(width)).dim().to_string();
        let mut lines = vec![rule.clone()];
        for (row, line) in board.lines().into_iter().enumerate() {
            let line = style(truncate_str(&line, width - 1, "…").into_owned());
            let line = match row {
                0 => line.dim(),
                row if row > board.0.len() => line.yellow(),
                _ => line,
            };
            lines.push(line.to_string());
        }
        lines.push(rule);
        if !typed.choices.is_empty() {
            let choices = truncate_str(&typed.choices, width - 1, "…").into_owned();
            lines.push(style(choices).dim().to_string());
        }
        // Of a line that is too long the part before the cursor is shown.
        let room = width - PROMPT.len() - 1;
        let hidden = typed.cursor.saturating_sub(room);
        let text: String = typed.text.chars().skip(hidden).take(room).collect();
        let behind = text.chars().count().saturating_sub(typed.cursor - hidden);
        lines.push(format!("{PROMPT}{text}"));
        if lines != self.shown || behind != self.behind {
            let shown = std::mem::take(&mut self.shown);
            self.erase(shown.len());
            self.behind = behind;
            self.draw(lines);
        }
    }

    /// Draws the lines and leaves the cursor in the last one, where typing goes on.
    fn draw(&mut self, lines: Vec<String>) {
        let stale = std::mem::take(&mut self.shown);
        self.erase(stale.len());
        let _ = self.terminal.write_str(&lines.join("\n"));
        if self.behind > 0 {
            let _ = self.terminal.move_cursor_left(self.behind);
        }
        let _ = self.terminal.flush();
        self.shown = lines;
    }

    fn erase(&self, lines: usize) {
        if let Some(above) = lines.checked_sub(1) {
            let _ = self.terminal.move_cursor_up(above);
            let _ = self.terminal.clear_to_end_of_screen();
        }
    }
}

fn wrapped(line: &str, width: usize) -> String {
    let mut table = summary::plain();
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX)).add_row([line]);
    if let Some(column) = table.column_mut(0) {
        column.set_padding((0, 0));
    }
    summary::text(&table)
}
