//! The rules for RSS 2.0: specification, profile, and what loa promises on top. Knows no other format.

use std::collections::BTreeSet;

use jiff::fmt::rfc2822::DateTimeParser;
use roxmltree::Node;

use super::{at_most_one, filled, named, new_id, one, one_filled, web, words};

const ATOM: &str = "http://www.w3.org/2005/Atom";
const CONTENT: &str = "http://purl.org/rss/1.0/modules/content/";

pub(super) fn check(root: Node<'_, '_>) -> Result<(), String> {
    if !root.has_tag_name("rss") || root.attribute("version") != Some("2.0") {
        return Err("the root is not rss 2.0".to_owned());
    }
    let channel = one(root, "", "channel")?;
    one_filled(channel, "", "title")?;
    one_filled(channel, "", "description")?;
    web(&one_filled(channel, "", "link")?)?;
    one_filled(channel, "", "language")?;
    date(&one_filled(channel, "", "lastBuildDate")?)?;
    let ttl = one_filled(channel, "", "ttl")?;
    if !ttl.parse().is_ok_and(|minutes: u32| (5..=30).contains(&minutes)) {
        return Err(format!("a ttl of {ttl:?} is not within 5 to 30 minutes"));
    }
    for hour in named(channel, "", "skipHours").flat_map(|hours| named(hours, "", "hour").collect::<Vec<_>>()) {
        if !words(hour).parse().is_ok_and(|hour: u8| hour < 24) {
            return Err(format!("{:?} is no hour to skip", words(hour)));
        }
    }
    let own = named(channel, ATOM, "link").filter(|link| link.attribute("rel") == Some("self"));
    if own.count() != 1 {
        return Err("the channel does not name its own address once".to_owned());
    }
    for link in named(channel, ATOM, "link") {
        web(filled(link.attribute("href"), link, "href")?)?;
    }
    let behind = channel.children().filter(Node::is_element).skip_while(|node| !node.has_tag_name("item"));
    if let Some(node) = behind.into_iter().find(|node| !node.has_tag_name("item")) {
        return Err(format!("{} stands behind the first item", node.tag_name().name()));
    }
    let mut ids = BTreeSet::new();
    for item in named(channel, "", "item") {
        self::item(item, &mut ids)?;
    }
    Ok(())
}

fn item(item: Node<'_, '_>, ids: &mut BTreeSet<String>) -> Result<(), String> {
    one_filled(item, "", "title")?;
    web(&one_filled(item, "", "link")?)?;
    date(&one_filled(item, "", "pubDate")?)?;
    let guid = one(item, "", "guid")?;
    let id = words(guid);
    filled(Some(&id), guid, "text")?;
    if guid.attribute("isPermaLink") != Some("false") {
        return Err(format!("the guid {id:?} calls itself an address"));
    }
    new_id(ids, id)?;
    let description = at_most_one(item, "", "description")?;
    let content = at_most_one(item, CONTENT, "encoded")?;
    if let (Some(description), Some(content)) = (description, content)
        && description.range().start > content.range().start
    {
        return Err("a description stands behind content:encoded".to_owned());
    }
    if let Some(enclosure) = at_most_one(item, "", "enclosure")? {
        web(filled(enclosure.attribute("url"), enclosure, "url")?)?;
        filled(enclosure.attribute("type"), enclosure, "type")?;
        let length = filled(enclosure.attribute("length"), enclosure, "length")?;
        length.parse::<u64>().map_err(|_| format!("an enclosure's length is {length:?}, not a number"))?;
    }
    Ok(())
}

fn date(date: &str) -> Result<(), String> {
    let parsed = DateTimeParser::new().parse_timestamp(date);
    parsed.map(|_| ()).map_err(|_| format!("{date:?} is no date of RFC 5322"))
}
