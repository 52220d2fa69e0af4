//! What a form brings, in either of the two encodings that HTML and RFC 8058 know. Bounded; takes no files.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use url::form_urlencoded;

use super::reply::Fault;

/// Fields of one form, at most: a manage page has one for each feed.
const MOST_FIELDS: usize = 1_000;

/// Names and values in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// The first value of that name; empty if there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v)
    }

    /// Every value of that name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Names and values whose name begins so, without the beginning.
    pub fn below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.0.iter().filter_map(move |(n, v)| Some((n.strip_prefix(prefix)?, v.as_str())))
    }

    fn read(content_type: &str, body: &[u8]) -> Option<Self> {
        let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        let fields: Vec<(String, String)> = match kind.trim().to_ascii_lowercase().as_str() {
            // Mailbox providers were seen to post without saying what they post.
            "application/x-www-form-urlencoded" | "" => {
                form_urlencoded::parse(body).take(MOST_FIELDS).map(|(n, v)| (n.into_owned(), v.into_owned())).collect()
            }
            "multipart/form-data" => multipart(&boundary(parameters)?, body)?,
            _ => return None,
        };
        Some(Self(fields))
    }
}

impl FromRequest for Form {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = Bytes::from_request(req, payload);
        let kind = req.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        Box::pin(async move {
            let body = body.await.map_err(|e| Fault::of_status(e.as_response_error().status_code()))?;
            Self::read(&kind, &body).ok_or_else(|| {
                Fault::BadRequest("send the form as application/x-www-form-urlencoded or multipart/form-data".into())
            })
        })
    }
}

fn boundary(parameters: &str) -> Option<String> {
    let value = parameters.split(';').find_map(|p| {
        let (name, value) = p.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let value = value.trim_matches('"');
    // RFC 2046 §5.1.1: 1 to 70 characters.
    (1..=70).contains(&value.len()).then(|| value.to_owned())
}

/// The text fields of a `multipart/form-data` body (RFC 7578).
fn multipart(boundary: &str, body: &[u8]) -> Option<Vec<(String, String)>> {
    // Fields of forms are text; bytes that are not UTF-8 spoil only themselves.
    let body = String::from_utf8_lossy(body);
    let mark = format!("--{boundary}");
    let mut fields = Vec::new();
    for part in body.split(mark.as_str()).skip(1).take(MOST_FIELDS) {
        if part.starts_with("--") {
            return Some(fields);
        }
        let part = part.trim_start_matches(' ').strip_prefix("\r\n").or_else(|| part.strip_prefix('\n'))?;
        let (head, value) = part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
        let value = value.strip_suffix("\r\n").or_else(|| value.strip_suffix('\n')).unwrap_or(value);
        if let Some(name) = head.lines().find_map(field_name) {
            fields.push((name, value.to_owned()));
        }
    }
    // Without its closing mark the body was cut off.
    None
}

fn field_name(line: &str) -> Option<String> {
    let (name, value) = line.split_once(':')?;
    if !name.trim().eq_ignore_ascii_case("content-disposition") {
        return None;
    }
    value.split(';').find_map(|p| {
        let (key, value) = p.trim().split_once('=')?;
        key.trim().eq_ignore_ascii_case("name").then(|| value.trim().trim_matches('"').to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_bring_the_same_fields() {
        let one = Form::read("application/x-www-form-urlencoded", b"List-Unsubscribe=One-Click&f=%C4%91&f=b")
            .expect("a form");
        let body = "--x y\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x y\r\n\
                    content-disposition: form-data; name=f\r\nContent-Type: text/plain\r\n\r\nđ\r\n--x y\r\n\
                    Content-Disposition: form-data; name=\"f\"\r\n\r\nb\r\n--x y--\r\n";
        let two = Form::read("Multipart/Form-Data; boundary=\"x y\"", body.as_bytes()).expect("a form");
        assert_eq!(one, two);
        assert_eq!(two.get("List-Unsubscribe"), "One-Click");
        assert_eq!(two.all("f").collect::<Vec<_>>(), ["đ", "b"]);
        assert_eq!(one.get("g"), "");
    }

    #[test]
    fn what_is_cut_off_or_of_another_kind_is_no_form() {
        let cut = b"--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb";
        assert_eq!(Form::read("multipart/form-data; boundary=x", cut), None);
        assert_eq!(Form::read("multipart/form-data", cut), None);
        assert_eq!(Form::read("application/json", b"{}"), None);
        assert_eq!(Form::read("", b"a=b").map(|form| form.get("a").to_owned()).as_deref(), Some("b"));
    }
}
