//! loa's own binary and nginx, both on loopback over the same bytes, and `wrk` between them. Each ends with its handle.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A server of ours.
pub struct Server {
    pub at: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked; killed, it would leave them behind.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().is_ok_and(|status| status.success());
        if !asked {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

impl Server {
    /// `loa serve` by this configuration; answers once `/readyz` does, and after how long.
    pub fn loa(folder: &Path, config: &str) -> (Self, Duration) {
        let at = free();
        let path = folder.join("loa.toml");
        fs::write(&path, config.replace("@LISTEN@", &at.to_string())).expect("a file");
        let start = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_loa"))
            .args(["--config".as_ref(), path.as_os_str(), "serve".as_ref()])
            .envs(shipped())
            .stderr(fs::File::create(folder.join("loa.log")).expect("a log"))
            .spawn()
            .expect("loa starts");
        let server = Self { at, child };
        while !get(at, "/readyz", &[]).is_ok_and(|answer| answer.status == 200) {
            assert!(start.elapsed() < Duration::from_mins(1), "loa is not ready after a minute");
            std::thread::sleep(Duration::from_millis(2));
        }
        (server, start.elapsed())
    }

    /// This program again, as the bare server over a folder's `feed` and `feed.gz`.
    pub fn bare(folder: &Path) -> Self {
        let at = free();
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args([crate::bare::WORD.as_ref(), at.to_string().as_ref(), folder.as_os_str()])
            .spawn()
            .expect("the bare server starts");
        Self { at, child }.answering()
    }

    /// nginx over a folder of files with `.gz` twins, with as many workers as loa has threads.
    pub fn nginx(folder: &Path, workers: usize) -> Self {
        let at = free();
        let config = format!(
            "daemon off; worker_processes {workers}; pid {dir}/nginx.pid; error_log {dir}/error.log;\n\
             events {{ worker_connections 4096; }}\n\
             http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;\n\
             types {{ application/atom+xml atom; }} default_type text/plain; charset utf-8;\n\
             charset_types application/atom+xml; gzip_static on; gzip_vary on;\n\
             server {{ listen {at} reuseport backlog=4096; root {dir}/www; }} }}\n",
            dir = folder.display(),
        );
        fs::write(folder.join("nginx.conf"), config).expect("a file");
        let child = Command::new("nginx")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        Self { at, child }.answering()
    }

    fn answering(self) -> Self {
        let start = Instant::now();
        while get(self.at, "/", &[]).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "a server is not ready after ten seconds");
            std::thread::sleep(Duration::from_millis(5));
        }
        self
    }

    /// Processor time of the process and its children that still run.
    fn busy(&self) -> Duration {
        let of = |process: u32| {
            let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
            // After the name, which may hold spaces: state is the 3rd field, user and system time the 14th and 15th, in
            // hundredths of a second.
            let times = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11).take(2);
            times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum::<u64>()
        };
        let own = self.child.id();
        let children = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let ticks = of(own) + children.split_whitespace().filter_map(|id| id.parse().ok()).map(of).sum::<u64>();
        Duration::from_millis(ticks * 10)
    }

    /// Memory of the process in MiB: now, and at its highest.
    pub fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name));
            let number = line.and_then(|line| line.split_whitespace().nth(1)).and_then(|kb| kb.parse::<u64>().ok());
            number.unwrap_or(0) / 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

/// The allocator's settings of the unit: what is measured is the service as it is installed.
fn shipped() -> impl Iterator<Item = (&'static str, &'static str)> {
    let unit = include_str!("../../deploy/systemd/loa.service").lines();
    let words = unit.filter_map(|line| line.strip_prefix("Environment=")).flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with("MALLOC_")).filter_map(|word| word.split_once('='))
}

fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// Whether a program can be started.
pub fn has(program: &str) -> bool {
    Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// An answer.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        let line = self.head.lines().find(|l| l.split(':').next().is_some_and(|n| n.eq_ignore_ascii_case(name)));
        line.and_then(|line| line.split_once(':')).map_or("", |(_, value)| value.trim())
    }
}

/// One request on a connection of its own.
pub fn get(at: SocketAddr, path: &str, headers: &[(&str, &str)]) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(at)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut request = format!("GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream.write_all((request + "\r\n").as_bytes())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Ok(Answer { status, body: bytes.get(end + 4..).unwrap_or_default().to_vec(), head })
}

/// What `wrk` measured.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub per_second: f64,
    /// Milliseconds.
    pub p99: f64,
    /// Microseconds of the server's processor time for each answer.
    pub micros: f64,
}

/// Load by `wrk` for so many seconds; every answer must be of the expected kind.
pub fn wrk(server: &Server, path: &str, headers: &[(&str, &str)], seconds: u32) -> Load {
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c32", "--latency", &format!("-d{seconds}s")]);
    for (name, value) in headers {
        command.arg("-H").arg(format!("{name}: {value}"));
    }
    let before = server.busy();
    let output = command.arg(format!("http://{}{path}", server.at)).output().expect("wrk runs");
    let busy = server.busy().saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!said.contains("Non-2xx"), "{said}");
    let line = |start: &str| said.lines().find_map(|line| line.trim().strip_prefix(start)).unwrap_or_default().trim();
    let p99 = line("99%");
    let (number, unit) = p99.split_at(p99.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(p99.len()));
    let scale = match unit {
        "us" => 0.001,
        "s" => 1000.0,
        _ => 1.0,
    };
    let told = |what: Option<&str>| what.and_then(|number| number.parse::<f64>().ok());
    let answers = said.lines().find_map(|line| line.split_once(" requests in ")).map(|(count, _)| count.trim());
    let (Some(per_second), Some(answers)) = (told(Some(line("Requests/sec:"))), told(answers)) else {
        panic!("wrk measured nothing: {said}")
    };
    Load {
        per_second,
        p99: number.parse::<f64>().unwrap_or(f64::NAN) * scale,
        micros: busy.as_secs_f64() * 1e6 / answers.max(1.0),
    }
}
