//! The front door: who asks for a feed document that stands ready, or has it already, is answered before a route is looked
//! for and without waiting for anything; that is most of what feeds are asked for. Whatever takes more goes on to the
//! routes, where it would come to the same. Never renders, compresses, or asks the database.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Ready, ready};

use actix_web::body::{BoxBody, EitherBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LAST_MODIFIED, LINK,
    VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Data;
use actix_web::{Error, HttpResponse};
use bytes::Bytes;
use futures_util::TryFutureExt;
use futures_util::future::{Either, MapOk};

use super::feeds::{A_IM, ACCEPT_ENCODING_VALUE, Asked};
use super::{Doors, Shared, dress};
use crate::feed::document::Format;
use crate::work::publish::published::Published;

/// Documents whose headers a thread remembers, at most.
const REMEMBERED: usize = 4_096;

/// What the front door answers with: a document, or what the routes say.
pub type Body = EitherBody<Bytes, BoxBody>;

/// The door, before the routes of one listener.
#[derive(Clone)]
pub struct Front {
    shared: Data<Shared>,
    open: bool,
}

impl Front {
    /// A door to the feeds where the listener has them; one that lets everything through where it has not.
    pub(super) fn new(shared: Data<Shared>, doors: Doors) -> Self {
        Self { shared, open: doors != Doors::Operator }
    }
}

impl<S> Transform<S, ServiceRequest> for Front
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<Body>;
    type Error = Error;
    type InitError = ();
    type Transform = Porter<S>;
    type Future = Ready<Result<Porter<S>, ()>>;

    fn new_transform(&self, routes: S) -> Self::Future {
        ready(Ok(Porter { front: self.clone(), lines: RefCell::default(), routes }))
    }
}

/// The door as one thread has it.
pub struct Porter<S> {
    front: Front,
    lines: RefCell<HashMap<(i64, Format), Lines>>,
    routes: S,
}

/// What is said of a document in every answer, as headers: made once for a version.
struct Lines {
    version: i64,
    etag: HeaderValue,
    link: HeaderValue,
    last_modified: HeaderValue,
    cache_control: HeaderValue,
}

impl Lines {
    /// Nothing if there is something in it that no header can hold: then the routes say so.
    fn of(published: &Published, format: Format) -> Option<Self> {
        let head = published.head(format);
        let value = |text: &str| HeaderValue::from_str(text).ok();
        Some(Self {
            version: published.feed.version,
            etag: value(&head.etag)?,
            link: value(&head.link)?,
            last_modified: value(&published.last_modified)?,
            cache_control: value(&published.cache_control)?,
        })
    }

    fn write(&self, headers: &mut HeaderMap) {
        headers.insert(ETAG, self.etag.clone());
        headers.insert(LINK, self.link.clone());
        headers.insert(LAST_MODIFIED, self.last_modified.clone());
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        headers.insert(VARY, ACCEPT_ENCODING_VALUE);
    }
}

impl<S> Service<ServiceRequest> for Porter<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    type Response = ServiceResponse<Body>;
    type Error = Error;
    type Future = Either<
        Ready<Result<ServiceResponse<Body>, Error>>,
        MapOk<S::Future, fn(ServiceResponse<BoxBody>) -> ServiceResponse<Body>>,
    >;

    forward_ready!(routes);

    fn call(&self, req: ServiceRequest) -> Self::Future {
        match self.at_hand(&req) {
            Some(answer) => Either::Left(ready(Ok(req.into_response(answer)))),
            None => Either::Right(self.routes.call(req).map_ok(ServiceResponse::map_into_right_body)),
        }
    }
}

impl<S> Porter<S> {
    /// The answer, if everything that it takes is there. What is out of the ordinary is left to the routes: deltas, feeds
    /// that are over, in trouble or about to change by the clock, clocks that were set back.
    fn at_hand(&self, req: &ServiceRequest) -> Option<HttpResponse<Body>> {
        let (slug, format) = req.head().uri.path().strip_prefix("/feeds/")?.rsplit_once('.')?;
        let format = Format::parse(format)?;
        if !self.front.open || !matches!(*req.method(), Method::GET | Method::HEAD) {
            return None;
        }
        let shared = &*self.front.shared;
        let published = shared.publisher.get(slug)?;
        let now = shared.clock.now();
        let ordinary = published.is_read() && !published.feed.retired && published.trouble.is_none();
        if !ordinary || published.changed > now || !shared.publisher.outlook().is_calm(&published, now) {
            return None;
        }
        let asked = req.headers();
        if asked.contains_key(A_IM) {
            return None;
        }
        if has_it(asked, &published, format) {
            let mut answer = HttpResponse::with_body(StatusCode::NOT_MODIFIED, EitherBody::right(BoxBody::new(())));
            self.write_lines(&published, format, answer.headers_mut())?;
            dress::allow_everybody(answer.headers_mut());
            shared.metrics.feed_request(format.extension(), StatusCode::NOT_MODIFIED.as_u16());
            return Some(answer);
        }
        let ready = shared.publisher.at_hand(&published, format)?;
        let asked = Asked::of(asked);
        let (coding, bytes) = ready.coded_before(asked.coding(&ready))?;
        shared.pace(req.request(), &asked, req.path()).ok()?;
        let mut answer = HttpResponse::with_body(StatusCode::OK, EitherBody::left(bytes));
        let headers = answer.headers_mut();
        self.write_lines(&published, format, headers)?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(ready.content_type));
        if let Some(word) = coding.word() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(word));
        }
        dress::dress_feed(headers);
        shared.metrics.feed_request(format.extension(), StatusCode::OK.as_u16());
        Some(answer)
    }

    /// Writes what is said of a document in every answer.
    fn write_lines(&self, published: &Published, format: Format, headers: &mut HeaderMap) -> Option<()> {
        let mut all = self.lines.borrow_mut();
        let key = (published.feed.id, format);
        if let Some(lines) = all.get(&key).filter(|lines| lines.version == published.feed.version) {
            lines.write(headers);
            return Some(());
        }
        if all.len() >= REMEMBERED {
            all.clear();
        }
        let lines = Lines::of(published, format)?;
        lines.write(headers);
        all.insert(key, lines);
        Some(())
    }
}

/// Whether the reader has this version. Most send the tag alone, as we gave it.
fn has_it(asked: &HeaderMap, published: &Published, format: Format) -> bool {
    let etag = &published.head(format).etag;
    asked.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == etag.as_bytes())
        || Asked::of(asked).has_it(etag, published.changed)
}
