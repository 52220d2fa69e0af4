//! What is there, for people: `loa check` and `loa source try`. Changes nothing.

use super::query::{self, padded};
use super::{Sql, of};
use crate::clock::Timestamp;
use crate::source::database::{Row, Visit};
use crate::source::{Census, Description, Hidden, SourceError};

impl Sql {
    pub(super) async fn explain(&self, visit: &mut Visit<'_>) -> Result<Description, SourceError> {
        let (mut server, mut now) = (String::new(), Timestamp::default());
        let take = |row: Row| {
            row.text(0).clone_into(&mut server);
            now = Timestamp::from_millis(row.number(1).saturating_mul(1000));
        };
        visit.each(query::server(self.door.engine()), None, take).await?;
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let found = self.sweep(visit, self.rules(&shapes, tree.as_ref(), now)).await?;
        let mut words = vec![format!("{server}: {} public articles", found.articles.len())];
        words.extend(found.unseen.iter().map(|(why, unseen)| format!("{} {}", unseen.count, why.words())));
        let categories = tree.map_or_else(|| found.named.categories(&[], false), |tree| tree.categories()).len();
        let mut text = format!("{}; {categories} categories; columns {}", words.join(", "), shapes.articles.words());
        if !shapes.articles.ignored.is_empty() {
            text = format!("{text}; makes nothing of the columns {}", shapes.articles.ignored.join(", "));
        }
        if let Some(fault) = found.faults.first() {
            text = format!("{text}; {} rows cannot be used, the first: {}", found.faults.len(), fault.message);
        }
        Ok(Description { name: self.name.clone(), kind: "sql", found: text })
    }

    pub(super) async fn count(&self, visit: &mut Visit<'_>, now: Timestamp) -> Result<Census, SourceError> {
        let shapes = self.shapes(visit).await?;
        let tree = self.tree(visit, &shapes).await?;
        let found = self.sweep(visit, self.rules(&shapes, tree.as_ref(), now)).await?;
        let queries = self.queries(&shapes.articles);
        let mut hidden = Vec::new();
        for (why, unseen) in found.unseen {
            let mut examples = Vec::new();
            let ids = queries.fit(unseen.ids.iter().map(String::as_str));
            let ids = padded(&ids);
            let take = |row: Row| examples.push(format!("{}: {}", row.text(0), row.text(1)));
            visit.each_of(queries.titles(ids.len()), &ids, take).await.map_err(|error| of("articles", error))?;
            hidden.push(Hidden { reason: why.words().to_owned(), count: unseen.count, examples });
        }
        Ok(Census { by_category: Some(found.by_category), hidden })
    }
}
