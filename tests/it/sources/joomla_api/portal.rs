//! Joomla's web services on loopback, faults included: what its lists show, how its pages are cut, what a token may read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::sources::web_server::{Asked, Reply, WebServer};

/// The one token that is right.
pub const TOKEN: &str = "c2hhMjU2OjYyOmJpLW1hdC1rZS1naQ==";

/// The type of every answer.
const TYPE: &str = "application/vnd.api+json; charset=utf-8";

const API: &str = "/api/index.php/v1/";

/// One row of the articles.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: i64,
    pub category: i64,
    pub state: i64,
    pub access: i64,
    pub language: &'static str,
    pub title: String,
    pub intro: String,
    pub full: String,
    pub up: Option<&'static str>,
    pub down: Option<&'static str>,
    pub modified: String,
    pub author: i64,
    pub author_alias: &'static str,
    pub images: Value,
    pub tags: Vec<i64>,
    /// Without one, the list does not show the row.
    pub workflow: bool,
}

impl Row {
    /// A published article.
    pub fn new(id: i64, category: i64) -> Self {
        Self {
            id,
            category,
            state: 1,
            access: 1,
            language: "*",
            title: format!("Bài {id}"),
            intro: format!("<p>Lời dẫn {id}.</p>"),
            full: format!("<p>Nội dung {id}.</p>"),
            up: Some("2026-11-01 00:00:00"),
            down: None,
            modified: "2026-11-01 00:00:00".to_owned(),
            author: 42,
            author_alias: "",
            images: json!({}),
            tags: Vec::new(),
            workflow: true,
        }
    }

    fn resource(&self) -> Value {
        let tags: Map<String, Value> =
            self.tags.iter().map(|id| (id.to_string(), json!(format!("Thẻ {id}")))).collect();
        json!({
            "type": "articles",
            "id": self.id.to_string(),
            "attributes": {
                "id": self.id, "typeAlias": "com_content.article", "title": self.title, "alias": format!("bai-{}", self.id),
                "text": format!("{} {}", self.intro, self.full), "state": self.state, "access": self.access,
                "language": self.language, "publish_up": self.up, "publish_down": self.down,
                "created": "2026-10-31 00:00:00", "modified": self.modified, "created_by_alias": self.author_alias,
                "images": self.images, "hits": 5, "version": 1,
                "tags": if tags.is_empty() { json!([]) } else { json!(tags) },
            },
            "relationships": {
                "category": {"data": {"type": "categories", "id": self.category.to_string()}},
                "created_by": {"data": {"type": "users", "id": self.author.to_string()}},
            },
        })
    }
}

/// One row of the categories.
#[derive(Clone, Debug)]
pub struct Folder {
    pub id: i64,
    pub parent: i64,
    pub published: i64,
    pub access: i64,
    pub title: String,
}

impl Folder {
    pub fn new(id: i64, parent: i64) -> Self {
        Self { id, parent, published: 1, access: 1, title: format!("Đề mục {id}") }
    }
}

/// What happens to the portal while somebody turns its pages.
type Shift = Box<dyn FnOnce(&mut Content) + Send>;

/// The content, and how the portal behaves.
#[derive(Default)]
pub struct Content {
    pub rows: BTreeMap<i64, Row>,
    pub folders: BTreeMap<i64, Folder>,
    /// Tags: published, access.
    pub tags: BTreeMap<i64, (i64, i64)>,
    pub users: BTreeMap<i64, String>,
    /// Rules of the levels, where the token may read them.
    pub levels: Option<BTreeMap<i64, &'static str>>,
    /// Answers that stand in for the proper ones, by path below the API.
    pub instead: BTreeMap<String, Reply>,
    /// One happens before each page of articles.
    pub shifts: VecDeque<Shift>,
}

impl Content {
    pub fn row(&mut self, id: i64) -> &mut Row {
        self.rows.get_mut(&id).expect("an article")
    }

    pub fn folder(&mut self, id: i64) -> &mut Folder {
        self.folders.get_mut(&id).expect("a category")
    }

    pub fn add(&mut self, row: Row) {
        self.rows.insert(row.id, row);
    }
}

/// A running portal.
pub struct Portal {
    pub web: WebServer,
    content: Arc<Mutex<Content>>,
}

impl Portal {
    /// A portal of two categories, the second below the first, and no article.
    pub async fn start() -> Self {
        let web = WebServer::start().await;
        let content = Content {
            folders: [Folder::new(10, 1), Folder::new(11, 10)].map(|folder| (folder.id, folder)).into(),
            users: BTreeMap::from([(42, "Trúc Linh".to_owned())]),
            ..Content::default()
        };
        let portal = Self { web, content: Arc::new(Mutex::new(content)) };
        for path in [
            "content/articles",
            "content/categories",
            "tags",
            "users/levels",
            "users/groups",
            "config/com_users",
            "users/42",
        ] {
            portal.serve(path);
        }
        portal
    }

    /// The content, to look at or to change.
    pub fn edit(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }

    /// Adds articles.
    pub fn add(&self, rows: impl IntoIterator<Item = Row>) {
        for row in rows {
            self.serve(&format!("content/articles/{}", row.id));
            self.edit().add(row);
        }
    }

    /// How often a path below the API was asked.
    pub fn asked(&self, path: &str) -> usize {
        self.web.asked_for(&format!("{API}{path}")).len()
    }

    /// How many articles were asked for one by one.
    pub fn asked_singly(&self) -> usize {
        self.web.asked().iter().filter(|asked| asked.path.starts_with(&format!("{API}content/articles/"))).count()
    }

    fn serve(&self, path: &str) {
        let (content, own) = (Arc::clone(&self.content), path.to_owned());
        self.web.script(&format!("{API}{path}"), move |asked| answer(&mut lock(&content), &own, asked));
    }
}

fn lock(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error document.
pub fn error(status: u16, title: &str) -> Reply {
    Reply::status(status)
        .header("content-type", TYPE)
        .body(json!({"errors": [{"title": title, "code": status}]}).to_string())
}

fn document(value: &Value) -> Reply {
    Reply::page(TYPE, value.to_string())
}

fn answer(content: &mut Content, path: &str, asked: &Asked) -> Reply {
    if asked.header("x-joomla-token") != Some(TOKEN) {
        return error(401, "Forbidden");
    }
    if !matches!(asked.header("accept"), Some("application/vnd.api+json" | "*/*")) {
        return error(406, "Could not match accept header");
    }
    if path == "content/articles"
        && let Some(shift) = content.shifts.pop_front()
    {
        shift(content);
    }
    if let Some(reply) = content.instead.get(path) {
        return reply.clone();
    }
    match path {
        "content/articles" => articles(content, asked),
        "content/categories" => {
            let shown = content.folders.values().filter(|folder| matches!(folder.published, 0 | 1)).map(|folder| {
                let attributes = json!({
                    "id": folder.id, "title": folder.title, "alias": format!("de-muc-{}", folder.id),
                    "published": folder.published, "access": folder.access, "parent_id": folder.parent, "language": "*",
                });
                (folder.id, json!({"type": "categories", "id": folder.id.to_string(), "attributes": attributes}))
            });
            list(shown.collect(), asked)
        }
        "tags" => {
            let shown =
                content.tags.iter().filter(|(_, (published, _))| matches!(published, 0 | 1)).map(|(id, tag)| {
                    let attributes =
                        json!({"id": id, "title": format!("Thẻ {id}"), "published": tag.0, "access": tag.1});
                    (*id, json!({"type": "tags", "id": id.to_string(), "attributes": attributes}))
                });
            list(shown.collect(), asked)
        }
        "users/levels" | "users/groups" | "config/com_users" if content.levels.is_none() => error(403, "Forbidden"),
        "users/levels" => {
            let levels = content.levels.iter().flatten().map(|(id, rules)| {
                (*id, json!({"type": "levels", "id": id.to_string(), "attributes": {"id": id, "rules": rules}}))
            });
            list(levels.collect(), asked)
        }
        "users/groups" => {
            let group = |id: i64, parent: i64| {
                (id, json!({"type": "groups", "id": id.to_string(), "attributes": {"id": id, "parent_id": parent}}))
            };
            list(vec![group(1, 0), group(2, 1), group(9, 1)], asked)
        }
        "config/com_users" => document(&json!({"links": {}, "meta": {"total-pages": 1}, "data": [
            {"type": "config", "id": "1", "attributes": {"allowUserRegistration": 0, "id": 1}},
            {"type": "config", "id": "1", "attributes": {"guest_usergroup": "9", "id": 1}},
        ]})),
        path => match path.rsplit_once('/').and_then(|(kind, id)| Some((kind, id.parse::<i64>().ok()?))) {
            Some(("users", id)) => content.users.get(&id).map_or_else(
                || error(404, "Resource not found"),
                |name| {
                    document(&json!({"data": {"type": "users", "id": id.to_string(), "attributes": {"name": name}}}))
                },
            ),
            Some(("content/articles", id)) => content.rows.get(&id).map_or_else(
                || error(404, "Resource not found"),
                |row| document(&json!({"links": {"self": "x"}, "data": row.resource()})),
            ),
            _ => error(404, "Resource not found"),
        },
    }
}

/// The list of articles: by state alone, rows without a workflow left out, in the order that was asked for.
fn articles(content: &Content, asked: &Asked) -> Reply {
    let state = asked.query("filter[state]");
    let wanted = |row: &&Row| match state.as_deref() {
        None => matches!(row.state, 0 | 1),
        Some(state) => row.state == state.parse().unwrap_or(0),
    };
    let mut rows: Vec<&Row> = content.rows.values().filter(|row| row.workflow).filter(wanted).collect();
    match asked.query("list[ordering]").as_deref() {
        None | Some("a.id") => {}
        // Ties have no second key.
        Some("a.modified") => rows.sort_by(|a, b| a.modified.cmp(&b.modified).then(b.id.cmp(&a.id))),
        Some(_) => return error(500, "Internal server error"),
    }
    if asked.query("list[direction]").is_some_and(|direction| direction.eq_ignore_ascii_case("desc")) {
        rows.reverse();
    }
    list(rows.iter().map(|row| (row.id, row.resource())).collect(), asked)
}

/// Pages as Joomla cuts them: 20 rows by default, an offset behind the end is 404, one that leaves no full page is moved to
/// where the last page begins, and only the number of pages is told.
fn list(rows: Vec<(i64, Value)>, asked: &Asked) -> Reply {
    let number = |key: &str| asked.query(key).and_then(|text| text.parse::<usize>().ok());
    let limit = number("page[limit]").filter(|limit| *limit > 0).unwrap_or(20);
    let offset = number("page[offset]").unwrap_or(0);
    if offset > rows.len() {
        return error(404, "Resource not found");
    }
    let pages = rows.len().div_ceil(limit);
    let start = if offset > 0 && offset + limit > rows.len() { pages.saturating_sub(1) * limit } else { offset };
    let mut links = json!({"self": "x"});
    if start + limit < pages * limit {
        links["next"] = json!(format!("x?page%5Boffset%5D={}", offset + limit));
    }
    let data: Vec<Value> = rows.into_iter().skip(start).take(limit).map(|(_, row)| row).collect();
    document(&json!({"links": links, "data": data, "meta": {"total-pages": pages}}))
}
