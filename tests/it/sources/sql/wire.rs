//! What a poll sends to MySQL and MariaDB. A statement that is closed there makes the next query wait for the server's
//! delayed acknowledgement, so none may be.

use std::sync::{Arc, Mutex};

use loa::source::Source;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{Portal, now};
use crate::sources::set;
use crate::support::databases::Engine;

const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const CLOSE: u8 = 0x19;

/// The commands of MySQL's protocol that go through a wire: the first byte of each packet that begins an exchange.
type Commands = Arc<Mutex<Vec<u8>>>;

/// The server's address through a wire that takes its commands down.
async fn through(url: &str) -> (String, Commands) {
    let mut url = Url::parse(url).expect("an address");
    let server = (url.host_str().expect("a host").to_owned(), url.port().expect("a port"));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port on loopback");
    url.set_port(Some(listener.local_addr().expect("an address").port())).expect("an address with a host");
    let commands = Commands::default();
    let taken = Arc::clone(&commands);
    tokio::spawn(async move {
        while let Ok((near, _)) = listener.accept().await {
            let far = TcpStream::connect(&server).await.expect("the test server answers");
            let taken = Arc::clone(&taken);
            tokio::spawn(async move {
                let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
                let asks = async {
                    let mut head = [0; 4];
                    while near_in.read_exact(&mut head).await.is_ok() {
                        let [a, b, c, number] = head;
                        let mut body = vec![0; u32::from_le_bytes([a, b, c, 0]) as usize];
                        near_in.read_exact(&mut body).await.expect("a whole packet");
                        if let Some(first) = body.first().filter(|_| number == 0) {
                            taken.lock().expect("nobody panicked").push(*first);
                        }
                        far_out.write_all(&head).await.expect("written");
                        far_out.write_all(&body).await.expect("written");
                    }
                };
                tokio::select! { () = asks => {}, _ = copy(&mut far_in, &mut near_out) => {} }
            });
        }
    });
    (url.into(), commands)
}

#[tokio::test]
async fn polls_after_the_first_prepare_nothing_and_never_close_a_statement() {
    let test = "sources::sql::wire::polls_after_the_first_prepare_nothing_and_never_close_a_statement";
    let Some(portal) = Portal::new(Engine::MariaDb, test).await else { return };
    let (url, commands) = through(&portal.db.url).await;
    let source = portal.source_as(&url);
    for round in 0..3 {
        portal.sweep(&source).await;
        // Three ids and four are asked for in one form.
        let ids = if round == 1 { set([1, 2, 6]) } else { set([1, 2, 6, 8]) };
        source.fetch(&ids, now()).await.expect("articles");
        let taken = std::mem::take(&mut *commands.lock().expect("nobody panicked"));
        let count = |commands: &[u8]| taken.iter().filter(|taken| commands.contains(taken)).count();
        assert!(count(&[EXECUTE]) >= 4, "{taken:?}");
        if round > 0 {
            assert_eq!(count(&[PREPARE, CLOSE]), 0, "round {round}: {taken:?}");
        }
    }
}
