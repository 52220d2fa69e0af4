//! `WordPress`'s REST interface on loopback, as an anonymous visitor meets it, faults included.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::sources::web_server::{Asked, Reply, WebServer};

/// One post.
#[derive(Clone, Debug)]
pub struct Post {
    pub id: i64,
    /// `posts` or `pages`.
    pub kind: &'static str,
    pub status: &'static str,
    pub date: &'static str,
    pub modified: &'static str,
    pub title: String,
    pub content: String,
    pub excerpt: String,
    pub categories: Vec<i64>,
    pub tags: Vec<i64>,
    pub author: i64,
    pub media: i64,
    pub password: bool,
}

impl Post {
    /// A published post.
    pub fn new(id: i64) -> Self {
        Self {
            id,
            kind: "posts",
            status: "publish",
            date: "2026-11-01T00:00:00",
            modified: "2026-11-01T00:00:00",
            title: format!("Bài {id}"),
            content: format!("<p>Nội dung {id}.</p>"),
            excerpt: "<p>Lời dẫn [&hellip;]</p>\n".into(),
            categories: vec![10],
            tags: Vec::new(),
            author: 3,
            media: 0,
            password: false,
        }
    }

    fn json(&self, embed: bool, content: &Content) -> Value {
        let (text, excerpt) = if self.password { ("", "") } else { (self.content.as_str(), self.excerpt.as_str()) };
        let mut post = json!({
            // The dates of the site's own clock, seven hours ahead, are there to be ignored.
            "id": self.id, "date": "2031-01-01T07:00:00", "date_gmt": self.date, "modified": "2031-01-01T07:00:00",
            "modified_gmt": self.modified, "slug": format!("bai-{}", self.id), "status": self.status, "type": "post",
            "link": format!("https://tin.example.vn/bai-{}/", self.id), "title": {"rendered": self.title},
            "content": {"rendered": text, "protected": self.password},
            "excerpt": {"rendered": excerpt, "protected": self.password},
            "author": self.author, "featured_media": self.media, "categories": self.categories, "tags": self.tags,
            "_links": {},
        });
        if embed {
            let author = if content.authors_hidden {
                json!({"code": "rest_user_cannot_view", "message": "Sorry", "data": {"status": 401}})
            } else {
                json!({"id": self.author, "name": "Trúc Linh", "slug": "truc-linh"})
            };
            let tags: Vec<Value> = self
                .tags
                .iter()
                .map(|id| json!({"id": id, "taxonomy": "post_tag", "name": format!("Thẻ &amp; {id}")}))
                .collect();
            post["_embedded"] =
                json!({"author": [author], "wp:term": [[{"id": 10, "taxonomy": "category", "name": "Tin"}], tags]});
            if self.media > 0 {
                post["_embedded"]["wp:featuredmedia"] = json!([{
                    "source_url": "https://tin.example.vn/wp-content/uploads/hoi-nghi.jpg", "alt_text": "Hội trường",
                    "mime_type": "image/jpeg", "media_details": {"width": 800, "height": 600, "filesize": 12345},
                }]);
            }
        }
        post
    }
}

/// What happens to the site while somebody turns its pages.
type Shift = Box<dyn FnOnce(&mut Content) + Send>;

/// The content, and how the site behaves.
#[derive(Default)]
pub struct Content {
    pub posts: BTreeMap<i64, Post>,
    /// Categories: parent, name, slug.
    pub categories: BTreeMap<i64, (i64, String, String)>,
    pub authors_hidden: bool,
    /// `X-WP-Total` is taken away on the way.
    pub no_totals: bool,
    /// A plugin answers the newest posts, whatever was asked for.
    pub include_ignored: bool,
    /// Answers that stand in for the proper ones, by route.
    pub instead: BTreeMap<String, Reply>,
    /// One happens before each page of posts.
    pub shifts: VecDeque<Shift>,
}

impl Content {
    pub fn post(&mut self, id: i64) -> &mut Post {
        self.posts.get_mut(&id).expect("a post")
    }

    pub fn add(&mut self, post: Post) {
        self.posts.insert(post.id, post);
    }
}

/// How a site tells where its interface is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// By a header of its home page, at a place of its own.
    Header,
    /// In the head of its home page.
    Page,
    /// Not at all; it is at the usual place.
    Nothing,
    /// Not at all, and its addresses do not speak.
    Query,
}

/// A running site.
pub struct Site {
    pub web: WebServer,
    content: Arc<Mutex<Content>>,
}

impl Site {
    /// A site of two categories, the second below the first, and these posts.
    pub async fn start(tells: Tells, posts: impl IntoIterator<Item = Post>) -> Self {
        let web = WebServer::start().await;
        let mut content = Content {
            categories: BTreeMap::from([
                (10, (0, "Tin tức &amp; sự kiện".to_owned(), "tin-tuc".to_owned())),
                (11, (10, "Đại hội".to_owned(), "%c4%91%e1%ba%a1i-h%e1%bb%99i".to_owned())),
            ]),
            ..Content::default()
        };
        posts.into_iter().for_each(|post| content.add(post));
        let content = Arc::new(Mutex::new(content));
        let root = if tells == Tells::Header { "/noi-khac/api/" } else { "/wp-json/" };
        let link = format!("<{}>; rel=\"https://api.w.org/\"", web.url(root));
        let head = format!("<link rel=\"https://api.w.org/\" href=\"{}\" />", web.url(root));
        let own = Arc::clone(&content);
        web.script("/", move |asked| {
            let home = |head: &str| Reply::html(format!("<!doctype html><html><head>{head}</head></html>"));
            match (tells, asked.query("rest_route")) {
                (Tells::Query, Some(route)) => answer(&mut lock(&own), route.trim_start_matches('/'), asked),
                (Tells::Header, _) => {
                    home("").header("link", "<https://tin.example.vn/>; rel=shortlink").header("link", &link)
                }
                (Tells::Page, _) => home(&head),
                _ => home(""),
            }
        });
        if tells != Tells::Query {
            for route in ["", "wp/v2/posts", "wp/v2/pages", "wp/v2/categories"] {
                let own = Arc::clone(&content);
                web.script(&format!("{root}{route}"), move |asked| answer(&mut lock(&own), route, asked));
            }
        }
        Self { web, content }
    }

    /// The content, to look at or to change.
    pub fn edit(&self) -> MutexGuard<'_, Content> {
        lock(&self.content)
    }

    /// What was asked of a route.
    pub fn asked(&self, route: &str) -> Vec<Asked> {
        self.web
            .asked()
            .into_iter()
            .filter(|asked| asked.path.split('?').next().is_some_and(|p| p.ends_with(route)))
            .collect()
    }
}

fn lock(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An error as `WordPress` words it.
pub fn error(status: u16, code: &str) -> Reply {
    Reply::status(status)
        .header("content-type", "application/json; charset=UTF-8")
        .body(json!({"code": code, "message": "Xin lỗi", "data": {"status": status}}).to_string())
}

fn answer(content: &mut Content, route: &str, asked: &Asked) -> Reply {
    if route == "wp/v2/posts"
        && let Some(shift) = content.shifts.pop_front()
    {
        shift(content);
    }
    if let Some(reply) = content.instead.get(route) {
        return reply.clone();
    }
    match route {
        "" => {
            Reply::page("application/json", json!({"name": "Tin", "namespaces": ["oembed/1.0", "wp/v2"]}).to_string())
        }
        "wp/v2/posts" | "wp/v2/pages" => posts(content, &route["wp/v2/".len()..], asked),
        "wp/v2/categories" => {
            let rows = content.categories.iter().map(|(id, (parent, name, slug))| {
                json!({"id": id, "parent": parent, "name": name, "slug": slug, "count": 0})
            });
            list(rows.collect(), asked, content)
        }
        _ => error(404, "rest_no_route"),
    }
}

fn posts(content: &Content, kind: &str, asked: &Asked) -> Reply {
    let include: Option<Vec<i64>> = asked
        .query("include")
        .filter(|_| !content.include_ignored)
        .map(|ids| ids.split(',').map(|id| id.parse().expect("an id")).collect());
    let mut shown: Vec<&Post> = content
        .posts
        .values()
        .filter(|post| post.kind == kind && post.status == "publish")
        .filter(|post| include.as_ref().is_none_or(|ids| ids.contains(&post.id)))
        .collect();
    match asked.query("orderby").as_deref() {
        None | Some("date") => shown.sort_by_key(|post| post.date),
        Some("modified") => shown.sort_by_key(|post| post.modified),
        Some("id") => {}
        Some(_) => return error(400, "rest_invalid_param"),
    }
    if asked.query("order").as_deref() != Some("asc") {
        shown.reverse();
    }
    let embed = asked.query("_embed").is_some();
    list(shown.into_iter().map(|post| post.json(embed, content)).collect(), asked, content)
}

/// Pages as `WordPress` cuts them: at most a hundred rows, 400 for a page behind the end, an offset wins over a page.
fn list(rows: Vec<Value>, asked: &Asked, content: &Content) -> Reply {
    let number = |key: &str| asked.query(key).and_then(|text| text.parse::<usize>().ok());
    let (limit, page) = (number("per_page").unwrap_or(10), number("page").unwrap_or(1));
    if !(1..=100).contains(&limit) {
        return error(400, "rest_invalid_param");
    }
    let (total, pages) = (rows.len(), rows.len().div_ceil(limit));
    if page > pages && total > 0 {
        return error(400, "rest_post_invalid_page_number");
    }
    let start = number("offset").unwrap_or((page - 1) * limit);
    let fields = asked.query("_fields");
    let wanted = |row: Value| match &fields {
        None => row,
        Some(fields) => {
            let mut kept = Map::new();
            for field in fields.split(',') {
                match field.split_once('.') {
                    Some((key, part)) => drop(kept.insert(key.to_owned(), json!({part: row[key][part]}))),
                    None if row.get(field).is_some() => drop(kept.insert(field.to_owned(), row[field].clone())),
                    None => {}
                }
            }
            Value::Object(kept)
        }
    };
    let page: Vec<Value> = rows.into_iter().skip(start).take(limit).map(wanted).collect();
    let reply = Reply::page("application/json; charset=UTF-8", Value::Array(page).to_string());
    if content.no_totals {
        return reply;
    }
    reply.header("x-wp-total", &total.to_string()).header("x-wp-totalpages", &pages.to_string())
}
