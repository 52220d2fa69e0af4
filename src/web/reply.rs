//! What went wrong, as HTTP says it: the one place where a fault gets a status, a text for people and, for the API, a
//! problem document (RFC 9457). Never tells a caller what the database or another server said.

use std::fmt;

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use crate::domain::selection::query::QueryFault;
use crate::store::engine::StoreError;
use crate::work::ingest::IngestError;
use crate::work::search::SearchError;
use crate::work::subscribe::SubscribeError;

/// Seconds after which a caller may come back while loa starts.
const STARTING: u64 = 5;

/// Why a request is not answered as it wished. [`super::dress`] turns it into a page, a line or a problem document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing is there.
    NotFound,
    /// A retired feed.
    Gone,
    /// A forged or spent link.
    BadLink,
    /// A request that makes no sense; why, for a program's author.
    BadRequest(String),
    /// A search that asks for nothing that can be answered; why, for whoever asks.
    Query(Vec<QueryFault>),
    /// A request that makes sense but cannot be done as it is; why, for a program's author.
    Unprocessable(String),
    /// No bearer token, or a wrong one.
    Unauthorized,
    /// A token that may not do this; which scope it lacks.
    Scope(&'static str),
    /// As many selections are followed as can be, by all or by one: the word for it.
    Full(&'static str),
    /// A form from another site.
    Foreign,
    /// The address takes these methods only.
    Method(&'static str),
    /// Too many requests; seconds to wait.
    TooMany(u64),
    /// A body above its limit.
    TooLarge,
    /// Nothing was read from the store yet.
    Starting,
    /// It is being done already, elsewhere.
    Conflict(String),
    /// Our fault; the cause is in the log.
    Internal,
}

impl Fault {
    /// The name under which the words for it stand in the catalog.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::BadLink => "bad_link",
            Self::BadRequest(_) | Self::Query(_) | Self::Unprocessable(_) | Self::Conflict(_) => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Scope(_) => "scope",
            Self::Full(word) => word,
            Self::Foreign => "forbidden",
            Self::Method(_) => "method",
            Self::TooMany(_) => "too_many",
            Self::TooLarge => "too_large",
            Self::Starting => "unavailable",
            Self::Internal => "internal",
        }
    }

    /// What a program's author may know of it, if more than its words.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        match self {
            Self::BadRequest(why) | Self::Unprocessable(why) | Self::Conflict(why) => Some(why),
            _ => None,
        }
    }

    /// The fault that a bare status of the server's own stands for.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Self {
        match status.as_u16() {
            404 => Self::NotFound,
            413 => Self::TooLarge,
            400..=499 => Self::BadRequest("the request cannot be read".into()),
            _ => Self::Internal,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail().unwrap_or_else(|| self.word()))
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound | Self::BadLink => StatusCode::NOT_FOUND,
            Self::Gone => StatusCode::GONE,
            Self::BadRequest(_) | Self::Query(_) => StatusCode::BAD_REQUEST,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Scope(_) | Self::Foreign => StatusCode::FORBIDDEN,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Starting => StatusCode::SERVICE_UNAVAILABLE,
            Self::Conflict(_) | Self::Full(_) => StatusCode::CONFLICT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::new(self.status_code());
        let mut header = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        match self {
            Self::Method(allow) => header(ALLOW, allow),
            Self::TooMany(seconds) => header(RETRY_AFTER, &seconds.to_string()),
            Self::Starting => header(RETRY_AFTER, &STARTING.to_string()),
            Self::Unauthorized => header(WWW_AUTHENTICATE, "Bearer realm=\"loa\""),
            _ => {}
        }
        response
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        tracing::error!("a request could not be answered: {error}");
        Self::Internal
    }
}

impl From<SearchError> for Fault {
    fn from(error: SearchError) -> Self {
        tracing::error!("a search could not be answered: {error}");
        Self::Internal
    }
}

impl From<SubscribeError> for Fault {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::BadLink => Self::BadLink,
            SubscribeError::Full => Self::Full("full"),
            SubscribeError::Enough => Self::Full("enough"),
            SubscribeError::Store(error) => error.into(),
            told => Self::Unprocessable(told.to_string()),
        }
    }
}

impl From<IngestError> for Fault {
    fn from(error: IngestError) -> Self {
        match error {
            IngestError::Unknown(..) => Self::NotFound,
            IngestError::Source(_) | IngestError::Resting(..) => Self::Unprocessable(error.to_string()),
            IngestError::Store(error) => error.into(),
        }
    }
}
