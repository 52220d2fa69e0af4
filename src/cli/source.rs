//! `loa source try`: what a source holds and how it would be published, for whoever sets it up. Changes nothing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{anyhow, bail};

use super::load;
use crate::clock::{Clock, Timestamp};
use crate::config::feeds::feed_files;
use crate::domain::site::Site;
use crate::service::credit;
use crate::service::sources::sources;
use crate::source::{Reach, Rhythm};
use crate::text::date;
use crate::text::xml::XmlText;
use crate::work::inspect::{Inspection, Shown, inspect};

/// Looks at one source and prints what it found. The exit code is 1 if something in it cannot be read.
pub(super) async fn look(file: Option<&Path>, clock: &Clock, name: &str, count: usize) -> anyhow::Result<ExitCode> {
    let config = load(file)?;
    let (opened, faults) = sources(&config);
    let Some(section) = config.sources.iter().find(|section| section.name == name) else {
        let names: Vec<&str> = config.sources.iter().map(|section| section.name.as_str()).collect();
        let known = if names.is_empty() { "no [[source]]".to_owned() } else { names.join(", ") };
        bail!("there is no source named \"{name}\"; the configuration has: {known}");
    };
    let Some(source) = opened.get(name) else {
        let own: Vec<String> = faults.iter().map(ToString::to_string).filter(|f| f.contains(name)).collect();
        return Err(anyhow!("{}", own.join("\n")));
    };
    let (feeds, unread) = feed_files(&config.feeds.dir);
    for fault in unread {
        eprintln!("loa: this feed file is left out: {fault}");
    }
    let site = config.site();
    let found = inspect(name, source, &site, &credit(&config), &feeds, count, clock.now()).await?;
    print(name, &found, &site);
    println!();
    println!(
        "Nothing was written. Source `{}` is polled by `{}`; its first poll fills the feeds and tells nobody.",
        name, section.poll
    );
    Ok(if found.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(name: &str, found: &Inspection, site: &Site) {
    let when = |at: Timestamp| date::full(at, &site.zone, "en");
    println!("Source `{name}` ({}): {}", found.description.kind, found.description.found);
    let all = match (&found.reach, found.rhythm) {
        (Reach::Part, _) => "; not everything could be read: until it can, no article is taken for withdrawn",
        (_, Rhythm::Window) => "; this kind of source shows its newest articles only",
        _ => "",
    };
    println!("Public now: {}{all}.", super::count(found.public, "article"));
    if let Some(next) = found.flips.first() {
        let many = super::count(found.flips.len(), "article");
        println!("The clock will show or hide {many}; the next is {} on {}.", next.external_id, when(next.at));
    }
    heading(&format!("Categories ({})", found.categories.len()));
    if let Some(counted) = found.counted {
        println!("  (numbers of the newest {counted} articles)");
    }
    for line in &found.categories {
        let title = format!("{}{}", "  ".repeat(line.depth + 1), line.category.title);
        println!("{title:<52} {:<36} {:>6}", line.category.slug, line.articles);
    }
    heading(&format!("The newest {}, as they would be published", found.newest.len()));
    for shown in &found.newest {
        print_article(shown, &when);
    }
    if !found.hidden.is_empty() {
        heading(&format!("Not shown ({})", found.hidden.iter().map(|h| h.count).sum::<usize>()));
        for hidden in &found.hidden {
            println!("{:>7}  {}", hidden.count, hidden.reason);
            for example in &hidden.examples {
                println!("         - {example}");
            }
        }
    }
    if !found.faults.is_empty() {
        heading(&format!("Cannot be read or published ({})", found.faults.len()));
        for fault in &found.faults {
            println!("  {}", fault.message);
        }
    }
}

fn print_article(shown: &Shown, when: &dyn Fn(Timestamp) -> String) {
    let article = &shown.article;
    println!("  {}", article.title);
    println!("    {}  {}", when(article.published), article.url);
    let joined = |items: Vec<&str>| if items.is_empty() { "-".to_owned() } else { items.join(", ") };
    println!(
        "    categories: {}; authors: {}; agency: {}; tags: {}; picture: {}; {} characters",
        joined(article.categories.iter().map(|c| c.slug.as_str()).collect()),
        joined(article.authors.iter().map(XmlText::as_str).collect()),
        article.agency.as_deref().unwrap_or("-"),
        joined(article.tags.iter().map(XmlText::as_str).collect()),
        if article.image.is_some() { "yes" } else { "no" },
        article.content_html.chars().count(),
    );
    if shown.feeds.is_empty() {
        println!("    in no feed of the folder of feeds");
    }
    for (slug, why) in &shown.feeds {
        println!("    in the feed {slug}, because {why}");
    }
}

fn heading(text: &str) {
    println!("\n{text}");
}
