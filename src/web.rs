//! What calls in over HTTP: feeds, pages, the API, the operator's console. The whole route table is here. Decides nothing
//! about who is told what: every door hands over to `work` and says what came of it.

mod admin;
mod api;
mod browse;
mod conditional;
mod confirm;
pub mod demo;
mod dress;
mod feeds;
mod form;
mod front;
mod guard;
mod health;
mod leave;
mod manage;
mod old;
pub mod pages;
mod reply;
mod schemas;
mod search;
mod statics;
mod subscriber;
mod view;
mod visit;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderName};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, PayloadConfig, ServiceConfig};
use actix_web::{App, Error, FromRequest, Handler, HttpRequest, HttpResponse, Resource, Responder, Route, Scope};
use ipnet::IpNet;

use self::admin::session::Sessions;
use self::front::Front;
use self::guard::Limiter;
use self::reply::Fault;
use self::view::View;
use self::visit::Visit;

use crate::clock::Clock;
use crate::domain::site::Site;
use crate::domain::subscriber::Locale;
use crate::http::client::Client;
use crate::store::engine::Store;
use crate::telemetry::metrics::Metrics;
use crate::text::catalog;
use crate::work::ingest::Ingest;
use crate::work::old::{OldAddress, OldFeeds};
use crate::work::publish::Publisher;
use crate::work::search::Search;
use crate::work::subscribe::Subscribe;

/// What the doors lead to. Built by the service, once.
#[derive(Clone)]
pub struct State {
    /// The site that loa speaks for. Every link that is given out begins with its address, whatever host was asked.
    pub site: Site,
    /// The feeds, in memory.
    pub publisher: Arc<Publisher>,
    /// The doors for people.
    pub subscribe: Subscribe,
    /// Polls, for the API and the console.
    pub ingest: Arc<Ingest>,
    /// The database.
    pub store: Store,
    /// Time and chance.
    pub clock: Clock,
    /// The guarded client, which vets addresses of endpoints.
    pub client: Client,
    /// The numbers.
    pub metrics: Metrics,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// A folder of `.eml` files to show at `/demo/mail`. For the demo alone: it shows everybody's mail to anybody.
    pub mailbox: Option<PathBuf>,
    /// The folder of sample articles, whose pages and pictures are shown below `/demo/articles/`. For the demo alone.
    pub articles: Option<PathBuf>,
    /// A webhook receiver at `/demo/hook`. For the demo alone.
    pub hook: Option<Arc<demo::hook::DemoHook>>,
}

/// Bytes of a form, at most.
const FORM_LIMIT: usize = 64 * 1024;

/// Bytes of an API call, at most.
const API_LIMIT: usize = 256 * 1024;

/// Keeps a page out of the lists of search engines.
const X_ROBOTS_TAG: HeaderName = HeaderName::from_static("x-robots-tag");

/// Which doors a listener has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doors {
    /// All of them: there is one listener.
    All,
    /// All but `/admin` and `/metrics`: those have a listener of their own (`[web] admin`).
    Public,
    /// `/admin`, `/metrics`, health and static files alone.
    Operator,
}

/// What every handler is given.
struct Shared {
    state: State,
    view: View,
    limiter: Limiter,
    /// Counts searches that nobody asked for lately.
    searches: Limiter,
    search: Search,
    old: OldFeeds,
    pace: feeds::pace::Pace,
    sessions: Sessions,
    proof: health::Proof,
}

impl Deref for Shared {
    type Target = State;
    fn deref(&self) -> &State {
        &self.state
    }
}

impl Shared {
    fn visit(&self, req: &HttpRequest) -> Visit {
        Visit::of(req, self.site.locale)
    }

    /// The words beside the box that people tick when they subscribe.
    fn consent_text(&self, locale: Locale) -> String {
        catalog::words(locale.as_str()).say("form.consent", &[("site", &self.site.title)])
    }

    /// Lets a request in that costs something, or says how long to wait.
    fn knock(&self, req: &HttpRequest) -> Result<(), Fault> {
        self.knock_at(&self.limiter, req)
    }

    fn knock_at(&self, limiter: &Limiter, req: &HttpRequest) -> Result<(), Fault> {
        let from = visit::client_address(req, &self.trusted_proxies).unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        limiter.knock(from, self.clock.now()).map_err(Fault::TooMany)
    }
}

/// Everything that answers requests. Cheap to clone; clones share limits and pages, so make one for the process.
#[derive(Clone)]
pub struct Web(Data<Shared>);

impl Web {
    /// Compiles the pages.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self::with_old_addresses(state, Vec::new())
    }

    /// The same, with feeds at the addresses that they had before loa.
    #[must_use]
    pub fn with_old_addresses(state: State, table: Vec<OldAddress>) -> Self {
        let view = View::new(&state.site, Arc::clone(&state.publisher));
        let search = Search::new(state.store.clone(), state.clock.clone(), state.site.clone(), state.publisher.items());
        Self(Data::new(Shared {
            view,
            limiter: Limiter::default(),
            searches: Limiter::default(),
            search,
            old: OldFeeds::new(state.site.clone(), table),
            pace: feeds::pace::Pace::default(),
            sessions: Sessions::default(),
            proof: health::Proof::default(),
            state,
        }))
    }

    /// What answers at a listener with these doors: `HttpServer::new(move || web.app(Doors::All))`.
    pub fn app(
        &self,
        doors: Doors,
    ) -> App<
        impl ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<impl MessageBody + use<>>,
            Error = Error,
            InitError = (),
        > + use<>,
    > {
        App::new().configure(self.routes(doors)).wrap(Front::new(self.0.clone(), doors))
    }

    fn routes(&self, doors: Doors) -> impl Fn(&mut ServiceConfig) + use<> {
        let shared = self.0.clone();
        move |config: &mut ServiceConfig| {
            let mut scope = web::scope("").app_data(shared.clone()).app_data(PayloadConfig::new(FORM_LIMIT));
            if doors != Doors::Operator {
                scope = public(scope, &shared);
            }
            if doors != Doors::Public {
                scope = operator(scope);
            }
            scope = scope
                .service(read("/healthz", health::alive))
                .service(read("/readyz", health::ready))
                .service(read("/static/{name}", statics::file));
            config.service(scope.default_service(web::to(old::otherwise)).wrap(from_fn(dress::dress)));
        }
    }
}

fn public(scope: Scope, shared: &Shared) -> Scope {
    let scope = scope
        .service(read("/", browse::home))
        .service(read("/feeds.opml", feeds::list))
        .service(read("/feeds", feeds::all))
        .service(read("/feeds/", feeds::all))
        .service(read("/feeds/search", search::page))
        .service(read("/feeds/search.{format}", search::document))
        .service(read("/feeds/{name}", feeds::named))
        .service(read("/feeds/{name}/", feeds::slash))
        .service(read("/feeds/{name}/archive/{month}", feeds::month))
        .service(read("/feeds/{name}/archive/{version}/{month}", feeds::part))
        .service(both("/subscribe", subscriber::ask, subscriber::asked))
        .service(read("/subscribe/sent", subscriber::sent))
        .service(both("/confirm/{token}", confirm::show, confirm::act))
        .service(both("/manage/{token}", manage::show, manage::act))
        .service(both("/manage/{token}/erase", manage::show_erase, manage::erase))
        .service(read("/manage/{token}/export", manage::export))
        .service(both("/u/{token}", leave::show, leave::act))
        .service(read("/schemas/{type}.json", schemas::one))
        .service(read("/api/openapi.json", api::openapi::document))
        .service(api_v1());
    let scope = if shared.mailbox.is_some() {
        scope
            .service(read("/demo/mail", demo::mail::list))
            .service(read("/demo/mail/{name}", demo::mail::show))
            .service(read("/demo/mail/{name}/html", demo::mail::html))
    } else {
        scope
    };
    let scope = if shared.articles.is_some() {
        scope
            .service(read("/demo/articles/images/{name}", demo::article::picture))
            .service(read("/demo/articles/{id}", demo::article::show))
    } else {
        scope
    };
    if shared.hook.is_some() { scope.service(both("/demo/hook", demo::hook::show, demo::hook::take)) } else { scope }
}

fn api_v1() -> Scope {
    web::scope("/api/v1")
        .app_data(PayloadConfig::new(API_LIMIT))
        .service(read("/feeds", api::feeds))
        .service(both("/endpoints", api::endpoints::list, api::endpoints::create))
        .service(
            web::resource("/endpoints/{id}")
                .route(web::get().to(api::endpoints::one))
                .route(web::head().to(api::endpoints::one))
                .route(web::patch().to(api::events::change))
                .route(web::delete().to(api::endpoints::delete))
                .default_service(otherwise("GET, HEAD, PATCH, DELETE, OPTIONS")),
        )
        .service(act("/subscriptions", api::people::create))
        .service(
            web::resource("/subscriptions/{token}")
                .route(web::get().to(api::people::show))
                .route(web::head().to(api::people::show))
                .route(web::patch().to(api::people::change))
                .route(web::delete().to(api::people::end))
                .default_service(otherwise("GET, HEAD, PATCH, DELETE, OPTIONS")),
        )
        .service(read("/endpoints/{id}/events", api::events::list))
        .service(act("/endpoints/{id}/replay", api::events::replay))
        .service(act("/endpoints/{id}/enable", api::events::enable))
        .service(act("/endpoints/{id}/disable", api::events::disable))
        .service(act("/endpoints/{id}/test", api::events::test))
        .service(act("/endpoints/{id}/token", api::events::token))
        .service(act("/sources/{name}/poll", api::poll))
        .service(act("/sources/{name}/release", api::release))
        .service(read("/articles/{id}/deliveries", api::deliveries))
        .default_service(web::to(nowhere))
}

fn operator(scope: Scope) -> Scope {
    scope
        .service(read("/metrics", health::metrics))
        .service(read("/admin", admin::dashboard))
        .service(both("/admin/login", admin::login_page, admin::login))
        .service(act("/admin/logout", admin::logout))
        .service(act("/admin/sources/{name}/poll", admin::poll))
        .service(act("/admin/sources/{name}/release", admin::release))
}

/// An address that is only read.
fn read<H, A>(path: &str, get: H) -> Resource
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .default_service(otherwise("GET, HEAD, OPTIONS"))
}

/// An address that shows on GET and acts on POST.
fn both<G, A, P, B>(path: &str, get: G, post: P) -> Resource
where
    G: Handler<A>,
    A: FromRequest + 'static,
    G::Output: Responder + 'static,
    P: Handler<B>,
    B: FromRequest + 'static,
    P::Output: Responder + 'static,
{
    web::resource(path)
        .route(web::get().to(get.clone()))
        .route(web::head().to(get))
        .route(web::post().to(post))
        .default_service(otherwise("GET, HEAD, POST, OPTIONS"))
}

/// An address that only acts.
fn act<H, A>(path: &str, post: H) -> Resource
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    web::resource(path).route(web::post().to(post)).default_service(otherwise("POST, OPTIONS"))
}

/// Any other method: OPTIONS says what is allowed, the rest is refused with the same list.
fn otherwise(allow: &'static str) -> Route {
    web::to(move |req: HttpRequest| async move {
        if req.method() == Method::OPTIONS {
            Ok(HttpResponse::NoContent().insert_header((ALLOW, allow)).finish())
        } else {
            Err(Fault::Method(allow))
        }
    })
}

async fn nowhere() -> Result<HttpResponse, Fault> {
    Err(Fault::NotFound)
}
