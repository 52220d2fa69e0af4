//! The demo's mailbox: the `.eml` files of its mail folder, readable in a browser. A mail's HTML is shown in a sandboxed
//! frame that runs nothing.

use std::path::{Path as FilePath, PathBuf};
use std::time::SystemTime;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::web::{self, Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use mail_parser::{Address, Message, MessageParser};
use serde_json::{Value, json};

use crate::clock::Timestamp;
use crate::text::date;
use crate::web::Shared;
use crate::web::reply::Fault;

/// Mails in the list, at most.
const MOST: usize = 200;

/// Bytes of a mail that is shown, at most.
const LARGEST: u64 = 2 * 1024 * 1024;

/// The page around the frame, which may hold it.
const AROUND: &str = "default-src 'none'; style-src 'self'; img-src 'self'; frame-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// The mail in its frame: its own styles, its pictures, no script; a link that is pressed opens in the whole window.
const INSIDE: &str = "sandbox allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; \
                      img-src http: https: data:; frame-ancestors 'self'";

struct File {
    name: String,
    bytes: Vec<u8>,
}

/// `GET /demo/mail`
pub async fn list(req: HttpRequest, shared: Data<Shared>) -> Result<HttpResponse, Fault> {
    let folder = shared.mailbox.clone().ok_or(Fault::NotFound)?;
    let files = blocking(move || Some(newest(&folder))).await?;
    let visit = shared.visit(&req);
    let mails: Vec<Value> = files
        .iter()
        .filter_map(|file| {
            let mail = MessageParser::default().parse(&file.bytes)?;
            let at = mail.date().map(|d| Timestamp::from_millis(d.to_timestamp().saturating_mul(1000)));
            Some(json!({
                "name": file.name, "subject": mail.subject().unwrap_or_default(), "to": address(mail.to()),
                "at": at.map(|at| date::full(at, &shared.site.zone, visit.locale.as_str())),
            }))
        })
        .collect();
    shared.view.private("mailbox.html", visit, "demo/mail", json!({ "mails": mails }))
}

/// `GET /demo/mail/{name}`
pub async fn show(req: HttpRequest, shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let file = open(&shared, &name).await?;
    let mail = MessageParser::default().parse(&file.bytes).ok_or(Fault::NotFound)?;
    let headers: Vec<Value> = mail
        .headers_raw()
        .map(|(name, value)| json!({ "name": name, "value": value.split_whitespace().collect::<Vec<_>>().join(" ") }))
        .collect();
    let with = json!({
        "name": file.name, "subject": mail.subject().unwrap_or_default(), "to": address(mail.to()),
        "from": address(mail.from()), "headers": headers, "html": mail.html_body_count() > 0,
        "text": mail.body_text(0).unwrap_or_default(),
    });
    let mut page = shared.view.private("mail.html", shared.visit(&req), &format!("demo/mail/{name}"), with)?;
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, actix_web::http::header::HeaderValue::from_static(AROUND));
    Ok(page)
}

/// `GET /demo/mail/{name}/html`: what is in the frame.
pub async fn html(shared: Data<Shared>, name: Path<String>) -> Result<HttpResponse, Fault> {
    let file = open(&shared, &name).await?;
    let mail = MessageParser::default().parse(&file.bytes).ok_or(Fault::NotFound)?;
    let html = mail_html(&mail).ok_or(Fault::NotFound)?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, INSIDE))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html))
}

fn mail_html(mail: &Message<'_>) -> Option<String> {
    let html = mail.body_html(0)?;
    let at = html.find("<head>").map_or(0, |at| at + "<head>".len());
    Some(format!("{}<base target=\"_top\">{}", &html[..at], &html[at..]))
}

async fn open(shared: &Shared, name: &str) -> Result<File, Fault> {
    let folder = shared.mailbox.clone().ok_or(Fault::NotFound)?;
    // A name of a file in the folder and nothing else.
    let plain = is_mail(name) && !name.contains(['/', '\\', '\0']);
    if !plain {
        return Err(Fault::NotFound);
    }
    let name = name.to_owned();
    blocking(move || {
        let path = folder.join(&name);
        let small = std::fs::metadata(&path).ok()?.len() <= LARGEST;
        let bytes = small.then(|| std::fs::read(&path).ok())??;
        Some(File { name, bytes })
    })
    .await
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Option<T> + Send + 'static) -> Result<T, Fault> {
    web::block(work).await.map_err(|_| Fault::Internal)?.ok_or(Fault::NotFound)
}

/// A finished mail: one that is still being written has a name that begins with a dot.
fn is_mail(name: &str) -> bool {
    !name.starts_with('.') && FilePath::new(name).extension().is_some_and(|e| e == "eml")
}

fn newest(folder: &PathBuf) -> Vec<File> {
    // The folder is made when the first mail comes.
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<(SystemTime, String)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|n| is_mail(n))?;
            let data = entry.metadata().ok().filter(|m| m.is_file() && m.len() <= LARGEST)?;
            Some((data.modified().ok()?, name))
        })
        .collect();
    found.sort_by(|a, b| b.cmp(a));
    found.truncate(MOST);
    found
        .into_iter()
        .filter_map(|(_, name)| Some(File { bytes: std::fs::read(folder.join(&name)).ok()?, name }))
        .collect()
}

fn address(list: Option<&Address<'_>>) -> String {
    let Some(first) = list.and_then(Address::first) else { return String::new() };
    match (first.name(), first.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (_, address) => address.unwrap_or_default().to_owned(),
    }
}
