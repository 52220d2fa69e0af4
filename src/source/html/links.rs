//! Links and pictures of a text, as a reader of a feed needs them: absolute, in place before any script ran, and the same at
//! each answer. Fetches nothing.

use ego_tree::NodeId;
use html5ever::{QualName, ns};
use scraper::{ElementRef, Html, Node};
use url::Url;

use super::rules::Choice;

/// What links of a page are relative to (HTML, 4.2.3).
pub(super) fn base_of(page: &Html, at: &Url) -> Url {
    let base =
        Choice::own(&["base[href]"]).first(page.root_element()).and_then(|base| at.join(base.attr("href")?).ok());
    base.filter(|base| matches!(base.scheme(), "http" | "https")).unwrap_or_else(|| at.clone())
}

/// The address of a picture that a script would load later.
pub(super) fn lazy(picture: ElementRef<'_>) -> Option<&str> {
    ["data-src", "data-original", "data-lazy-src"]
        .iter()
        .find_map(|name| picture.attr(name))
        .filter(|url| !url.is_empty())
}

/// Makes links and pictures absolute, and puts in place what a script would load later.
pub(super) fn absolute(page: &mut Html, base: &Url) {
    let links: Vec<_> = page
        .root_element()
        .descendent_elements()
        .filter_map(|element| {
            let (name, url) = match element.value().name() {
                "a" => ("href", element.attr("href")?),
                "img" => ("src", lazy(element).or_else(|| element.attr("src"))?),
                "iframe" | "video" | "audio" | "source" | "embed" => {
                    ("src", lazy(element).or_else(|| element.attr("src"))?)
                }
                _ => return None,
            };
            // A link within the page leads to nothing in a feed; `data:` and the like are left to the cleaning.
            let url = url.trim();
            let made =
                if url.starts_with('#') { base.join(url).ok()? } else { base.join(url).ok().filter(Url::has_host)? };
            Some((element.id(), name, String::from(made)))
        })
        .collect();
    for (id, name, url) in links {
        set(page, id, name, &url);
    }
}

/// Sets an attribute.
fn set(page: &mut Html, id: NodeId, name: &str, value: &str) {
    let Some(mut node) = page.tree.get_mut(id) else { return };
    let Node::Element(element) = node.value() else { return };
    if let Some((_, old)) = element.attrs.iter_mut().find(|(key, _)| key.ns.is_empty() && &*key.local == name) {
        *old = value.into();
    } else {
        element.attrs.push((QualName::new(None, ns!(), name.into()), value.into()));
        // Attributes are looked up by their order.
        element.attrs.sort_by(|a, b| a.0.cmp(&b.0));
    }
}

/// Puts mail addresses back that a proxy hid from robots, with another key at each answer: every look would be an edit.
pub(super) fn reveal_mail(page: &mut Html) {
    let hidden = Choice::own(&["[data-cfemail]", "a[href*=\"/cdn-cgi/l/email-protection#\"]"]);
    let found: Vec<(NodeId, bool, String)> = hidden
        .every(page.root_element())
        .into_iter()
        .filter_map(|element| {
            let shown = element.attr("data-cfemail");
            let code = shown.or_else(|| element.attr("href")?.split_once('#').map(|(_, code)| code))?;
            Some((element.id(), shown.is_some(), unmask(code)?))
        })
        .collect();
    for (id, shown, address) in found {
        let is_link = page.tree.get(id).and_then(ElementRef::wrap).is_some_and(|e| e.value().name() == "a");
        if is_link {
            set(page, id, "href", &format!("mailto:{address}"));
        }
        if shown && let Some(mut node) = page.tree.get_mut(id) {
            while let Some(mut child) = node.first_child() {
                child.detach();
            }
            node.append(Node::Text(scraper::node::Text { text: address.as_str().into() }));
        }
    }
}

/// Two hexadecimal digits are the key, each further two are a byte of the address under that key.
fn unmask(code: &str) -> Option<String> {
    if code.len() > 600 || !code.is_ascii() {
        return None;
    }
    let byte = |at: usize| u8::from_str_radix(code.get(at..at + 2)?, 16).ok();
    let key = byte(0)?;
    let bytes: Option<Vec<u8>> = (2..code.len()).step_by(2).map(|at| Some(byte(at)? ^ key)).collect();
    String::from_utf8(bytes?).ok().filter(|address| address.contains('@') && !address.contains(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_hidden_under_another_key_each_time_is_the_same_address() {
        let mask = |key: u8| {
            "bientap@example.vn".bytes().fold(format!("{key:02x}"), |code, byte| format!("{code}{:02x}", byte ^ key))
        };
        for key in [0x11, 0xa7] {
            let code = mask(key);
            let mut page = Html::parse_document(&format!(
                "<p>Thư: <a href=\"/cdn-cgi/l/email-protection\" data-cfemail=\"{code}\">[email&#160;protected]</a>, \
                 <a href=\"/cdn-cgi/l/email-protection#{code}\">tòa soạn</a></p>"
            ));
            reveal_mail(&mut page);
            absolute(&mut page, &Url::parse("https://portal.example.vn/").expect("an address"));
            let html = page.root_element().html();
            assert!(html.contains(">bientap@example.vn</a>") && html.contains(">tòa soạn</a>"), "{html}");
            assert_eq!(html.matches("href=\"mailto:bientap@example.vn\"").count(), 2, "{html}");
        }
        for odd in ["", "1", "zz", "11", "é1"] {
            assert_eq!(unmask(odd), None, "{odd}");
        }
    }
}
