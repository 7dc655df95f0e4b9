//! The journal as one page of HTML, from its Markdown, with the plots in place. Markup that the
//! journal's template did not write is shown as text.

use askama::Template;
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::links;
use super::plots::Drawn;
use super::svg;

/// The markup that the templates write; no other markup passes.
const OURS: [&str; 3] = [
    "<details><summary>Its text</summary>\n",
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

/// Renders the parts of the report, each given by its file and its Markdown, as one page of HTML.
pub(super) fn write(parts: &[&(String, String)], drawn: &[Drawn]) -> askama::Result<String> {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS;
    let (mut chapters, mut names, mut body) = (Vec::new(), 0, String::new());
    for (index, (file, markdown)) in parts.iter().enumerate() {
        let mut events: Vec<_> = Parser::new_ext(markdown, options).map(ours).collect();
        let title = (index > 0 && lower(&mut events)).then(|| file.trim_end_matches(".md"));
        name_headings(&mut events, title, &mut names, &mut chapters);
        lead_within(&mut events);
        pulldown_cmark::html::push_html(&mut body, in_place(events, drawn).into_iter());
    }
    let body = body.replace("<th>", "<th scope=\"col\">");
    let title = "PostgreSQL replication: the journal";
    Page { title, chapters, body, plots: svg::STYLE }.render()
}

/// Lowers the headings of a part that begins with a title, so that it is a section of the page. Returns
/// whether it does.
fn lower(events: &mut [Event<'_>]) -> bool {
    let lower = |level: HeadingLevel| HeadingLevel::try_from(level as usize + 1).unwrap_or(level);
    let has_title = |event: &Event<'_>| {
        matches!(event, Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }))
    };
    if !events.iter().any(has_title) {
        return false;
    }
    for event in events {
        match event {
            Event::Start(Tag::Heading { level, .. }) | Event::End(TagEnd::Heading(level)) => {
                *level = lower(*level);
            }
            _ => {}
        }
    }
    true
}

fn ours(event: Event<'_>) -> Event<'_> {
    match event {
        Event::Html(text) if OURS.contains(&&*text) => Event::Html(text),
        Event::Html(text) | Event::InlineHtml(text) => Event::Text(text),
        other => other,
    }
}

/// Names the headings, so that links can lead to them, and collects those of the table of contents: the
/// titles of parts, and the sections of the journal. The title of a part has the name of its file, an
/// exercise has its anchor.
fn name_headings(
    events: &mut Vec<Event<'_>>,
    part: Option<&str>,
    count: &mut usize,
    chapters: &mut Vec<Chapter>,
) {
    let mut named = Vec::with_capacity(events.len());
    let mut rest = std::mem::take(events).into_iter();
    let mut title = part;
    while let Some(event) = rest.next() {
        let Event::Start(Tag::Heading { level, classes, attrs, .. }) = event else {
            named.push(event);
            continue;
        };
        let is_end = |event: &Event<'_>| matches!(event, Event::End(TagEnd::Heading(_)));
        let within: Vec<_> = rest.by_ref().take_while(|event| !is_end(event)).collect();
        let text = text_of(&within);
        *count += 1;
        let name = title.take().map_or_else(|| name_of(&text, *count), str::to_owned);
        let link = format!(
            " <a class=\"here\" href=\"#{name}\" aria-label=\"link to this section\">¶</a>"
        );
        let id = Some(CowStr::from(name.clone()));
        named.push(Event::Start(Tag::Heading { level, id, classes, attrs }));
        named.extend(within);
        named.push(Event::InlineHtml(CowStr::from(link)));
        named.push(Event::End(TagEnd::Heading(level)));
        let is_below = level == HeadingLevel::H3;
        if level == HeadingLevel::H2 || (is_below && part.is_none()) {
            chapters.push(Chapter { id: name, title: text, is_below });
        }
    }
    *events = named;
}

fn text_of(events: &[Event<'_>]) -> String {
    let text = events.iter().filter_map(|event| match event {
        Event::Text(text) | Event::Code(text) => Some(&**text),
        _ => None,
    });
    text.collect()
}

/// Returns the name of a heading: that of an exercise is its anchor, another one has a number.
fn name_of(title: &str, number: usize) -> String {
    let anchor = links::anchor(title);
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    match title.contains('@') && anchor.chars().all(is_word) {
        true => anchor,
        false => format!("part-{number}"),
    }
}

/// Makes links to the files of the report links within the page.
fn lead_within(events: &mut [Event<'_>]) {
    for event in events {
        if let Event::Start(Tag::Link { dest_url, .. }) = event {
            let place = match dest_url.split_once('#') {
                Some((_, place)) => place.to_owned(),
                None => dest_url.trim_end_matches(".md").to_owned(),
            };
            *dest_url = CowStr::from(format!("#{place}"));
        }
    }
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
                placed.push(html("<div class=\"wide\" tabindex=\"0\">".to_owned()));
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
