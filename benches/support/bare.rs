//! The same document from memory by the least that the web framework needs for it: no routes beside it, no guards, no
//! numbers, four headers. What it reaches beside nginx is the most that this machine lets loa reach in the same run.

use std::fs;
use std::path::Path;

use actix_web::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED, VARY,
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::Bytes;

/// The tag of the document.
pub const TAG: &str = "\"bare\"";

/// What makes this program serve a folder's `feed` and `feed.gz` at an address instead of measuring.
pub const WORD: &str = "serve-bare";

#[derive(Clone)]
struct Document {
    plain: Bytes,
    gzip: Bytes,
}

/// Serves until it is killed.
pub fn serve(at: &str, folder: &Path) {
    let read = |name: &str| Bytes::from(fs::read(folder.join(name)).expect("the document"));
    let document = Document { plain: read("feed"), gzip: read("feed.gz") };
    let serving = async move {
        HttpServer::new(move || App::new().app_data(document.clone()).route("/feeds/{name}", web::get().to(answer)))
            .bind(at)
            .expect("a free port")
            .run()
            .await
            .expect("it serves");
    };
    actix_web::rt::System::new().block_on(serving);
}

async fn answer(req: HttpRequest) -> HttpResponse {
    let document = req.app_data::<Document>().expect("set above");
    let is =
        |name, value: &str| req.headers().get(name).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(value));
    let mut answer = if is(IF_NONE_MATCH, TAG) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    answer
        .insert_header((ETAG, HeaderValue::from_static(TAG)))
        .insert_header((LAST_MODIFIED, HeaderValue::from_static("Mon, 23 Nov 2026 00:00:00 GMT")))
        .insert_header((VARY, HeaderValue::from_static("Accept-Encoding")));
    if is(IF_NONE_MATCH, TAG) {
        return answer.finish();
    }
    answer.insert_header((CONTENT_TYPE, HeaderValue::from_static("application/atom+xml; charset=utf-8")));
    if is(ACCEPT_ENCODING, "gzip") {
        answer.insert_header((CONTENT_ENCODING, HeaderValue::from_static("gzip"))).body(document.gzip.clone())
    } else {
        answer.body(document.plain.clone())
    }
}
