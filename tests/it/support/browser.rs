//! A real Chromium, driven through its driver by plain `WebDriver` calls (<https://www.w3.org/TR/webdriver2/>). Only
//! started by tests, on loopback, with a fresh profile; ended with the test.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::call;

/// The key that moves on, as `WebDriver` spells it.
pub const TAB: &str = "\u{E004}";
/// The key that presses a button.
pub const ENTER: &str = "\u{E007}";
/// The key that ticks a box.
pub const SPACE: &str = " ";
/// The key that picks the next choice.
pub const DOWN: &str = "\u{E015}";

/// A browser with one window.
pub struct Browser {
    driver: Child,
    at: SocketAddr,
    session: String,
    _profile: TempDir,
}

/// The browser's program, if this machine has one and its driver.
pub fn program() -> Option<(PathBuf, PathBuf)> {
    let path = |name: &str, usual: &str| std::env::var_os(name).map_or_else(|| PathBuf::from(usual), PathBuf::from);
    let chromium = path("LOA_TEST_CHROMIUM", "/usr/bin/chromium");
    let driver = path("LOA_TEST_CHROMEDRIVER", "/usr/bin/chromedriver");
    (chromium.exists() && driver.exists()).then_some((chromium, driver))
}

impl Browser {
    /// Starts a browser; without scripts if asked.
    pub async fn start((chromium, driver): &(PathBuf, PathBuf), scripts: bool) -> Self {
        let profile = tempfile::tempdir().expect("a folder");
        let mut driver = Command::new(driver)
            .arg("--port=0")
            .env("HOME", profile.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the driver starts");
        let mut said = BufReader::new(driver.stdout.take().expect("piped")).lines();
        let port = said
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.rsplit_once("successfully on port ")?.1.trim_end_matches('.').parse::<u16>().ok())
            .expect("the driver says its port");
        // Read on, so that it never writes into a closed pipe; the thread ends with the driver.
        std::thread::spawn(move || said.for_each(drop));
        let at = SocketAddr::from(([127, 0, 0, 1], port));
        let data = format!("--user-data-dir={}", profile.path().join("profile").display());
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--lang=vi",
            &data,
        ];
        let mut prefs = json!({ "intl.accept_languages": "vi,vi-VN" });
        if !scripts {
            prefs["profile.managed_default_content_settings.javascript"] = json!(2);
        }
        let options = json!({ "binary": chromium, "args": args, "prefs": prefs });
        let wanted =
            json!({ "capabilities": { "alwaysMatch": { "browserName": "chrome", "goog:chromeOptions": options } } });
        let mut browser = Self { driver, at, session: String::new(), _profile: profile };
        let made = browser.raw("POST", "/session", &wanted).await;
        made["sessionId"].as_str().unwrap_or_else(|| panic!("no browser: {made}")).clone_into(&mut browser.session);
        browser
    }

    async fn raw(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" { body.to_string() } else { String::new() };
        let headers = [("Content-Type", "application/json; charset=utf-8")];
        call(self.at, method, path, &headers, body.as_bytes()).await.json()["value"].take()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let value = self.raw("POST", &format!("/session/{}{path}", self.session), &body).await;
        assert!(value.get("error").is_none(), "{path}: {value}");
        value
    }

    async fn read(&self, path: &str) -> Value {
        self.raw("GET", &format!("/session/{}{path}", self.session), &Value::Null).await
    }

    /// Opens an address and waits until it is loaded.
    pub async fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url })).await;
    }

    /// The address that is open.
    pub async fn url(&self) -> String {
        self.read("/url").await.as_str().expect("an address").to_owned()
    }

    /// The title of what is open.
    pub async fn title(&self) -> String {
        self.read("/title").await.as_str().expect("a title").to_owned()
    }

    /// Waits until the page's main part shows this: pressing a key does not wait for the page that it leads to.
    pub async fn shows(&self, words: &str) {
        let mut last = String::new();
        for _ in 0..400 {
            let main = json!({ "using": "css selector", "value": "main" });
            let found = self.raw("POST", &format!("/session/{}/element", self.session), &main).await;
            // Between two pages there is no main part, or not the one that was found.
            if let Some(id) = found.as_object().and_then(|o| o.values().next()).and_then(Value::as_str) {
                let text = self.read(&format!("/element/{id}/text")).await;
                text.as_str().unwrap_or_default().clone_into(&mut last);
                if last.contains(words) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{} never shows {words:?}, but {last:?}", self.url().await);
    }

    /// Types keys to whatever has the focus.
    pub async fn keys(&self, keys: &str) {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|k| {
                [
                    json!({ "type": "keyDown", "value": k.to_string() }),
                    json!({ "type": "keyUp", "value": k.to_string() }),
                ]
            })
            .collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": strokes });
        self.post("/actions", json!({ "actions": [keyboard] })).await;
    }

    /// Presses Tab until the focus is on an element whose property has this value; fails if there is none to reach.
    pub async fn tab_to(&self, property: &str, value: &str) {
        let mut seen = Vec::new();
        for _ in 0..80 {
            self.keys(TAB).await;
            let active = self.read("/element/active").await;
            let found = self.read(&format!("/element/{}/property/{property}", id(&active))).await;
            if found
                .as_str()
                .is_some_and(|found| found.trim() == value || (value.starts_with('/') && found.contains(value)))
            {
                return;
            }
            seen.push(found.as_str().unwrap_or_default().chars().take(40).collect::<String>());
        }
        panic!("the keyboard does not reach {property} = {value}; it reached {seen:?}");
    }

    /// One call of the browser's own debugging protocol.
    pub async fn debug(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// Shows pages in a window of this width, light or dark.
    pub async fn look(&self, width: u32, dark: bool) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        self.debug("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.debug("Emulation.setEmulatedMedia", media).await;
    }

    /// How wide the page is, in CSS pixels: wider than the window means that it scrolls sideways.
    pub async fn width(&self) -> u64 {
        let metrics = self.debug("Page.getLayoutMetrics", json!({})).await;
        metrics["cssContentSize"]["width"].as_u64().expect("a width")
    }

    /// Writes a picture of the whole page.
    pub async fn picture(&self, to: &Path) {
        let shot = self.debug("Page.captureScreenshot", json!({ "captureBeyondViewport": true })).await;
        let data = shot["data"].as_str().expect("a picture");
        let bytes = base64::engine::general_purpose::STANDARD.decode(data).expect("base64");
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
        std::fs::write(to, bytes).expect("written");
    }

    /// Ends the browser, then its driver.
    pub async fn end(self) {
        self.raw("DELETE", &format!("/session/{}", self.session), &Value::Null).await;
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

fn id(element: &Value) -> String {
    element
        .as_object()
        .and_then(|o| o.values().next())
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no element: {element}"))
        .to_owned()
}
