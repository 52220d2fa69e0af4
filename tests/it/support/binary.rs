//! The real `loa`: a folder with a configuration, commands that end, and services that run until they are stopped.
//! Whatever becomes of a test, what it started is killed, by its process id.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A bound that only a failing test reaches.
pub const LONG: Duration = Duration::from_mins(1);

/// A folder of one installation: its configuration, feeds, articles and database.
pub struct Place {
    dir: tempfile::TempDir,
}

/// What a command that ended left behind.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; 128 and the signal's number if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Ended {
    /// Both outputs, for a look at all that was said.
    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// Asserts that the command went well, and gives its standard output.
    ///
    /// # Panics
    /// When it did not.
    pub fn well(self) -> String {
        assert_eq!(self.code, 0, "it should have gone well:\n{}{}", self.out, self.err);
        self.out
    }

    /// Asserts that the command ended with 1, and gives all that it said.
    ///
    /// # Panics
    /// When it ended otherwise.
    pub fn refused(self) -> String {
        assert_eq!(self.code, 1, "it should have ended with 1:\n{}{}", self.out, self.err);
        self.all()
    }
}

/// A free port of 127.0.0.1. Another process may take it at once; that is rare enough for a test.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
    listener.local_addr().expect("a listener has an address").port()
}

/// `2026-11-23 14:05:00`, that many seconds ago, on the clock of the tests' site.
pub fn moment(seconds_ago: u64) -> String {
    let zone = jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").expect("a zone that the bundle has");
    let then = loa::clock::Clock::system().now().minus(Duration::from_secs(seconds_ago));
    then.in_zone(&zone).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self { dir: tempfile::Builder::new().prefix("loa-").tempdir().expect("a temporary folder") }
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file whole: a reader sees all of it or nothing.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a file in the folder")).expect("folders can be made");
        let half = path.with_extension("half");
        fs::write(&half, text).expect("files can be written");
        fs::rename(&half, &path).expect("files can be renamed");
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    /// Publishes an article: a file whose date is a moment ago.
    pub fn article(&self, id: &str, title: &str) {
        let text = format!(
            "---\nid: {id}\ntitle: {title}\npublished: {}\ncategory: Tin tức\n---\n\nNội dung của {title}.\n",
            moment(60)
        );
        self.write(&format!("articles/{id}.md"), text);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loa"));
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        // What the tests are told by the environment is nothing that loa should read.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOA_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a command to its end, without naming a configuration.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn bare(&self, arguments: &[&str]) -> Ended {
        self.with(&[], arguments)
    }

    /// As [`Place::bare`], with these variables in its environment.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let mut command = self.command(arguments);
        command.envs(environment.iter().copied()).stdout(Stdio::piped());
        Self::end(command, arguments)
    }

    /// As [`Place::run`], with nobody who reads its standard output.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn run_unread(&self, arguments: &[&str]) -> Ended {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        self.run_into(arguments, writer)
    }

    /// As [`Place::run`], with this for its standard output.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn run_into(&self, arguments: &[&str], output: impl Into<Stdio>) -> Ended {
        let arguments = [&["--config", "loa.toml"], arguments].concat();
        let mut command = self.command(&arguments);
        command.stdout(output);
        Self::end(command, &arguments)
    }

    fn end(mut command: Command, arguments: &[&str]) -> Ended {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary starts");
        // Its side of a pipe stays open as long as this does.
        drop(command);
        let stdout = child.stdout.take();
        let mut stderr = child.stderr.take().expect("it was piped");
        let out = std::thread::spawn(move || stdout.map(|mut from| read_all(&mut from)).unwrap_or_default());
        let err = std::thread::spawn(move || read_all(&mut stderr));
        let code = wait(&mut child, LONG);
        if code.is_none() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let (out, err) = (out.join().expect("a reader"), err.join().expect("a reader"));
        let code = code.unwrap_or_else(|| panic!("{arguments:?} did not end within {LONG:?}:\n{out}{err}"));
        Ended { code, out, err }
    }

    /// Runs a command with `loa.toml` of this folder.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.bare(&[&["--config", "loa.toml"], arguments].concat())
    }

    /// Starts `loa serve` with this configuration file and waits until it says that it serves.
    ///
    /// # Panics
    /// When it does not within [`LONG`].
    pub fn serve(&self, config: &str) -> Running {
        let running = self.start(&["--config", config, "serve"]);
        running.wait_line("loa serves at", LONG);
        running
    }

    /// Starts a command that goes on until it is stopped.
    ///
    /// # Panics
    /// When the binary does not start.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::new(Log::default());
        let stdout = child.stdout.take().expect("it was piped");
        let stderr = child.stderr.take().expect("it was piped");
        let readers = vec![follow(stdout, &log), follow(stderr, &log)];
        Running { child: Some(child), log, readers }
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        self.dir.path()
    }
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

fn follow(from: impl Read + Send + 'static, log: &Arc<Log>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            log.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            log.more.notify_all();
        }
    })
}

fn read_all(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    let _ = from.read_to_end(&mut bytes);
    String::from_utf8(bytes).expect("loa writes UTF-8")
}

/// Waits for the end of a child; the standard library has no deadline for it.
fn wait(child: &mut Child, within: Duration) -> Option<i32> {
    let until = Instant::now() + within;
    loop {
        if let Some(status) = child.try_wait().expect("a child can be waited for") {
            return Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
        }
        if Instant::now() >= until {
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process that runs. Killed when this is dropped.
pub struct Running {
    child: Option<Child>,
    log: Arc<Log>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Its process id.
    ///
    /// # Panics
    /// When it was stopped.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs until it is stopped").id()
    }

    /// Everything it has said so far.
    pub fn log(&self) -> String {
        self.log.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// How many lines hold this text so far.
    pub fn count(&self, text: &str) -> usize {
        let lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).count()
    }

    /// Waits for a line that holds this text, from the first line on, and gives it.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn wait_line(&self, text: &str, within: Duration) -> String {
        self.wait_lines(text, 1, within)
    }

    /// Waits for the `nth` line (from 1) that holds this text, and gives it.
    ///
    /// # Panics
    /// When there is none in time.
    pub fn wait_lines(&self, text: &str, nth: usize, within: Duration) -> String {
        let until = Instant::now() + within;
        let mut lines = self.log.lines.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(line) = lines.iter().filter(|line| line.contains(text)).nth(nth - 1) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no \"{text}\" ({nth}) within {within:?}:\n{}", lines.join("\n"));
            lines = self.log.more.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Kills it as a power cut would (SIGKILL). Gives what it had said.
    pub fn kill(mut self) -> String {
        self.end();
        self.log()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it could not be sent.
    pub fn signal(&self, signal: &str) {
        let kill = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status();
        assert!(kill.expect("there is a kill").success(), "the signal was sent");
    }

    /// Asks it to stop by this signal, and gives its exit code, how long it took, and all that it said.
    ///
    /// # Panics
    /// When it has not ended within [`LONG`].
    pub fn stop(mut self, signal: &str) -> (i32, Duration, String) {
        let begun = Instant::now();
        self.signal(signal);
        let mut child = self.child.take().expect("it runs until it is stopped");
        let code = wait(&mut child, LONG);
        self.child = Some(child);
        let took = begun.elapsed();
        self.end();
        let log = self.log();
        let code = code.unwrap_or_else(|| panic!("it did not stop within {LONG:?}:\n{log}"));
        (code, took, log)
    }

    /// [`Running::stop`] by SIGTERM, which must go well.
    ///
    /// # Panics
    /// When it did not end with 0.
    pub fn terminate(self) -> String {
        let (code, _, log) = self.stop("TERM");
        assert_eq!(code, 0, "{log}");
        log
    }

    fn end(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("── the log of the service, its end:");
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            for line in &lines[lines.len().saturating_sub(40)..] {
                eprintln!("{line}");
            }
        }
    }
}

/// A configuration over a folder of articles, polled every second; mails go to `relay`, webhooks may go to loopback.
pub fn config(store: &str, relay: &str, connections: usize) -> String {
    let mut text = format!(
        r#"
[site]
title = "Cổng thông tin mẫu"
base_url = "https://bantin.example.vn/"
authority = "example.vn,2026"

[web]
listen = "127.0.0.1:{port}"
workers = 1

[store]
url = "{store}"

[feeds]
dir = "feeds"

[[source]]
name = "portal"
kind = "folder"
poll = "* * * * * *"
path = "articles"

[webhook]
allow = ["127.0.0.2/32"]

[log]
level = "info,loa=debug"
"#,
        port = free_port(),
    );
    let _ = if relay.is_empty() {
        write!(text, "\n[email]\ntransport = \"folder\"\nfolder = \"mail\"\nfrom = \"Bản tin <tin@example.vn>\"\n")
    } else {
        write!(
            text,
            "\n[email]\ntransport = \"smtp\"\nurl = \"{relay}\"\nfrom = \"Bản tin <tin@example.vn>\"\n\
             connections = {connections}\n"
        )
    };
    text
}

/// A feed of everything, and one of nothing that the tests publish by default.
pub const ALL_FEED: &str = "title = \"Tất cả tin\"\n[select]\n";
