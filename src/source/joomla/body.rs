//! What Joomla would have done to a body before a visitor sees it: its own tags in braces and its marks of pages. Pure; the
//! cleaning of HTML for safety happens later and elsewhere.

/// Joins the two halves that the editor's "read more" cut.
pub(in crate::source) fn join(intro: &str, full: &str) -> String {
    if full.trim().is_empty() {
        return intro.to_owned();
    }
    if intro.trim().is_empty() {
        return full.to_owned();
    }
    format!("{intro}\n{full}")
}

/// Removes tags that load modules and marks of page breaks; a video tag becomes a link to the video.
pub(in crate::source) fn expand(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find(['{', '<']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, instead) =
            plugin_tag(rest).or_else(|| page_mark(rest)).unwrap_or_else(|| (1, rest[..1].to_owned()));
        out.push_str(&instead);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

/// A known tag in braces at the start of `text`: its length and what stands in its place.
fn plugin_tag(text: &str) -> Option<(usize, String)> {
    let inner_end = text.strip_prefix('{')?.find(['}', '<', '\n', '{'])? + 1;
    let inner = text[1..].get(..inner_end - 1).filter(|_| text[inner_end..].starts_with('}'))?;
    let name = inner.split([' ', '=', '\u{a0}']).next()?.to_ascii_lowercase();
    match name.as_str() {
        "loadposition" | "loadmodule" | "loadmoduleid" | "emailcloak" => Some((inner_end + 1, String::new())),
        "youtube" => {
            let after = &text[inner_end + 1..];
            let end = after.find("{/youtube}")?;
            let video = after[..end].trim();
            let length = inner_end + 1 + end + "{/youtube}".len();
            let address = if video.starts_with("https://") {
                video.to_owned()
            } else {
                format!("https://www.youtube.com/watch?v={video}")
            };
            let is_plain =
                !video.is_empty() && video.chars().all(|c| c.is_ascii_alphanumeric() || "-_:/.?=&".contains(c));
            let link = if is_plain {
                let address = address.replace('&', "&amp;");
                format!("<a href=\"{address}\">{address}</a>")
            } else {
                String::new()
            };
            Some((length, link))
        }
        _ => None,
    }
}

/// `<hr class="system-pagebreak" …>` or `<hr id="system-readmore">` at the start of `text`.
fn page_mark(text: &str) -> Option<(usize, String)> {
    let is_rule = text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("<hr"));
    let end = text.find('>').filter(|_| is_rule)?;
    let mark = &text[..end];
    (mark.contains("system-pagebreak") || mark.contains("system-readmore")).then(|| (end + 1, String::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_that_a_visitor_never_sees_are_gone() {
        assert_eq!(expand("<p>a{loadposition banner}b</p>{LoadModule mod_x,Tin}{emailcloak=off}"), "<p>ab</p>");
        assert_eq!(
            expand("a<hr title=\"Hai\" class=\"system-pagebreak\" />b<HR id=\"system-readmore\">c<hr>"),
            "abc<hr>"
        );
    }

    #[test]
    fn a_video_becomes_a_link() {
        assert_eq!(
            expand("{youtube}aB3-_x{/youtube}"),
            "<a href=\"https://www.youtube.com/watch?v=aB3-_x\">https://www.youtube.com/watch?v=aB3-_x</a>"
        );
        assert_eq!(expand("{youtube}\"><script>{/youtube}"), "");
    }

    #[test]
    fn other_braces_stay() {
        for text in ["{", "a { b } c", "{{x}}", "{unknown y}", "ngoặc { đơn", "{youtube}never closed", "<", "é{ễ}"]
        {
            assert_eq!(expand(text), text);
        }
    }

    #[test]
    fn the_halves_of_a_body_join() {
        assert_eq!(join("<p>a</p>", "<p>b</p>"), "<p>a</p>\n<p>b</p>");
        assert_eq!(join("", "<p>b</p>"), "<p>b</p>");
        assert_eq!(join("<p>a</p>", " "), "<p>a</p>");
    }
}
