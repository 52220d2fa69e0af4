//! Mails that come back to the house: their addresses, who takes them, and who judges.

use loa::domain::verp::{ReturnPath, Template};
use loa::notify::smtp::Pool;
use loa::work::bounces::Bounces;
use loa::work::compose::Composer;
use loa::work::deliver_mail::{Mailer, Transport};
use loa::work::judge::Judge;
use tokio::sync::watch;

use super::{House, Running};
use crate::support::smtp_server::Message;

/// The form of the house's return paths.
pub const TEMPLATE: &str = "bounces+{token}@bantin.example.vn";

impl House {
    /// The house's return paths.
    pub fn returns(&self) -> ReturnPath {
        ReturnPath::new(Template::parse(TEMPLATE).expect("a template"), self.subscribe.keys().clone())
    }

    /// Who takes mails that come back.
    pub fn bounces(&self) -> Bounces {
        Bounces::new(
            self.base.store.clone(),
            self.clock.clone(),
            self.returns(),
            self.subscribe.clone(),
            self.wakes.clone(),
            self.metrics.clone(),
        )
    }

    /// Who judges them.
    pub fn judge(&self) -> Judge {
        Judge::new(self.base.store.clone(), self.clock.clone(), self.metrics.clone())
    }

    /// Works off all mails that are due, each with a return path of its own, and gives what the relay took meanwhile.
    pub async fn send_returning(&self) -> Vec<Message> {
        let before = self.relay.messages().len();
        let composer = self.composer().returning(Some(self.returns()));
        let running = self.mailer_by(composer, Transport::Smtp(Pool::new(self.smtp()).into()));
        self.quiet("email").await;
        running.stop().await;
        self.relay.messages().split_off(before)
    }

    /// A mail worker with this composer over this transport.
    pub fn mailer_by(&self, composer: Composer, transport: Transport) -> Running {
        let mailer = Mailer::new(
            self.base.store.clone(),
            self.clock.clone(),
            composer,
            transport,
            4,
            self.wakes.clone(),
            self.metrics.clone(),
        );
        let (stop, stopped) = watch::channel(false);
        Running { stop, task: tokio::spawn(mailer.run(stopped)) }
    }

    /// What the metrics say of a series.
    pub fn measured(&self, series: &str) -> String {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series} in\n{text}"))
    }
}
