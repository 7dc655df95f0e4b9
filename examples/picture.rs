//! Draws what a program printed as a terminal, in SVG: the pictures in `docs/` are made with it.
//!
//! ```text
//! cargo lab run 04@promote | cargo run --example picture -- 'cargo lab run 04@promote' > docs/run.svg
//! ```
//!
//! The text is read from standard input, and shown as it is; the argument is the line that was typed.

use std::error::Error;
use std::io::{Read as _, Write as _};

/// The width and the height of a character, and the room around the text, in pixels.
const CHARACTER: (usize, usize) = (8, 19);
const ROOM: usize = 20;

fn main() -> Result<(), Box<dyn Error>> {
    let typed = std::env::args().nth(1).ok_or("name the line that was typed")?;
    let mut printed = String::new();
    std::io::stdin().read_to_string(&mut printed)?;
    let lines: Vec<_> = std::iter::once(format!("$ {typed}"))
        .chain(printed.trim_end().lines().map(str::to_owned))
        .collect();
    writeln!(std::io::stdout(), "{}", picture(&lines))?;
    Ok(())
}

fn picture(lines: &[String]) -> String {
    let columns = lines.iter().map(|line| line.chars().count()).max().unwrap_or_default();
    let (width, height) =
        (columns * CHARACTER.0 + 2 * ROOM, lines.len() * CHARACTER.1 + 2 * ROOM + 8);
    let rows = lines.iter().enumerate().map(|(row, line)| {
        let class = if row == 0 { "typed" } else { "printed" };
        let y = ROOM + (row + 1) * CHARACTER.1;
        format!("<text class=\"{class}\" x=\"{ROOM}\" y=\"{y}\">{}</text>\n", escaped(line))
    });
    let rows: String = rows.collect();
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         role=\"img\">\n<title>{}</title>\n<style>text{{font:13.3px ui-monospace,SFMono-Regular,Menlo,\
         Consolas,'DejaVu Sans Mono',monospace;white-space:pre;fill:#e6edf3}}.typed{{fill:#7ee787}}\
         </style>\n<rect width=\"{width}\" height=\"{height}\" rx=\"8\" fill=\"#0d1117\"/>\n{rows}</svg>",
        escaped(lines.first().map_or("", String::as_str))
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
