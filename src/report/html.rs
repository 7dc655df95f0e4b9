//! The journal as one page of HTML, from its Markdown, with the plots in place. Markup that the
//! journal's template did not write is shown as text.

use askama::Template;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::plots::Drawn;
use super::svg;

/// The markup that the template writes; no other markup passes.
const OURS: [&str; 4] = [
    "<details><summary>Its text</summary>\n",
    "<details><summary>The whole notebook, line by line</summary>\n",
    "<details><summary>What was typed, seen and measured, step by step</summary>\n",
    "</details>\n",
];

#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    title: &'a str,
    chapters: Vec<Chapter>,
    body: String,
    plots: &'static str,
}

/// An entry of the table of contents.
struct Chapter {
    id: String,
    title: String,
    is_below: bool,
}

/// Renders the journal as HTML.
pub(super) fn write(journal: &str, drawn: &[Drawn]) -> askama::Result<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let mut events: Vec<_> = Parser::new_ext(journal, options).map(ours).collect();
    let chapters = number_headings(&mut events);
    let events = in_place(events, drawn);
    let mut body = String::new();
    pulldown_cmark::html::push_html(&mut body, events.into_iter());
    let title = "PostgreSQL replication: the journal";
    Page { title, chapters, body, plots: svg::STYLE }.render()
}

fn ours(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) if OURS.contains(&&*text) => Event::Html(text),
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    }
}

/// Names the headings, so that links can lead to them, and collects them.
fn number_headings(events: &mut [Event<'_>]) -> Vec<Chapter> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut within = false;
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, id, .. }) => {
                let is_below = *level == HeadingLevel::H3;
                within = is_below || *level == HeadingLevel::H2;
                if within {
                    let name = format!("part-{}", chapters.len() + 1);
                    *id = Some(CowStr::from(name.clone()));
                    chapters.push(Chapter { id: name, title: String::new(), is_below });
                }
            }
            Event::End(TagEnd::Heading(_)) => within = false,
            Event::Text(text) | Event::Code(text) if within => {
                if let Some(chapter) = chapters.last_mut() {
                    chapter.title += text;
                }
            }
            _ => {}
        }
    }
    chapters
}

/// Puts each plot where the journal refers to it, and a scrollable frame around each table.
fn in_place<'a>(events: Vec<Event<'a>>, drawn: &'a [Drawn]) -> Vec<Event<'a>> {
    let html = |text: String| Event::Html(CowStr::from(text));
    let mut placed = Vec::new();
    let mut figure = false;
    for event in events {
        match event {
            Event::Start(Tag::Image { dest_url, .. }) => {
                let of = |plot: &&Drawn| dest_url.strip_prefix("plots/") == Some(&*plot.file);
                let svg = drawn.iter().find(of).map_or("", |plot| plot.svg.as_str());
                // HTML allows no figure within a paragraph.
                placed.pop();
                placed.push(html(format!("<figure><div class=\"wide\">{svg}</div></figure>\n")));
                figure = true;
            }
            Event::End(TagEnd::Paragraph) if figure => figure = false,
            _ if figure => {}
            Event::Start(Tag::Table(_)) => {
                placed.push(html("<div class=\"wide\">".to_owned()));
                placed.push(event);
            }
            Event::End(TagEnd::Table) => {
                placed.push(event);
                placed.push(html("</div>\n".to_owned()));
            }
            other => placed.push(other),
        }
    }
    placed
}
